/**
 * An experiment as the fragment of an address, which no server sees:
 *
 *   #v1.  base64url( deflate-raw( JSON ) )
 *
 * What comes in is somebody else's: it is inflated up to a bound, and every field is checked before it is
 * used.
 */
import * as s from "../../../runtime/base/schema.ts";
import { experimentFields, type Experiment } from "./experiment.ts";

/** All that decides the bits of a training, and what came of it. */
export interface Pinned {
  readonly spec: string;
  /** Which of the spec's models; absent: the last one. */
  readonly model?: string;
  readonly experiment: Experiment;
  /** The instruction set whose results are the same everywhere. */
  readonly target: "simd";
  /** Sinter's version. */
  readonly version: string;
  /** The loss of the last step, as JavaScript writes it: what the link promises. */
  readonly loss?: string;
}

export type Link =
  | { readonly kind: "none" }
  | { readonly kind: "pinned"; readonly pinned: Pinned }
  /** `why` is for those who mend pages. */
  | { readonly kind: "damaged" | "newer"; readonly why: string };

/** In bytes of UTF-8. */
export const MOST_SPEC_BYTES = 16_384;
export const MOST_TEXT_BYTES = 4096;
const MOST_FRAGMENT = 65_536;
const MOST_JSON_BYTES = 131_072;

const PREFIX = "#v1.";
const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

const pinnedCheck = s.object({
  spec: s.text(),
  model: s.optional(s.text(/^[\w-]{1,64}$/, "a model's name")),
  experiment: s.object(experimentFields),
  target: s.oneOf("simd"),
  version: s.text(/^[\w.+-]{1,40}$/, "a version"),
  loss: s.optional(s.text(/^\d+(?:\.\d+)?(?:e[-+]\d+)?$/, "a number")),
} satisfies Record<keyof Pinned, s.Check>);

/** Whether spec and text are short enough for a link. */
export const fits = ({ spec, experiment: { data } }: Pinned): boolean =>
  bytesOf(spec) <= MOST_SPEC_BYTES && (data.kind !== "own" || bytesOf(data.text) <= MOST_TEXT_BYTES);

/** The fragment; undefined: it does not fit. */
export async function fragmentOf(pinned: Pinned): Promise<string | undefined> {
  if (!fits(pinned)) return undefined;
  const json = new Blob([JSON.stringify(pinned)]).stream();
  const deflated = await new Response(json.pipeThrough(new CompressionStream("deflate-raw"))).arrayBuffer();
  const binary = Array.from(new Uint8Array(deflated), (byte) => String.fromCharCode(byte)).join("");
  return PREFIX + btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** What an address's fragment pins. */
export async function readFragment(fragment: string): Promise<Link> {
  if (!fragment.startsWith(PREFIX)) {
    const version = /^#v(\d+)\./.exec(fragment)?.[1];
    return version === undefined ? { kind: "none" } : { kind: "newer", why: `version ${version}` };
  }
  try {
    if (fragment.length > MOST_FRAGMENT) throw new Error(`it has ${fragment.length} characters`);
    const value: unknown = JSON.parse(await inflated(fragment.slice(PREFIX.length)));
    const wrong = pinnedCheck(value, "");
    if (wrong !== undefined) throw new Error(wrong);
    if (!fits(value as Pinned)) throw new Error("its spec or its text is too long");
    return { kind: "pinned", pinned: value as Pinned };
  } catch (error) {
    return { kind: "damaged", why: String(error) };
  }
}

/** Reads no further than the bound: a few bytes may stand for gigabytes. */
async function inflated(base64url: string): Promise<string> {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  const deflated = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let [text, bytes] = ["", 0];
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    bytes += next.value.length;
    if (bytes > MOST_JSON_BYTES) {
      await reader.cancel();
      throw new Error(`it holds more than ${MOST_JSON_BYTES} bytes`);
    }
    text += decoder.decode(next.value, { stream: true });
  }
  return text + decoder.decode();
}

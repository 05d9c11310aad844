/** Decoders of tokenizer.json files: what a token's name stands for in a text. They change no ids. */
import { bytesOfName } from "../base/byte-level.ts";
import { field, optionalText, shown, text, whole, type JsonPlace } from "../base/json-fields.ts";
import { patternOf, stepsOf, typeOf, Unsupported } from "./json-steps.ts";
import { schemeOf } from "./pre-tokenizers.ts";

export interface Decoding {
  /** Of an ordinary token. */
  readonly bytes: (name: string) => Uint8Array;
  /** A space at the beginning of a text goes. */
  readonly dropsSpace: boolean;
}

type Step = {
  readonly map?: (name: string) => string;
  readonly drops?: boolean;
  readonly bytes?: "alphabet" | "fallback";
};

/** THE table of decoders. Every other type is refused by name. */
const decoders: Readonly<Record<string, (place: JsonPlace) => Step>> = {
  ByteLevel: () => ({ bytes: "alphabet" }),
  ByteFallback: () => ({ bytes: "fallback" }),
  Fuse: () => ({}),
  Replace(place) {
    const pattern = patternOf(field(place, "pattern"), "decoder Replace", { anyExpression: false });
    const content = text(field(place, "content"));
    return { map: (name) => replaced(name, pattern, content) };
  },
  Metaspace(place) {
    const mark = text(field(place, "replacement"));
    return { map: (name) => name.replaceAll(mark, " "), drops: schemeOf(place) !== "never" };
  },
  Strip(place) {
    const content = text(field(place, "content"));
    const start = whole(field(place, "start"), 1024);
    const stop = whole(field(place, "stop"), 1024);
    if (stop > 0 || start > 1 || (start === 1 && content !== " "))
      throw new Unsupported(`decoder Strip of ${shown(content)}, ${start} and ${stop}`);
    return { drops: start === 1 };
  },
  WordPiece(place) {
    const prefix = optionalText(field(place, "prefix")) ?? "##";
    return {
      map: (name) => (name.startsWith(prefix) && prefix !== "" ? name.slice(prefix.length) : ` ${name}`),
      drops: true,
    };
  },
};

function replaced(name: string, pattern: ReturnType<typeof patternOf>, content: string): string {
  let out = "";
  let done = 0;
  pattern(name, (from, to) => {
    out += name.slice(done, from) + content;
    done = to;
  });
  return out + name.slice(done);
}

const utf8 = new TextEncoder();
const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

/** Without a decoder a name stands for itself, with `mark` for spaces. Throws Unsupported. */
export function readDecoder(root: JsonPlace, mark: string | undefined): Decoding {
  const places = stepsOf(field(root, "decoder"), "decoders");
  const steps = places.map((place): Step => {
    const type = typeOf(place);
    const make = Object.hasOwn(decoders, type) ? decoders[type] : undefined;
    if (!make) throw new Unsupported(`decoder ${shown(type)}`);
    return make(place);
  });
  const maps =
    places.length > 0
      ? steps.flatMap(({ map }) => map ?? [])
      : mark === undefined
        ? []
        : [(name: string) => name.replaceAll(mark, " ")];
  const alphabet = steps.some((step) => step.bytes === "alphabet");
  const fallback = places.length === 0 || steps.some((step) => step.bytes === "fallback");
  return {
    dropsSpace: steps.some((step) => step.drops === true),
    bytes(name) {
      const byte = fallback ? BYTE.exec(name) : null;
      if (byte) return Uint8Array.of(Number.parseInt(byte[1]!, 16));
      return (
        (alphabet ? bytesOfName(name) : undefined) ?? utf8.encode(maps.reduce((done, map) => map(done), name))
      );
    },
  };
}

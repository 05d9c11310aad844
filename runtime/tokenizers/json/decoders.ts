/** The decoders of tokenizer.json files: the text that a token's name stands for. They change no ids. */
import { bytesOfName } from "../base/byte-level.ts";
import { field, optionalText, shown, text, integer, type JsonNode } from "../base/json-fields.ts";
import { patternOf, stepsOf, typeOf, Unsupported } from "./json-steps.ts";
import { schemeOf } from "./pre-tokenizers.ts";

export interface Decoding {
  /** The bytes of an ordinary token. */
  readonly bytes: (name: string) => Uint8Array;
  /** A space at the beginning of a text is removed. */
  readonly dropsSpace: boolean;
}

type Step = {
  readonly map?: (name: string) => string;
  readonly drops?: boolean;
  readonly bytes?: "alphabet" | "fallback";
};

/** The table of decoders. Any other type is refused by name. */
const decoders: Readonly<Record<string, (node: JsonNode) => Step>> = {
  ByteLevel: () => ({ bytes: "alphabet" }),
  ByteFallback: () => ({ bytes: "fallback" }),
  Fuse: () => ({}),
  Replace(node) {
    const pattern = patternOf(field(node, "pattern"), "decoder Replace", { anyExpression: false });
    const content = text(field(node, "content"));
    return { map: (name) => replaced(name, pattern, content) };
  },
  Metaspace(node) {
    const mark = text(field(node, "replacement"));
    return { map: (name) => name.replaceAll(mark, " "), drops: schemeOf(node) !== "never" };
  },
  Strip(node) {
    const content = text(field(node, "content"));
    const start = integer(field(node, "start"), 1024);
    const stop = integer(field(node, "stop"), 1024);
    if (stop > 0 || start > 1 || (start === 1 && content !== " "))
      throw new Unsupported(`decoder Strip of ${shown(content)}, ${start} and ${stop}`);
    return { drops: start === 1 };
  },
  WordPiece(node) {
    const prefix = optionalText(field(node, "prefix")) ?? "##";
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

/** Without a decoder, a name stands for itself, with `mark` for spaces. Throws Unsupported. */
export function readDecoder(root: JsonNode, mark: string | undefined): Decoding {
  const nodes = stepsOf(field(root, "decoder"), "decoders");
  const steps = nodes.map((node): Step => {
    const type = typeOf(node);
    const make = Object.hasOwn(decoders, type) ? decoders[type] : undefined;
    if (!make) throw new Unsupported(`decoder ${shown(type)}`);
    return make(node);
  });
  const withoutDecoder = mark === undefined ? [] : [(name: string) => name.replaceAll(mark, " ")];
  const maps = nodes.length === 0 ? withoutDecoder : steps.flatMap(({ map }) => map ?? []);
  const alphabet = steps.some((step) => step.bytes === "alphabet");
  const fallback = nodes.length === 0 || steps.some((step) => step.bytes === "fallback");
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

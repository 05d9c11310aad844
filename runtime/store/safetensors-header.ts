/**
 * The JSON of a safetensors header, and nothing more: objects of texts and whole numbers, in the one shape
 * that the format allows. JSON.parse would hide duplicate keys, give "__proto__" a meaning, and round 1e20; a
 * reader of the format itself is shorter than the checks around it.
 */
export interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offsets: readonly [number, number];
}

export interface Header {
  readonly metadata: ReadonlyMap<string, string>;
  readonly entries: ReadonlyMap<string, HeaderEntry>;
}

const MAX_DIMENSIONS = 32;
const METADATA = "__metadata__";

/** `fail` gets the reason, with the byte offset in the file, and does not return. */
export function parseHeader(bytes: Uint8Array, fail: (why: string) => never): Header {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail("offset 8: the header is not UTF-8");
  }
  const at = cursor(text, (index, why) => fail(`offset ${8 + byteLength(text, index)}: ${why}`));
  const entries = new Map<string, HeaderEntry>();
  let metadata: ReadonlyMap<string, string> = new Map();
  let seenMetadata = false;
  if (text[0] !== "{") at.fail("the header does not begin with {");
  at.object((name) => {
    if (entries.has(name) || (name === METADATA && seenMetadata))
      at.fail(`the key ${JSON.stringify(name.slice(0, 60))} stands there twice`);
    if (name === METADATA) {
      seenMetadata = true;
      metadata = texts(at);
    } else entries.set(name, entry(at, name));
  });
  at.end();
  return { metadata, entries };
}

type Cursor = ReturnType<typeof cursor>;

function texts(at: Cursor): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  at.object((key) => {
    if (out.has(key)) at.fail(`the metadata key ${JSON.stringify(key.slice(0, 60))} stands there twice`);
    out.set(key, at.text());
  });
  return out;
}

function entry(at: Cursor, name: string): HeaderEntry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  const what = `tensor ${JSON.stringify(name.slice(0, 60))}`;
  const once = <T>(before: T | undefined, key: string, read: () => T): T =>
    before === undefined ? read() : at.fail(`${what} has ${key} twice`);
  at.object((key) => {
    if (key === "dtype") dtype = once(dtype, key, at.text);
    else if (key === "shape") shape = once(shape, key, () => at.numbers(MAX_DIMENSIONS));
    else if (key === "data_offsets") offsets = once(offsets, key, () => at.numbers(2));
    else at.fail(`${what} has an unknown key ${JSON.stringify(key.slice(0, 60))}`);
  });
  if (dtype === undefined || shape === undefined || offsets?.length !== 2)
    return at.fail(`${what} lacks dtype, shape or two data_offsets`);
  return { dtype, shape, offsets: offsets as unknown as [number, number] };
}

/** Reads JSON (RFC 8259) from left to right, without recursion. */
function cursor(text: string, failAt: (index: number, why: string) => never) {
  let i = 0;
  const fail = (why: string): never => failAt(i, why);
  const skip = (): void => {
    while (text[i] === " " || text[i] === "\n" || text[i] === "\r" || text[i] === "\t") i++;
  };
  const eat = (character: string): boolean => {
    skip();
    if (text[i] !== character) return false;
    i++;
    return true;
  };
  const expect = (character: string): void => {
    if (!eat(character))
      fail(`${character} was expected, ${i < text.length ? JSON.stringify(text[i]) : "the header ends"}`);
  };
  const readText = (): string => {
    skip();
    if (text[i] !== '"') fail("a text in quotes was expected");
    let end = i + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
    try {
      // also refuses control characters and bad escapes
      const value = JSON.parse(text.slice(i, end + 1)) as string;
      i = end + 1;
      return value;
    } catch {
      return fail("a text that does not end, or has a bad escape");
    }
  };
  const number = (): number => {
    skip();
    const pattern = /(?:0|[1-9][0-9]*)(?![0-9.eE+-])/y;
    pattern.lastIndex = i;
    const [found] = pattern.exec(text) ?? [];
    if (found === undefined || !Number.isSafeInteger(Number(found)))
      return fail("a whole number from 0 to 2^53 − 1 was expected");
    i += found.length;
    return Number(found);
  };
  return {
    fail,
    text: readText,
    numbers(most: number): number[] {
      const out: number[] = [];
      expect("[");
      if (eat("]")) return out;
      do {
        if (out.length === most) fail(`more than ${most} numbers`);
        out.push(number());
      } while (eat(","));
      expect("]");
      return out;
    },
    object(member: (key: string) => void): void {
      expect("{");
      if (eat("}")) return;
      do {
        const key = readText();
        expect(":");
        member(key);
      } while (eat(","));
      expect("}");
    },
    end(): void {
      skip();
      if (i < text.length) fail("something follows the header's object");
    },
  };
}

const byteLength = (text: string, index: number): number =>
  new TextEncoder().encode(text.slice(0, index)).length;

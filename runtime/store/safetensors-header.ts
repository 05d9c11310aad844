/**
 * Reads the JSON of a safetensors header: objects of texts and whole numbers, in the one shape that the
 * format allows. JSON.parse would hide duplicate keys, give "__proto__" a meaning, and round 1e20; a reader
 * of the format itself is shorter than the checks that would be needed around it.
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
  const at = new HeaderCursor(text, (index, why) => fail(`offset ${8 + byteLength(text, index)}: ${why}`));
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

function texts(at: HeaderCursor): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  at.object((key) => {
    if (out.has(key)) at.fail(`the metadata key ${JSON.stringify(key.slice(0, 60))} stands there twice`);
    out.set(key, at.text());
  });
  return out;
}

function entry(at: HeaderCursor, name: string): HeaderEntry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  const what = `tensor ${JSON.stringify(name.slice(0, 60))}`;
  const once = <T>(before: T | undefined, key: string, read: () => T): T =>
    before === undefined ? read() : at.fail(`${what} has ${key} twice`);
  at.object((key) => {
    if (key === "dtype") dtype = once(dtype, key, () => at.text());
    else if (key === "shape") shape = once(shape, key, () => at.numbers(MAX_DIMENSIONS));
    else if (key === "data_offsets") offsets = once(offsets, key, () => at.numbers(2));
    else at.fail(`${what} has an unknown key ${JSON.stringify(key.slice(0, 60))}`);
  });
  if (dtype === undefined || shape === undefined || offsets?.length !== 2)
    return at.fail(`${what} lacks dtype, shape or two data_offsets`);
  return { dtype, shape, offsets: offsets as unknown as [number, number] };
}

/** Space, line feed, carriage return, tab. */
const SPACES: ReadonlySet<number> = new Set([0x20, 0x0a, 0x0d, 0x09]);

/** Reads JSON (RFC 8259) from left to right, without recursion. */
class HeaderCursor {
  readonly #text: string;
  readonly #failAt: (index: number, why: string) => never;
  #at = 0;

  constructor(text: string, failAt: (index: number, why: string) => never) {
    this.#text = text;
    this.#failAt = failAt;
  }

  fail(why: string): never {
    return this.#failAt(this.#at, why);
  }

  text(): string {
    this.#skipSpace();
    const begin = this.#at;
    if (this.#text[begin] !== '"') this.fail("a text in quotes was expected");
    let end = begin + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === "\\" ? 2 : 1;
    try {
      // also refuses control characters and bad escapes
      const value = JSON.parse(this.#text.slice(begin, end + 1)) as string;
      this.#at = end + 1;
      return value;
    } catch {
      return this.fail("a text that does not end, or has a bad escape");
    }
  }

  number(): number {
    this.#skipSpace();
    const pattern = /(?:0|[1-9][0-9]*)(?![0-9.eE+-])/y;
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found === undefined || !Number.isSafeInteger(Number(found)))
      return this.fail("a whole number from 0 to 2^53 − 1 was expected");
    this.#at += found.length;
    return Number(found);
  }

  /** A list of at most `most` numbers. */
  numbers(most: number): number[] {
    const out: number[] = [];
    this.#expect("[");
    if (this.#eat("]")) return out;
    do {
      if (out.length === most) this.fail(`more than ${most} numbers`);
      out.push(this.number());
    } while (this.#eat(","));
    this.#expect("]");
    return out;
  }

  /** An object, each of whose values `member` reads. */
  object(member: (key: string) => void): void {
    this.#expect("{");
    if (this.#eat("}")) return;
    do {
      const key = this.text();
      this.#expect(":");
      member(key);
    } while (this.#eat(","));
    this.#expect("}");
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) this.fail("something follows the header's object");
  }

  #skipSpace(): void {
    while (SPACES.has(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  /** Passes over the character, if it is the next one. */
  #eat(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (this.#eat(character)) return;
    const found = this.#at < this.#text.length ? JSON.stringify(this.#text[this.#at]) : "the header ends";
    this.fail(`${character} was expected, ${found}`);
  }
}

const byteLength = (text: string, index: number): number =>
  new TextEncoder().encode(text.slice(0, index)).length;

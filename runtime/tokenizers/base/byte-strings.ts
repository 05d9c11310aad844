/**
 * A hash table from byte strings to ids, which looks up any part of a buffer without making a string of it.
 * It uses open addressing, and FNV-1a with a random multiplier, so that nobody can craft tokens that all
 * collide.
 */
export class ByteStrings {
  readonly #mask: number;
  readonly #slots: Int32Array; // id + 1, or 0 where the slot is free
  readonly #multiplier = (Math.floor(Math.random() * 2 ** 28) * 8 + 5) | 0;
  readonly #strings: readonly (Uint8Array | undefined)[];
  readonly #longest: number;

  /** The strings by id. Of equal strings the first counts; `undefined` and empty strings are never found. */
  constructor(strings: readonly (Uint8Array | undefined)[]) {
    this.#strings = strings;
    const size = 2 ** Math.max(4, 33 - Math.clz32(strings.length)); // at most half full
    this.#mask = size - 1;
    this.#slots = new Int32Array(size);
    let longest = 0;
    for (const [id, bytes] of strings.entries()) {
      if (bytes === undefined || bytes.length === 0) continue;
      const at = this.#placeOf(bytes, 0, bytes.length);
      if (this.#slots[at] === 0) this.#slots[at] = id + 1;
      longest = Math.max(longest, bytes.length);
    }
    this.#longest = longest;
  }

  /** The id of bytes [from … to), or −1. */
  find(bytes: Uint8Array, from: number, to: number): number {
    return to - from > this.#longest ? -1 : this.#slots[this.#placeOf(bytes, from, to)]! - 1;
  }

  #placeOf(bytes: Uint8Array, from: number, to: number): number {
    let hash = to - from;
    for (let i = from; i < to; i++) {
      hash = Math.imul(hash ^ bytes[i]!, this.#multiplier);
      hash ^= hash >>> 15;
    }
    let at = hash & this.#mask;
    for (
      let id = this.#slots[at]!;
      id !== 0 && !equals(this.#strings[id - 1]!, bytes, from, to);
      id = this.#slots[at]!
    )
      at = (at + 1) & this.#mask;
    return at;
  }
}

function equals(string: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (string.length !== to - from) return false;
  for (let i = from; i < to; i++) if (string[i - from] !== bytes[i]) return false;
  return true;
}

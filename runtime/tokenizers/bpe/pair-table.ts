/**
 * A hash table of merges: (left id, right id) gives a rank and the id of the result. Open addressing in typed
 * arrays is several times as fast as a Map of numbers. The hash has a random multiplier, so that nobody can
 * craft a file whose pairs all collide.
 */
export const MAX_MERGES = 2 ** 21 - 1; // ranks have to fit beside a position (bpe.ts)

export class PairTable {
  #mask = 0;
  #shift = 0;
  #size = 0;
  readonly #multiplier = (Math.floor(Math.random() * 2 ** 30) * 4 + 5) | 0;
  #left = new Int32Array(0);
  #right = new Int32Array(0);
  #rank = new Int32Array(0);
  #joined = new Int32Array(0);

  /** The table has room for `pairs` pairs at first, and grows. */
  constructor(pairs: number) {
    this.#empty(Math.max(4, 32 - Math.clz32(pairs) + 1)); // at most half full
  }

  #empty(bits: number): void {
    this.#mask = 2 ** bits - 1;
    this.#shift = 32 - bits;
    this.#left = new Int32Array(2 ** bits).fill(EMPTY);
    this.#right = new Int32Array(2 ** bits);
    this.#rank = new Int32Array(2 ** bits);
    this.#joined = new Int32Array(2 ** bits);
  }

  /** If the pair is there already, it keeps what it has. Several pairs may have the same rank. */
  add(left: number, right: number, rank: number, joined: number): void {
    let at = this.#placeOf(left, right);
    if (this.#left[at] !== EMPTY) return;
    if (this.#size++ > this.#mask >> 1) {
      this.#grow();
      at = this.#placeOf(left, right);
    }
    this.#left[at] = left;
    this.#right[at] = right;
    this.#rank[at] = rank;
    this.#joined[at] = joined;
  }

  /** The slot of the pair, for `rankAt` and `joinedAt`, or −1 where it has no merge. */
  find(left: number, right: number): number {
    const at = this.#placeOf(left, right);
    return this.#left[at] === EMPTY ? -1 : at;
  }

  rankAt(slot: number): number {
    return this.#rank[slot]!;
  }

  joinedAt(slot: number): number {
    return this.#joined[slot]!;
  }

  #grow(): void {
    const left = this.#left;
    const right = this.#right;
    const rank = this.#rank;
    const joined = this.#joined;
    this.#empty(32 - this.#shift + 1);
    for (let i = 0; i < left.length; i++) {
      if (left[i] === EMPTY) continue;
      const at = this.#placeOf(left[i]!, right[i]!);
      this.#left[at] = left[i]!;
      this.#right[at] = right[i]!;
      this.#rank[at] = rank[i]!;
      this.#joined[at] = joined[i]!;
    }
  }

  #placeOf(left: number, right: number): number {
    const mixed = (Math.imul(left, this.#multiplier) + Math.imul(right, 0x9e3779b1)) | 0;
    let at = Math.imul(mixed ^ (mixed >>> 15), this.#multiplier) >>> this.#shift;
    while (this.#left[at] !== EMPTY && (this.#left[at] !== left || this.#right[at] !== right))
      at = (at + 1) & this.#mask;
    return at;
  }
}

const EMPTY = -1;

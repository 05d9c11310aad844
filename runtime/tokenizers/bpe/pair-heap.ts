/**
 * A binary heap of pairs by count, the largest first. Among equal counts, the pair that `before` prefers
 * comes first. A pair may be in the heap several times.
 */
export class PairHeap {
  readonly #pairs: number[] = [];
  readonly #counts: number[] = [];
  readonly #before: (a: number, b: number) => boolean;
  /** The count with which the last popped pair was pushed. */
  popped = 0;

  constructor(before: (a: number, b: number) => boolean) {
    this.#before = before;
  }

  push(pair: number, count: number): void {
    let at = this.#pairs.length;
    this.#pairs.push(pair);
    this.#counts.push(count);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#first(pair, count, parent)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#put(at, pair, count);
  }

  /** The first pair, or −1 where the heap is empty. */
  pop(): number {
    const n = this.#pairs.length - 1;
    if (n < 0) return -1;
    const top = this.#pairs[0]!;
    this.popped = this.#counts[0]!;
    const pair = this.#pairs.pop()!;
    const count = this.#counts.pop()!;
    if (n === 0) return top;
    let at = 0;
    for (let child = 1; child < n; child = at * 2 + 1) {
      if (child + 1 < n && this.#first(this.#pairs[child + 1]!, this.#counts[child + 1]!, child)) child++;
      if (this.#first(pair, count, child)) break;
      this.#move(child, at);
      at = child;
    }
    this.#put(at, pair, count);
    return top;
  }

  /** Whether the pair comes before the entry in `slot`. */
  #first(pair: number, count: number, slot: number): boolean {
    const other = this.#counts[slot]!;
    return count === other ? this.#before(pair, this.#pairs[slot]!) : count > other;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#pairs[from]!, this.#counts[from]!);
  }

  #put(at: number, pair: number, count: number): void {
    this.#pairs[at] = pair;
    this.#counts[at] = count;
  }
}

/**
 * Byte-pair encoding of one piece of text (Sennrich et al. 2016; byte level: Radford et al. 2019): as long as neighbours have a
 * merge, the pair of lowest rank is joined, the leftmost first among equals.
 *
 * Symbols form a linked list; a heap holds possible merges, ordered by (rank, position). A merge that has been overtaken is
 * recognised when it comes up: its pair is no longer there. n symbols cost n log n, also for hostile text.
 */
export interface Merges {
  /** Rank of the pair (left, right), by pairKey. */
  readonly rank: ReadonlyMap<number, number>;
  /** Rank → id of the joined token. */
  readonly joined: Int32Array;
}

const PAIR = 2 ** 20; // more than any vocabulary here
const POSITION = 2 ** 32;

export const pairKey = (left: number, right: number): number => left * PAIR + right;

/** Ids of a piece, given the ids of its bytes. */
export function mergePairs(symbols: readonly number[], { rank, joined }: Merges): number[] {
  const n = symbols.length;
  if (n < 2) return [...symbols];
  const id = Int32Array.from(symbols);
  const next = Int32Array.from(symbols, (_, i) => i + 1); // n: none
  const previous = Int32Array.from(symbols, (_, i) => i - 1); // −1: none
  const heap = new Heap();
  const offer = (left: number): void => {
    const right = next[left]!;
    const found = right < n ? rank.get(pairKey(id[left]!, id[right]!)) : undefined;
    if (found !== undefined) heap.push(found * POSITION + left);
  };
  for (let i = 0; i < n; i++) offer(i);
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const left = top % POSITION, wanted = Math.floor(top / POSITION);
    const right = next[left]!;
    if (id[left] === GONE || right >= n || rank.get(pairKey(id[left]!, id[right]!)) !== wanted) continue; // overtaken
    id[left] = joined[wanted]!;
    id[right] = GONE;
    next[left] = next[right]!;
    if (next[right]! < n) previous[next[right]!] = left;
    offer(left);
    if (previous[left]! >= 0) offer(previous[left]!);
  }
  return Array.from(id.filter((symbol) => symbol !== GONE));
}

const GONE = -1;

/** Binary heap of numbers, smallest first. */
class Heap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= item) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0], last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= last) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top;
  }
}

/**
 * Byte-pair encoding of one piece of text (Sennrich et al. 2016): while any two neighbours have a merge, the
 * pair with the lowest rank is joined; among equal ranks the leftmost comes first. This is the core of most
 * tokenizers here. Byte-level tokenizers rank merges by their order in a list (GPT-2) or by the id of the
 * result (tiktoken); sentencepiece ranks them by score.
 */
import type { PairTable } from "./pair-table.ts";

/** For up to so many symbols, a linear search for the lowest rank is faster than a heap. */
const SHORT = 48;

/**
 * Joins the first `n` of `ids` in place and returns how many are left. n symbols cost at most n log n, even
 * in a text that was made to be slow.
 */
export function merge(ids: Int32Array, n: number, merges: PairTable): number {
  return n <= SHORT ? mergeShort(ids, n, merges) : mergeLong(ids, n, merges);
}

/** The ids of a piece, from the ids of its symbols. */
export function mergePairs(symbols: readonly number[], merges: PairTable): number[] {
  const ids = Int32Array.from(symbols);
  return Array.from(ids.subarray(0, merge(ids, ids.length, merges)));
}

const NONE = 0x7fffffff;
const ranks = new Int32Array(SHORT);
const slots = new Int32Array(SHORT); // slot of the pair that begins here

function mergeShort(ids: Int32Array, n: number, merges: PairTable): number {
  const look = (i: number): void => {
    const slot = merges.find(ids[i]!, ids[i + 1]!);
    slots[i] = slot;
    ranks[i] = slot < 0 ? NONE : merges.rankAt(slot);
  };
  for (let i = 0; i + 1 < n; i++) look(i);
  for (let left = n; left > 1;) {
    let best = NONE;
    let at = 0;
    for (let i = 0; i + 1 < left; i++)
      if (ranks[i]! < best) {
        best = ranks[i]!;
        at = i;
      }
    if (best === NONE) return left;
    ids[at] = merges.joinedAt(slots[at]!);
    left--;
    for (let i = at + 1; i < left; i++) {
      ids[i] = ids[i + 1]!;
      ranks[i] = ranks[i + 1]!;
      slots[i] = slots[i + 1]!;
    }
    if (at + 1 < left) look(at);
    if (at > 0) look(at - 1);
  }
  return Math.min(n, 1);
}

const POSITION = 2 ** 32;
const GONE = -1;

/**
 * The symbols form a linked list, and a heap holds the possible merges by (rank, position). When an entry
 * comes up whose pair no longer exists, it is skipped.
 */
function mergeLong(ids: Int32Array, n: number, merges: PairTable): number {
  const next = Int32Array.from({ length: n }, (_, i) => i + 1); // n is the end
  const previous = Int32Array.from({ length: n }, (_, i) => i - 1); // −1 is the end
  const heap = new Heap();
  const offer = (left: number): void => {
    const right = next[left]!;
    const slot = right < n ? merges.find(ids[left]!, ids[right]!) : -1;
    if (slot >= 0) heap.push(merges.rankAt(slot) * POSITION + left);
  };
  for (let i = 0; i < n; i++) offer(i);
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const left = top % POSITION;
    const wanted = Math.floor(top / POSITION);
    const right = next[left]!;
    if (ids[left] === GONE || right >= n) continue;
    const slot = merges.find(ids[left]!, ids[right]!);
    if (slot < 0 || merges.rankAt(slot) !== wanted) continue; // the pair no longer exists
    ids[left] = merges.joinedAt(slot);
    ids[right] = GONE;
    next[left] = next[right]!;
    if (next[right]! < n) previous[next[right]!] = left;
    offer(left);
    if (previous[left]! >= 0) offer(previous[left]!);
  }
  let kept = 0;
  for (let i = 0; i < n; i++) if (ids[i] !== GONE) ids[kept++] = ids[i]!;
  return kept;
}

/** A binary heap of numbers, the smallest first. */
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
    const top = items[0];
    const last = items.pop();
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

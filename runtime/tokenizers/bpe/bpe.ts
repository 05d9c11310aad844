/**
 * Byte-pair encoding of one piece of text (Sennrich et al. 2016): as long as neighbours have a merge, the
 * pair of lowest rank is joined, the leftmost first among equals. The core of all tokenizers here: byte-level
 * ones rank their merges in the order of a list (GPT-2) or by the id of what they make (tiktoken),
 * sentencepiece by score.
 */
import type { PairTable } from "./pair-table.ts";

/** Up to so many symbols a plain search for the least rank is faster than a heap. */
const SHORT = 48;

/**
 * Joins in place the first `n` of `ids`; returns how many are left. n symbols cost at most n log n, also for
 * hostile text.
 */
export function merge(ids: Int32Array, n: number, merges: PairTable): number {
  return n <= SHORT ? mergeShort(ids, n, merges) : mergeLong(ids, n, merges);
}

/** Ids of a piece, given those of its symbols. */
export function mergePairs(symbols: readonly number[], merges: PairTable): number[] {
  const ids = Int32Array.from(symbols);
  return Array.from(ids.subarray(0, merge(ids, ids.length, merges)));
}

const NONE = 0x7fffffff;
const ranks = new Int32Array(SHORT);
const places = new Int32Array(SHORT); // of the pair that begins here

function mergeShort(ids: Int32Array, n: number, merges: PairTable): number {
  const look = (i: number): void => {
    const place = (places[i] = merges.find(ids[i]!, ids[i + 1]!));
    ranks[i] = place < 0 ? NONE : merges.rankAt(place);
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
    ids[at] = merges.joinedAt(places[at]!);
    left--;
    for (let i = at + 1; i < left; i++) {
      ids[i] = ids[i + 1]!;
      ranks[i] = ranks[i + 1]!;
      places[i] = places[i + 1]!;
    }
    if (at + 1 < left) look(at);
    if (at > 0) look(at - 1);
  }
  return Math.min(n, 1);
}

const POSITION = 2 ** 32;
const GONE = -1;

/**
 * Symbols form a linked list; a heap holds possible merges, ordered by (rank, position). A merge that has
 * been overtaken is recognised when it comes up: its pair is no longer there.
 */
function mergeLong(ids: Int32Array, n: number, merges: PairTable): number {
  const next = Int32Array.from({ length: n }, (_, i) => i + 1); // n: none
  const previous = Int32Array.from({ length: n }, (_, i) => i - 1); // −1: none
  const heap = new Heap();
  const offer = (left: number): void => {
    const right = next[left]!;
    const place = right < n ? merges.find(ids[left]!, ids[right]!) : -1;
    if (place >= 0) heap.push(merges.rankAt(place) * POSITION + left);
  };
  for (let i = 0; i < n; i++) offer(i);
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const left = top % POSITION;
    const wanted = Math.floor(top / POSITION);
    const right = next[left]!;
    if (ids[left] === GONE || right >= n) continue;
    const place = merges.find(ids[left]!, ids[right]!);
    if (place < 0 || merges.rankAt(place) !== wanted) continue; // overtaken
    ids[left] = merges.joinedAt(place);
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

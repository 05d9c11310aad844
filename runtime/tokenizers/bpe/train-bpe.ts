/**
 * Training of a byte-level BPE (Sennrich et al. 2016, algorithm 1): the pair of neighbours that is counted
 * most becomes a token, again and again. Of equal counts the pair wins whose bytes are greater, the left
 * token's first.  Each different piece is kept once, with its count. A merge visits only the pieces that hold
 * the pair, and corrects the counts of the pairs around it; a heap knows the largest count. Old pairs can
 * only become rarer, so an entry of the heap that promises too much is put back with what is true.
 */
import { concat } from "../../base/bytes.ts";
import { SinterError } from "../../base/errors.ts";
import { byteCharacters } from "../base/byte-level.ts";
import { PairTable } from "./pair-table.ts";
import { PairHeap } from "./pair-heap.ts";

export interface BpeTraining {
  /** Tokens in all: special ones, 256 bytes, merges. */
  readonly vocab: number;
  /** They get the first ids. */
  readonly special: readonly string[];
  /** Pairs that are counted less often are not merged. */
  readonly atLeast: number;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface TrainedBpe {
  readonly special: readonly string[];
  /** Id → bytes; empty for special tokens. */
  readonly tokens: readonly Uint8Array[];
  /** Ids of the two that are joined, in the order of their ranks. */
  readonly merges: readonly (readonly [left: number, right: number])[];
}

/**
 * A text without spaces would make tokens of any length, which no file of a tokenizer may have
 * (read-tokenizer-json.ts).
 */
const MOST_TOKEN_BYTES = 1024;

/** `counts`: pieces and how often they come. May end with fewer tokens, when nothing is left to merge. */
export function trainBpe(
  counts: ReadonlyMap<string, number>,
  { vocab, special, atLeast, onProgress }: BpeTraining,
): TrainedBpe {
  const first = special.length + 256;
  if (!(vocab >= first))
    throw new SinterError(
      "input",
      `a vocabulary of ${vocab} is too small: ${special.length} special tokens and 256 bytes are ${first}`,
    );
  if (new Set(special).size !== special.length || special.includes(""))
    throw new SinterError("input", "special tokens must be different texts, not empty");
  const tokens: Uint8Array[] = special.map(() => new Uint8Array(0));
  const byteIds = new Int32Array(256);
  for (const byte of bytesInOrder) {
    byteIds[byte] = tokens.length;
    tokens.push(Uint8Array.of(byte));
  }
  const words = wordsOf(counts, byteIds);
  const pairs = new Pairs(words, tokens);
  const merges: (readonly [number, number])[] = [];
  const keys = tokens.map((token) => String.fromCharCode(...token)); // a token's bytes as characters
  const known = new Map<string, number>(keys.map((key, id) => [key, id]));
  while (tokens.length < vocab) {
    const best = pairs.most();
    if (best < 0 || pairs.count[best]! < atLeast) break;
    const left = pairs.left[best]!;
    const right = pairs.right[best]!;
    if (tokens[left]!.length + tokens[right]!.length > MOST_TOKEN_BYTES) continue;
    const key = keys[left]! + keys[right]!;
    let id = known.get(key); // another pair may have made the same bytes before
    if (id === undefined) {
      id = tokens.length;
      tokens.push(concat([tokens[left]!, tokens[right]!]));
      keys.push(key);
      known.set(key, id);
    }
    merges.push([left, right]);
    pairs.merge(best, id);
    if (merges.length % 64 === 0) onProgress?.(tokens.length, vocab);
  }
  onProgress?.(tokens.length, vocab);
  return { special, tokens, merges };
}

/**
 * In the order of GPT-2's names of them: ids of bytes are the same as in its vocabulary, but for what stands
 * before.
 */
const bytesInOrder: readonly number[] = byteCharacters
  .map((character, byte) => ({ code: character.charCodeAt(0), byte }))
  .sort((a, b) => a.code - b.code)
  .map(({ byte }) => byte);

interface Words {
  /** Symbols of all words, one after the other. */
  readonly symbols: Int32Array;
  readonly start: Int32Array;
  /** Of word w now; becomes less with every merge. */
  readonly length: Int32Array;
  readonly count: Float64Array;
}

function wordsOf(counts: ReadonlyMap<string, number>, byteIds: Int32Array): Words {
  const utf8 = new TextEncoder();
  const encoded = [...counts.keys()].map((piece) => utf8.encode(piece));
  const symbols = new Int32Array(encoded.reduce((sum, bytes) => sum + bytes.length, 0));
  const start = new Int32Array(encoded.length);
  const length = Int32Array.from(encoded, (bytes) => bytes.length);
  let at = 0;
  for (const [w, bytes] of encoded.entries()) {
    start[w] = at;
    for (const byte of bytes) symbols[at++] = byteIds[byte]!;
  }
  return { symbols, start, length, count: Float64Array.from(counts.values()) };
}

/** All pairs of neighbours: how often, in which words, and which comes most. */
class Pairs {
  readonly left: number[] = [];
  readonly right: number[] = [];
  readonly count: number[] = [];
  /** Words that hold the pair, or did. */
  readonly #words: number[][] = [];
  readonly #index: PairTable;
  readonly #heap: PairHeap;
  readonly #all: Words;
  readonly #visited: Int32Array; // word → merge that visited it last
  #merge = 0;

  constructor(all: Words, tokens: readonly Uint8Array[]) {
    this.#all = all;
    this.#index = new PairTable(1 << 16);
    this.#visited = new Int32Array(all.start.length);
    this.#heap = new PairHeap((a, b) => this.#greater(tokens, a, b));
    for (let w = 0; w < all.start.length; w++)
      for (let i = all.start[w]!, end = i + all.length[w]! - 1; i < end; i++)
        this.#change(all.symbols[i]!, all.symbols[i + 1]!, w, all.count[w]!);
    for (let pair = 0; pair < this.count.length; pair++) this.#heap.push(pair, this.count[pair]!);
  }

  /** −1: there are no pairs. */
  most(): number {
    for (;;) {
      const pair = this.#heap.pop();
      if (pair < 0 || this.#heap.popped === this.count[pair]) return pair;
      if (this.count[pair]! > 0) this.#heap.push(pair, this.count[pair]!);
    }
  }

  /** The pair becomes the symbol `id` in every word. */
  merge(pair: number, id: number): void {
    const left = this.left[pair]!;
    const right = this.right[pair]!;
    const before = this.count.length;
    this.#merge++;
    const grown = new Set<number>();
    for (const w of this.#words[pair]!) {
      if (this.#visited[w] === this.#merge) continue;
      this.#visited[w] = this.#merge;
      this.#rewrite(w, left, right, id, grown);
    }
    this.#words[pair] = [];
    for (const changed of grown) if (changed < before) this.#heap.push(changed, this.count[changed]!);
    for (let made = before; made < this.count.length; made++)
      if (this.count[made]! > 0) this.#heap.push(made, this.count[made]!);
  }

  /** a left right b → a id b: the pairs (a,left) (left,right) (right,b) lose, (a,id) (id,b) win. */
  #rewrite(w: number, left: number, right: number, id: number, grown: Set<number>): void {
    const { symbols, start, length, count } = this.#all;
    const from = start[w]!;
    const n = length[w]!;
    const times = count[w]!;
    const joins = (i: number): boolean =>
      i + 1 < n && symbols[from + i] === left && symbols[from + i + 1] === right;
    let kept = 0;
    let previous = -1;
    let previousJoined = false;
    let oldPrevious = -1;
    for (let i = 0; i < n;) {
      const joined = joins(i);
      const symbol = joined ? id : symbols[from + i]!;
      if (i > 0 && (joined || previousJoined)) {
        this.#change(oldPrevious, symbols[from + i]!, w, -times);
        grown.add(this.#change(previous, symbol, w, times));
      }
      if (joined) this.#change(left, right, w, -times);
      oldPrevious = joined ? right : symbols[from + i]!;
      i += joined ? 2 : 1;
      symbols[from + kept++] = symbol; // behind what is still to be read
      previous = symbol;
      previousJoined = joined;
    }
    length[w] = kept;
  }

  /** Adds to the pair's count, and notes the word where it wins. Returns the pair. */
  #change(left: number, right: number, word: number, by: number): number {
    const place = this.#index.find(left, right);
    const pair = place < 0 ? this.count.length : this.#index.rankAt(place);
    if (place < 0) {
      this.#index.add(left, right, pair, 0);
      this.left.push(left);
      this.right.push(right);
      this.count.push(0);
      this.#words.push([]);
    }
    this.count[pair]! += by;
    if (by > 0) {
      const words = this.#words[pair]!;
      if (words[words.length - 1] !== word) words.push(word);
    }
    return pair;
  }

  /** Which of two pairs of equal count comes first. */
  #greater(tokens: readonly Uint8Array[], a: number, b: number): boolean {
    const order = compareBytes(tokens[this.left[a]!]!, tokens[this.left[b]!]!);
    return (order === 0 ? compareBytes(tokens[this.right[a]!]!, tokens[this.right[b]!]!) : order) > 0;
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/**
 * Trains a byte-level BPE (Sennrich et al. 2016, algorithm 1): again and again, the pair of neighbours with
 * the highest count becomes a token. Among equal counts, the pair with the greater bytes wins; the left token
 * is compared first.
 *
 * Each distinct piece is stored once, with its count. A merge visits only the pieces that have the pair, and
 * corrects the counts of the pairs around it. A heap knows the highest count. The count of an existing pair
 * can only fall, so an entry of the heap whose count is too high is put back with the right count.
 */
import { concat } from "../../base/bytes.ts";
import { SinterError } from "../../base/errors.ts";
import { byteCharacters } from "../base/byte-level.ts";
import { PairTable } from "./pair-table.ts";
import { PairHeap } from "./pair-heap.ts";

export interface BpeTraining {
  /** The number of all tokens: special ones, 256 bytes, and merges. */
  readonly vocab: number;
  /** Special tokens, which get the first ids. */
  readonly special: readonly string[];
  /** Pairs with a lower count are not merged. */
  readonly atLeast: number;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface TrainedBpe {
  readonly special: readonly string[];
  /** The bytes of each token by id; special tokens have none. */
  readonly tokens: readonly Uint8Array[];
  /** The ids of the two tokens of each merge, in the order of their ranks. */
  readonly merges: readonly (readonly [left: number, right: number])[];
}

/**
 * Without a limit, a text without spaces would make tokens of any length, and readers of tokenizer files
 * refuse long ones (read-tokenizer-json.ts).
 */
const MOST_TOKEN_BYTES = 1024;

/**
 * `counts` are the pieces and how often they occur. The result may have fewer tokens, when nothing is left to
 * merge.
 */
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
 * The bytes in the order of GPT-2's names for them. So bytes have the same ids as in its vocabulary, shifted
 * by the number of special tokens.
 */
const bytesInOrder: readonly number[] = byteCharacters
  .map((character, byte) => ({ code: character.charCodeAt(0), byte }))
  .sort((a, b) => a.code - b.code)
  .map(({ byte }) => byte);

interface Words {
  /** The symbols of all words, one after the other. */
  readonly symbols: Int32Array;
  readonly start: Int32Array;
  /** The current length of each word, which every merge reduces. */
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

/** All pairs of neighbours: their counts, the words that have them, and the pair with the highest count. */
class Pairs {
  readonly left: number[] = [];
  readonly right: number[] = [];
  readonly count: number[] = [];
  /** The words that have each pair, or had it once. */
  readonly #words: number[][] = [];
  readonly #index: PairTable;
  readonly #heap: PairHeap;
  readonly #all: Words;
  readonly #visited: Int32Array; // for each word, the merge that visited it last
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

  /** The pair with the highest count, or −1 where there are no pairs. */
  most(): number {
    for (;;) {
      const pair = this.#heap.pop();
      if (pair < 0 || this.#heap.popped === this.count[pair]) return pair;
      if (this.count[pair]! > 0) this.#heap.push(pair, this.count[pair]!);
    }
  }

  /** Replaces the pair by the symbol `id` in every word. */
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

  /**
   * Rewrites a word: a left right b becomes a id b. The pairs (a, left), (left, right) and (right, b) lose
   * counts, and (a, id) and (id, b) gain counts.
   */
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
      symbols[from + kept++] = symbol; // never beyond what is still to be read
      previous = symbol;
      previousJoined = joined;
    }
    length[w] = kept;
  }

  /** Adds `by` to the pair's count, notes the word where the count grows, and returns the pair. */
  #change(left: number, right: number, word: number, by: number): number {
    const slot = this.#index.find(left, right);
    const pair = slot < 0 ? this.count.length : this.#index.rankAt(slot);
    if (slot < 0) {
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

  /** Whether the first of two pairs with equal counts comes first. */
  #greater(tokens: readonly Uint8Array[], a: number, b: number): boolean {
    const order = compareBytes(tokens[this.left[a]!]!, tokens[this.left[b]!]!);
    return (order === 0 ? compareBytes(tokens[this.right[a]!]!, tokens[this.right[b]!]!) : order) > 0;
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/**
 * The other models of tokenizer.json files, as huggingface/tokenizers has them: one token per word
 * (WordLevel), the longest pieces of a word (WordPiece: Schuster & Nakajima 2012), and the likeliest pieces
 * (Unigram: Kudo 2018).
 */
import { idsOfBytes, noToken } from "./json-bpe.ts";
import type { PieceEncoder } from "../bpe/piece-encoder.ts";

type Ids = ReadonlyMap<string, number>;
interface Unknown {
  readonly name: string | undefined;
  readonly id: number | undefined;
}

const known = (word: string, { name, id }: Unknown): number => {
  if (id === undefined) throw noToken(word.length > 40 ? `${word.slice(0, 40)}…` : word, name);
  return id;
};

export const wordLevel =
  (ids: Ids, unknown: Unknown): PieceEncoder =>
  (word, out) => {
    out.push(ids.get(word) ?? known(word, unknown));
  };

export interface WordPieceParts {
  readonly ids: Ids;
  readonly unknown: Unknown;
  /** The prefix of pieces that continue a word. */
  readonly prefix: string;
  /** Longer words are unknown. */
  readonly mostCharacters: number;
}

export function wordPiece({ ids, unknown, prefix, mostCharacters }: WordPieceParts): PieceEncoder {
  const longest = longestOf(ids.keys());
  return (word, out) => {
    const found: number[] = [];
    let from = Array.from(word).length > mostCharacters ? -1 : 0;
    while (from >= 0 && from < word.length) {
      let to = Math.min(word.length, from + longest);
      let id: number | undefined;
      for (; to > from && id === undefined; to -= id === undefined ? 1 : 0)
        id = isInside(word, to) ? undefined : ids.get((from > 0 ? prefix : "") + word.slice(from, to));
      if (id !== undefined) found.push(id);
      from = id === undefined ? -1 : to;
    }
    if (from < 0) out.push(known(word, unknown));
    else for (const id of found) out.push(id);
  };
}

export interface UnigramParts {
  /** The pieces that a text may become, and their ids. */
  readonly ids: Ids;
  readonly scores: readonly number[];
  readonly unknown: Unknown;
  /** The id of each byte's token, or −1 where there is none; undefined where there is no byte fallback. */
  readonly byteIds: Int32Array | undefined;
}

/** Sentencepiece's penalty for a character that no piece stands for. */
const PENALTY = 10;

/** Viterbi's algorithm: of all ways to cut a text into pieces, the one with the highest sum of scores. */
export function unigram({ ids, scores, unknown, byteIds }: UnigramParts): PieceEncoder {
  const trie = trieOf(ids);
  const unknownScore = scores.reduce((least, score) => Math.min(least, score), Infinity) - PENALTY;
  return (text, out) => {
    const n = text.length;
    const best = new Float64Array(n + 1);
    const from = new Int32Array(n + 1).fill(-1);
    const piece = new Int32Array(n + 1);
    const offer = (start: number, end: number, id: number, score: number): void => {
      if (from[end]! >= 0 && !(score + best[start]! > best[end]!)) return;
      best[end] = score + best[start]!;
      from[end] = start;
      piece[end] = id;
    };
    for (let start = 0; start < n;) {
      const next = start + (text.codePointAt(start)! > 0xffff ? 2 : 1);
      let single = false;
      for (let node = trie, at = start; at < n;) {
        const code = text.codePointAt(at)!;
        const inner = node.next.get(code);
        if (!inner) break;
        at += code > 0xffff ? 2 : 1;
        node = inner;
        if (node.id < 0) continue;
        offer(start, at, node.id, scores[node.id]!);
        single ||= at === next;
      }
      if (!single) offer(start, next, known(text.slice(start, next), unknown), unknownScore);
      start = next;
    }
    for (const part of partsBack(text, from, piece, unknown.id)) out.push(...idsOf(part));
  };

  function idsOf(part: string): readonly number[] {
    const id = ids.get(part);
    if (id !== undefined) return [id];
    return (byteIds && idsOfBytes(part, byteIds)) ?? [known(part, unknown)];
  }
}

/** Follows the best path back from the end. Unknown characters in a row are one part. */
function partsBack(
  text: string,
  from: Int32Array,
  piece: Int32Array,
  unknown: number | undefined,
): readonly string[] {
  const parts: string[] = [];
  let wasUnknown = false;
  let partEnd = text.length;
  for (let end = text.length; end > 0; end = from[end]!) {
    const isUnknown = piece[end] === unknown;
    const start = from[end]!;
    if (isUnknown && wasUnknown) parts.pop();
    else partEnd = end;
    parts.push(text.slice(start, partEnd));
    wasUnknown = isUnknown;
  }
  return parts.reverse();
}

interface Node {
  id: number;
  readonly next: Map<number, Node>;
}

function trieOf(ids: Ids): Node {
  const root: Node = { id: -1, next: new Map() };
  for (const [name, id] of ids) {
    let node = root;
    for (const character of name) {
      const code = character.codePointAt(0)!;
      let inner = node.next.get(code);
      if (!inner) node.next.set(code, (inner = { id: -1, next: new Map() }));
      node = inner;
    }
    node.id = id;
  }
  return root;
}

function longestOf(names: Iterable<string>): number {
  let longest = 1;
  for (const name of names) longest = Math.max(longest, name.length);
  return longest;
}

/** Whether `at` is between the two units of one character. */
const isInside = (text: string, at: number): boolean =>
  at < text.length && text.charCodeAt(at) >= 0xdc00 && text.charCodeAt(at) < 0xe000;

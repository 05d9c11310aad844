/**
 * Sentencepiece's BPE (Kudo & Richardson 2018), as Llama 2 uses it. Spaces are written ▁ (U+2581) and belong
 * to the word behind them. The symbols are characters. Two neighbours join when the result is a piece; the
 * highest score comes first. A character that no piece stands for becomes its UTF-8 bytes, or the unknown
 * token.
 */
import { SinterError } from "../../base/errors.ts";
import { segmentsAt, specialsOf, type AddedToken } from "../base/added-tokens.ts";
import { behind, withMore } from "../base/behind-vocabulary.ts";
import { PairTable } from "../bpe/pair-table.ts";
import { encodersOf, pieceEncoder, type PieceEncoder } from "../bpe/piece-encoder.ts";
import type { NextPiece } from "../bpe/pieces.ts";
import { absentIn, bytesFrom, type Tokenizer } from "../base/tokenizer.ts";
import { safeCuts } from "../bpe/safe-cuts.ts";
import { utf8Into } from "../base/utf8.ts";

/** `unused` pieces are in the vocabulary, and nothing is ever encoded as one. */
export type PieceKind = "normal" | "unknown" | "control" | "user" | "unused" | "byte";

export interface Piece {
  /** The text, with ▁ for spaces. Pieces for bytes are `<0x00>` … `<0xFF>`. */
  readonly text: string;
  readonly score: number;
  readonly kind: PieceKind;
}

export interface SentencePieceParts {
  readonly name: Tokenizer["name"];
  readonly pieces: readonly Piece[];
  /** More tokens, with ids behind those of the pieces. */
  readonly added?: readonly AddedToken[];
  /** The space is added only before the beginning of the text, and not after special tokens. */
  readonly spaceAtStartOnly?: boolean;
  /** A space is put before the text, and after each special token. */
  readonly addsSpace: boolean;
  readonly beginOfText: number | undefined;
  readonly endOfText: number | undefined;
  /** More tokens after which a model has nothing more to say. */
  readonly stops?: readonly number[];
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The character that sentencepiece writes for a space. */
export const MARK = "\u2581";
const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

export function sentencePieceTokenizer(parts: SentencePieceParts): Tokenizer {
  const { pieces, addsSpace, endOfText } = parts;
  const ids = new Map<string, number>();
  for (const [id, { text, kind }] of pieces.entries())
    if (kind === "normal" || kind === "user") if (!ids.has(text)) ids.set(text, id);
  const added = pieces.flatMap(({ text, kind }, id): AddedToken[] =>
    kind === "control" || kind === "user"
      ? [{ name: kind === "user" ? text.replaceAll(MARK, " ") : text, id, special: kind === "control" }]
      : [],
  );
  const unknown = pieces.findIndex(({ kind }) => kind === "unknown");
  const more = behind(parts.added ?? [], pieces.length);
  const all = [...added, ...more];
  const encodeText = sentencePieceEncoder(parts.name, pieces, ids, unknown < 0 ? undefined : unknown);
  const space = (start: boolean): string => (addsSpace && (start || !parts.spaceAtStartOnly) ? " " : "");
  const encoders = encodersOf(segmentsAt(all), ({ text, start }, out, spill) =>
    encodeText((space(start) + text).replaceAll(" ", MARK), out, spill),
  );
  const bytes = withMore(
    pieces.map(({ text, kind }) => bytesOf(text, kind)),
    more,
  );
  return {
    name: parts.name,
    size: bytes.length,
    absent: absentIn(bytes),
    ...encoders,
    bytes: bytesFrom(bytes),
    special: specialsOf(all),
    unknown: unknown < 0 ? undefined : unknown,
    addsSpace,
    beginOfText: parts.beginOfText,
    endOfText,
    files: parts.files,
    stops: new Set([...(endOfText === undefined ? [] : [endOfText]), ...(parts.stops ?? [])]),
  };
}

function sentencePieceEncoder(
  name: string,
  pieces: readonly Piece[],
  ids: ReadonlyMap<string, number>,
  unknown: number | undefined,
): PieceEncoder {
  const fallback: Fallback = { name, byteIds: byteIdsOf(pieces), unknown };
  const texts = [...ids.keys()];
  return pieceEncoder({
    nextPiece: texts.some(crossesWords) ? safeCuts(texts, (character) => ids.has(character)) : nextWord,
    merges: mergesByScore(pieces, ids),
    symbols(text, from, to, out) {
      let n = 0;
      for (let i = from; i < to; i++) {
        const code = text.codePointAt(i)!;
        const character = String.fromCodePoint(code);
        if (code > 0xffff) i++;
        out[n++] = ids.get(character) ?? unknownSymbol(code);
      }
      return n;
    },
    finish: (symbols, n, out) => finish(symbols, n, out, fallback),
  });
}

// ---- symbols that no token stands for: negative numbers, until the merges are done

export const unknownSymbol = (code: number): number => -2 - code;
const one = new Uint8Array(4);

interface Fallback {
  readonly name: string;
  readonly byteIds: Int32Array | undefined;
  readonly unknown: number | undefined;
}

/** Unknown neighbours become a single unknown token. */
function finish(symbols: Int32Array, n: number, out: number[], { name, byteIds, unknown }: Fallback): void {
  let before = false;
  for (let i = 0; i < n; i++) {
    const symbol = symbols[i]!;
    if (symbol >= 0) {
      out.push(symbol);
      before = false;
      continue;
    }
    const character = String.fromCodePoint(-2 - symbol);
    if (byteIds) {
      const bytes = utf8Into(character, 0, character.length, one);
      for (let b = 0; b < bytes; b++) out.push(byteIds[one[b]!]!);
    } else if (unknown === undefined) {
      throw new SinterError(
        "input",
        `the ${name} tokenizer has no token for ${JSON.stringify(character)}, and none for what is unknown`,
        "Take the character out of the text.",
      );
    } else if (!before) out.push(unknown);
    before = !byteIds;
  }
}

// ---- where a text may be cut

/** Whether ▁ stands behind another character: merges that make such a piece cross the beginning of a word. */
const crossesWords = (text: string): boolean => /[^\u2581]\u2581/.test(text);

/** A run of ▁, then everything up to the next ▁. No merge goes further when no token crosses words. */
const nextWord: NextPiece = (text, from) => {
  let at = from;
  while (text.startsWith(MARK, at)) at++;
  const end = text.indexOf(MARK, at);
  return end < 0 ? text.length : end;
};

// ---- tables of a vocabulary

const utf8 = new TextEncoder();

/** The bytes that a piece adds to a text. */
export function bytesOf(text: string, kind: PieceKind): Uint8Array {
  const byte = kind === "byte" ? BYTE.exec(text) : null;
  return byte
    ? Uint8Array.of(Number.parseInt(byte[1]!, 16))
    : utf8.encode(kind === "control" || kind === "unknown" ? text : text.replaceAll(MARK, " "));
}

/** The id of each byte, when the vocabulary has all 256. */
export function byteIdsOf(
  pieces: readonly { readonly text: string; readonly kind?: PieceKind }[],
): Int32Array | undefined {
  const ids = new Int32Array(256).fill(-1);
  for (const [id, { text, kind = "byte" }] of pieces.entries()) {
    const byte = kind === "byte" ? BYTE.exec(text) : null;
    if (byte) ids[Number.parseInt(byte[1]!, 16)] = id;
  }
  return ids.includes(-1) ? undefined : ids;
}

/**
 * Every way to make a piece of two others. The highest score has rank 0, and equal scores have equal ranks.
 */
function mergesByScore(pieces: readonly Piece[], ids: ReadonlyMap<string, number>): PairTable {
  const order = [...ids.values()]
    .filter((id) => pieces[id]!.kind === "normal")
    .sort((a, b) => pieces[b]!.score - pieces[a]!.score);
  const symbolOf = (text: string): number | undefined =>
    ids.get(text) ?? (isCharacter(text) ? unknownSymbol(text.codePointAt(0)!) : undefined);
  const found: number[] = [];
  let rank = -1;
  let score = NaN;
  for (const id of order) {
    const piece = pieces[id]!;
    if (piece.score !== score) rank++;
    score = piece.score;
    for (let cut = 1; cut < piece.text.length; cut++) {
      if (isLow(piece.text, cut)) continue; // inside a pair of surrogates
      const left = symbolOf(piece.text.slice(0, cut));
      const right = symbolOf(piece.text.slice(cut));
      if (left !== undefined && right !== undefined) found.push(left, right, rank, id);
    }
  }
  const merges = new PairTable(found.length / 4);
  for (let i = 0; i < found.length; i += 4)
    merges.add(found[i]!, found[i + 1]!, found[i + 2]!, found[i + 3]!);
  return merges;
}

const isLow = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code < 0xe000;
};
const isCharacter = (text: string): boolean => text.length === 1 || (text.length === 2 && isLow(text, 1));

/** Counts how often each piece occurs in a text, which is all that the training of a tokenizer needs. */
import { segmentsAt } from "../base/added-tokens.ts";
import { nextPiece, type PieceRuleName } from "./pieces.ts";

export interface PieceCounter {
  /** Counts a part of the text that `partEnd` cut. It may be called many times. */
  add(text: string): void;
  readonly counts: ReadonlyMap<string, number>;
}

/** Special tokens in the text end a piece and are not counted. */
export function pieceCounter(rule: PieceRuleName, special: readonly string[]): PieceCounter {
  const counts = new Map<string, number>();
  const next = nextPiece(rule);
  const segments = segmentsAt(special.map((name, id) => ({ name, id, special: true })));
  return {
    counts,
    add(text) {
      for (const part of segments(text, true)) {
        if (typeof part === "number") continue;
        for (let from = 0, to = 0; from < part.text.length; from = to) {
          to = next(part.text, from);
          const piece = part.text.slice(from, to);
          counts.set(piece, (counts.get(piece) ?? 0) + 1);
        }
      }
    },
  };
}

/**
 * Where a part of a long text can end that begins at `from` and has about `length` characters: before a space
 * that follows another character, where every pre-tokenizer here ends a piece. If there is no such position
 * nearby, it is any position between two characters.
 */
export function partEnd(text: string, from: number, length: number): number {
  let end = from + length;
  if (end >= text.length) return text.length;
  for (const least = end - (length >> 1); end > least; end--)
    if (text[end] === " " && /[^\s\u0085]/.test(text[end - 1]!)) return end;
  end = from + length;
  const low = text.charCodeAt(end);
  return low >= 0xdc00 && low < 0xe000 ? end - 1 : end;
}

/**
 * How a text goes through a BPE tokenizer: it is cut into pieces, each piece into symbols, and the symbols
 * are merged. Pieces that occur again come from a cache.
 */
import { merge } from "./bpe.ts";
import type { PairTable } from "./pair-table.ts";
import { MOST_UNITS, PieceCache } from "./piece-cache.ts";
import type { NextPiece } from "./pieces.ts";
import type { PlainPart, Segments } from "../base/added-tokens.ts";
import type { Tokenizer } from "../base/tokenizer.ts";

export interface PieceSteps {
  readonly nextPiece: NextPiece;
  /**
   * Writes the first symbols of text[from … to), bytes or characters, into `out`, and returns how many there
   * are. `out` needs room for 3 symbols per UTF-16 unit.
   */
  symbols(text: string, from: number, to: number, out: Int32Array): number;
  readonly merges: PairTable;
  /** The token that the piece is without any merge, or −1 where it is none. */
  readonly whole?: ((text: string, from: number, to: number) => number) | undefined;
  /** Appends ids to `out`, and decides what becomes of symbols that no token stands for. */
  readonly finish?: ((symbols: Int32Array, n: number, out: number[]) => void) | undefined;
}

/** Takes ids that are final and empties the list, so that a long text needs no list of all its ids. */
export type Spill = (out: number[]) => void;
/** Appends the ids of a text to `out`. */
export type PieceEncoder = (text: string, out: number[], spill?: Spill) => void;

const MOST_WAITING = 1 << 18;
export const spilt = (out: number[], spill: Spill | undefined): void => {
  if (spill && out.length >= MOST_WAITING) spill(out);
};

/** The `encode` of a tokenizer that first finds its added tokens. */
export function encodersOf(
  segments: Segments,
  encodePart: (part: PlainPart, out: number[], spill?: Spill) => void,
): Pick<Tokenizer, "encode" | "encodeInParts"> {
  const all = (text: string, special: boolean, out: number[], spill?: Spill): void => {
    for (const part of segments(text.toWellFormed(), special))
      if (typeof part === "number") out.push(part);
      else encodePart(part, out, spill);
  };
  return {
    encode(text, { special = false } = {}) {
      const out: number[] = [];
      all(text, special, out);
      return out;
    },
    encodeInParts(text, take) {
      const out: number[] = [];
      const spill = (ready: number[]): void => {
        take(ready);
        ready.length = 0;
      };
      all(text, false, out, spill);
      take(out);
    },
  };
}

export function pieceEncoder({ nextPiece, symbols, merges, whole, finish }: PieceSteps): PieceEncoder {
  const cache = new PieceCache();
  let ids = new Int32Array(1024);
  return (text, out, spill) => {
    for (let from = 0, to = 0; from < text.length; from = to) {
      to = nextPiece(text, from);
      const short = to - from <= MOST_UNITS;
      spilt(out, spill);
      if (short && cache.find(text, from, to, out)) continue;
      if (ids.length < 3 * (to - from)) ids = new Int32Array(4 * (to - from));
      let count = 1;
      const one = whole?.(text, from, to) ?? -1;
      if (one >= 0) ids[0] = one;
      else count = merge(ids, symbols(text, from, to, ids), merges);
      if (finish) count = finished(finish, ids, count);
      for (let i = 0; i < count; i++) out.push(ids[i]!);
      if (short) cache.keep(text, from, to, ids, count);
    }
  };
}

function finished(finish: NonNullable<PieceSteps["finish"]>, ids: Int32Array, count: number): number {
  const out: number[] = [];
  finish(ids, count, out);
  ids.set(out); // at most 3 bytes for each unit
  return out.length;
}

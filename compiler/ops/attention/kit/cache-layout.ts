/**
 * How the keys and values of earlier positions lie in memory, for G key/value heads of D columns. With a
 * window, fewer rows are kept than there are positions: the cache is a ring of S rows (a multiple of 16), and
 * position n is in row n mod S. N = ⌈S/16⌉ and E = 16 ⌈D/16⌉.
 *
 * Each of A lanes has its own, one behind the other.
 *
 *   f32
 *     keys   [A, N, G, D, 16]: element (g, n, c) is at [⌊n/16⌋, g, c, n mod 16] of the lane
 *     values [A, N, G, E, 16]: (g, n, c) is at [⌊n/16⌋, g, 16 ⌊c/16⌋ + n mod 16, c mod 16]; 0 if c ≥ D
 *   q8_0
 *     both   [A, G, N, W] words. A panel of W words holds sixteen positions, group by group of 32 columns;
 *            the last group may be shorter, and is padded to a multiple of 8. A group has sixteen scales
 *            (f32), then 16 · columns numbers (int8):
 *              keys    pair of columns 2t, 2t+1:   position p has bytes 2p, 2p+1 of 32
 *              values  pair of positions 2t, 2t+1: column c has bytes 2c, 2c+1 of 2 · columns
 *
 * x = scale · q with scale = max |x| / 127 over a position's group and q rounded to the nearest, as in ggml's
 * q8_0. It is written once, when the position is. Two numbers that are added stand side by side for
 * i32x4.dot_i16x8_s, and what is not added are lanes: nothing is ever summed across lanes.
 */
import type { CacheFormat } from "../../../../runtime/contract/memory-formats.ts";
import { GROUP } from "../../../../runtime/contract/number-formats.ts";
import { LEAST_SCALED, nearest } from "../../matmul/quantised/activation-rows.ts";
import { ceilTo, PANEL } from "../../kit/panels.ts";

/** Bytes of sixteen scales. */
export const SCALES = 4 * PANEL;

interface CacheShapes {
  readonly keys: readonly number[];
  readonly values: readonly number[];
}

/** Shapes of one layer's two caches, for so many lanes of so many rows each. */
export function cacheShapes(
  lanes: number,
  rows: number,
  kvHeads: number,
  headDim: number,
  format: CacheFormat = "f32",
): CacheShapes {
  const panels = Math.ceil(rows / PANEL);
  if (format === "f32")
    return {
      keys: [lanes, panels, kvHeads, headDim, PANEL],
      values: [lanes, panels, kvHeads, ceilTo(headDim, PANEL), PANEL],
    };
  const words = panelBytes(headDim) / 4;
  return { keys: [lanes, kvHeads, panels, words], values: [lanes, kvHeads, panels, words] };
}

/**
 * How a lane of a cache of this shape lies in memory: equal pieces, each with all positions in panels. For
 * those who copy a text from lane to lane (runtime/contract/manifest.ts).
 */
export function cachePieces(
  [, first, second, ...rest]: readonly number[],
  format: CacheFormat,
): { readonly pieces: number; readonly pieceBytes: number; readonly panelBytes: number } {
  const [pieces, panels] = format === "f32" ? [1, first!] : [first!, second!];
  const ofPanel = format === "f32" ? [second!, ...rest] : rest;
  const panelBytes = 4 * ofPanel.reduce((a, b) => a * b, 1);
  return { pieces, pieceBytes: panels * panelBytes, panelBytes };
}

/**
 * Rows that a window of so many positions needs while `chunk` new ones arrive at once: those that the first
 * new one sees, and all new ones.
 */
export const ringRows = (window: number, chunk: number, context: number): number =>
  Math.min(context, ceilTo(window - 1 + chunk, PANEL));

/**
 * A group of columns: its first one, how many there are, the same number in whole pairs of vectors, and the
 * group's first byte in a panel.
 */
export interface ColumnGroup {
  readonly from: number;
  readonly columns: number;
  readonly padded: number;
  readonly at: number;
}

export function columnGroups(D: number): readonly ColumnGroup[] {
  return Array.from({ length: Math.ceil(D / GROUP) }, (_, g) => {
    const columns = Math.min(GROUP, D - g * GROUP);
    return { from: g * GROUP, columns, padded: ceilTo(columns, 8), at: g * (SCALES + PANEL * GROUP) };
  });
}

/** Bytes of sixteen positions of one head: a multiple of 64. */
export function panelBytes(D: number): number {
  const last = columnGroups(D).at(-1)!;
  return ceilTo(last.at + SCALES + PANEL * last.padded, 64);
}

/** Where position p of 16 and column c stand in a panel: the byte of the number, and that of its scale. */
function cacheByte(
  kind: keyof CacheShapes,
  D: number,
  p: number,
  c: number,
): { readonly number: number; readonly scale: number } {
  const { at, from, padded } = columnGroups(D)[Math.floor(c / GROUP)]!;
  const j = c - from;
  const inGroup =
    kind === "keys" ? (j >> 1) * 2 * PANEL + p * 2 + (j & 1) : (p >> 1) * 2 * padded + j * 2 + (p & 1);
  return { number: at + SCALES + inGroup, scale: at + 4 * p };
}

// What the f64 reference reads and writes.

/** Decodes the D columns of position p; `view` begins with the panel. */
export const readCached = (kind: keyof CacheShapes, view: DataView, D: number, p: number): number[] =>
  Array.from({ length: D }, (_, c) => {
    const { number, scale } = cacheByte(kind, D, p, c);
    return view.getFloat32(scale, true) * view.getInt8(number);
  });

/** Quantises a row to position p of a panel, with the arithmetic of the kernel, step by step. */
export function writeCached(
  kind: keyof CacheShapes,
  view: DataView,
  D: number,
  p: number,
  row: ArrayLike<number>,
): void {
  for (const { from, columns, padded } of columnGroups(D)) {
    const most = Array.from({ length: columns }, (_, j) => Math.abs(row[from + j]!)).reduce(
      (a, b) => Math.max(a, b),
      0,
    );
    const inverse = most > LEAST_SCALED ? Math.fround(127 / most) : 0;
    for (let j = 0; j < padded; j++)
      view.setInt8(
        cacheByte(kind, D, p, from + j).number,
        j < columns ? nearest(row[from + j]! * inverse) : 0,
      );
    view.setFloat32(cacheByte(kind, D, p, from).scale, Math.fround(most / 127), true);
  }
}

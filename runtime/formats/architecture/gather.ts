/**
 * Moves numbers between published tensors and Sinter's: transposes matrices, picks the columns of a piece out
 * of a larger tensor, and reorders the rows of a head whose rotary pairs are stored as two halves.
 */
import type { Link, Piece } from "./links.ts";

/** What moving needs to know of a tensor of Sinter's, and of a published one. */
export type MovedLink = Pick<Link, "shape">;
export type MovedPiece = Omit<Piece, "name" | "shape" | "exact">;

/**
 * The order of rows within a head of width d. Sinter stores the two numbers of a rotary pair side by side
 * (2i, 2i + 1); files with halves store them d/2 apart (i, i + d/2). `halfOf` gives the file's row for
 * Sinter's row r of a head.
 */
const halfOf = (r: number, d: number): number => (r >> 1) + (r & 1 ? d / 2 : 0);

/** Sinter's column for a row of the published piece. */
export function columnOf(row: number, halves: number): number {
  if (halves === 0) return row;
  const r = row % halves;
  const pair = r < halves / 2 ? 2 * r : 2 * (r - halves / 2) + 1;
  return row - r + pair;
}

/** The published piece's row for a column of Sinter's: the inverse of `columnOf`. */
export const rowOf = (column: number, halves: number): number =>
  halves === 0 ? column : Math.floor(column / halves) * halves + halfOf(column % halves, halves);

/**
 * Calls `move` for each column of each matrix, with the place where the column begins in Sinter's tensor and
 * in the published piece, the steps from one row to the next in both, and the number of rows.
 */
function eachColumn(
  { shape }: MovedLink,
  piece: MovedPiece,
  move: (at: number, width: number, first: number, step: number, rows: number) => void,
): void {
  const rows = shape.at(-2) ?? 1;
  const width = shape.at(-1)!;
  const step = piece.transposed ? 1 : piece.columns;
  for (let m = 0; m < piece.matrices; m++)
    for (let c = 0; c < piece.columns; c++) {
      const source = rowOf(c, piece.halves);
      const at = (piece.matrix + m) * rows * width + piece.from + c;
      const first = m * rows * piece.columns + (piece.transposed ? source * rows : source);
      move(at, width, first, step, rows);
    }
}

/** Writes the published numbers into their columns of Sinter's tensor `into`. */
export function gather(link: MovedLink, piece: MovedPiece, values: Float32Array, into: Float32Array): void {
  eachColumn(link, piece, (at, width, first, step, rows) => {
    for (let r = 0, from = first, to = at; r < rows; r++, from += step, to += width) into[to] = values[from]!;
  });
}

/** The published numbers of a piece, taken out of Sinter's tensor `from`. */
export function scatter(link: MovedLink, piece: MovedPiece, from: Float32Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(piece.matrices * (link.shape.at(-2) ?? 1) * piece.columns);
  eachColumn(link, piece, (at, width, first, step, rows) => {
    for (let r = 0, to = first, source = at; r < rows; r++, to += step, source += width)
      out[to] = from[source]!;
  });
  return out;
}

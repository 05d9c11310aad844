/**
 * A module's tensors, as typed views of its memory. In memory, the last dimension is padded with zeros to
 * whole cache lines (`rowFloats`); everywhere else, tensors are dense. Only this file knows both. It also
 * hides that weights may be quantised (quantise.ts): outside they are f32.
 */
import { nameInLayer } from "../contract/parameter-names.ts";
import type { TensorPlace } from "../contract/manifest.ts";
import type { Moment } from "../contract/moment-codes.ts";
import type { QuantisedFormat } from "../contract/memory-formats.ts";
import { decodeWeights } from "../contract/weight-rows.ts";
import { rowWriter, wordsOf, type Words } from "./quantise.ts";

export type Numbers = Float32Array<ArrayBufferLike> | Int32Array<ArrayBufferLike>;

export interface Tensor {
  readonly place: TensorPlace;
  readonly rows: number;
  readonly columns: number;
  /** Elements of one slice, without padding. */
  readonly elements: number;
  /** One slice as it lies in memory, padding included. */
  padded(slice?: number): Numbers;
  /** One slice, dense. A view when there is no padding: copy it before the next entry runs. */
  dense(slice?: number): Numbers;
  /** Sets one slice, or its first elements; the padding stays as it is (zero). */
  write(values: ArrayLike<number>, slice?: number): void;
  /** Sets every element of a slice, in row-major order. */
  fill(slice: number, next: () => number): void;
}

/** Which moment a tensor is, where it is one in 8 bits. */
export const momentInCodes = ({ storage, dtype }: TensorPlace): Moment | undefined =>
  dtype === "i32" && (storage === "moment1" || storage === "moment2") ? storage : undefined;

/** The name of a slice in a checkpoint: slice 3 of "layers.mlp.up.weight" is "layers.3.mlp.up.weight". */
export const checkpointName = ({ name, layered, slices }: TensorPlace, slice: number): string =>
  layered || slices > 1 ? nameInLayer(name, slice) : name;

export const tensorIn = (buffer: ArrayBufferLike, place: TensorPlace): Tensor =>
  place.quantised ? quantisedIn(buffer, place, place.quantised) : plainIn(buffer, place);

function plainIn(buffer: ArrayBufferLike, place: TensorPlace): Tensor {
  const columns = place.shape.at(-1) ?? 1;
  const rows = place.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const ld = place.rowFloats;
  const padded = (slice = 0): Numbers => {
    if (slice < 0 || slice >= place.slices) throw new Error(`${place.name} has no slice ${slice}`);
    const at = place.offset + slice * place.stride;
    return place.dtype === "i32"
      ? new Int32Array(buffer, at, rows * ld)
      : new Float32Array(buffer, at, rows * ld);
  };
  const dense = (slice = 0): Numbers => {
    const data = padded(slice);
    if (ld === columns || rows === 1) return data.subarray(0, rows * columns);
    const out = place.dtype === "i32" ? new Int32Array(rows * columns) : new Float32Array(rows * columns);
    for (let r = 0; r < rows; r++) out.set(data.subarray(r * ld, r * ld + columns), r * columns);
    return out;
  };
  const write = (values: ArrayLike<number>, slice = 0): void => {
    if (values.length > rows * columns)
      throw new Error(`${values.length} numbers for ${place.name} [${place.shape}]`);
    const data = padded(slice);
    if (ld === columns || rows === 1) return data.set(values);
    for (let i = 0; i < values.length; i++) data[Math.floor(i / columns) * ld + (i % columns)] = values[i]!;
  };
  const fill = (slice: number, next: () => number): void => {
    const data = padded(slice);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) data[r * ld + c] = next();
  };
  return { place, rows, columns, elements: rows * columns, padded, dense, write, fill };
}

/**
 * How a quantised tensor lies in memory. A tensor [experts, in, out] is one matrix after the other, and a
 * matrix is `rowsEach` rows of K weights; where it is transposed, a row is a column of the tensor.
 */
interface QuantisedRows {
  readonly format: QuantisedFormat;
  readonly transposed: boolean;
  readonly matrices: number;
  readonly rowsEach: number;
  readonly K: number;
  /** Columns of the tensor. */
  readonly columns: number;
  /** Words from one row to the next. */
  readonly rowWords: number;
  /** Encodes a row of K numbers and writes it at a word of the memory. */
  readonly writeRow: ReturnType<typeof rowWriter>;
}

function quantisedRows(
  { shape, rowFloats }: TensorPlace,
  { format, transposed }: NonNullable<TensorPlace["quantised"]>,
): QuantisedRows {
  const [height, columns] = shape.slice(-2) as [number, number];
  const [rowsEach, K] = transposed ? [columns, height] : [height, columns];
  const matrices = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const writeRow = rowWriter(format, K);
  return { format, transposed, matrices, rowsEach, K, columns, rowWords: rowFloats, writeRow };
}

/**
 * A quantised tensor: f32 outside, rows of words in memory. `padded` gives the words; `dense` decodes them;
 * `write` needs a whole slice, because 32 numbers share a scale.
 */
function quantisedIn(
  buffer: ArrayBufferLike,
  place: TensorPlace,
  quantised: NonNullable<TensorPlace["quantised"]>,
): Tensor {
  const layout = quantisedRows(place, quantised);
  const { matrices, rowsEach, K, columns, rowWords } = layout;
  const rows = matrices * (layout.transposed ? K : rowsEach);
  const elements = rows * columns;
  const padded = (slice = 0): Int32Array => {
    if (slice < 0 || slice >= place.slices) throw new Error(`${place.name} has no slice ${slice}`);
    return new Int32Array(buffer, place.offset + slice * place.stride, matrices * rowsEach * rowWords);
  };
  const write = (values: ArrayLike<number>, slice = 0): void => {
    const to = wordsOf(padded(slice));
    if (values.length !== elements)
      throw new Error(
        `${values.length} numbers for ${place.name} [${place.shape}], which is written as a whole`,
      );
    for (let m = 0; m < matrices; m++) writeMatrix(layout, values, m * rowsEach * K, to, m * rowsEach);
  };
  const fill = (slice: number, next: () => number): void => fillRows(layout, next, wordsOf(padded(slice)));
  const dense = (slice = 0): Numbers => decodeRows(layout, padded(slice));
  return { place, rows, columns, elements, padded, dense, write, fill };
}

/** So many columns of a transposed tensor are gathered at once: a cache line of each of its rows. */
const TOGETHER = 16;

/**
 * Writes the matrix that begins at `from` of the values as rows, of which the first is row `top` of the
 * memory.
 */
function writeMatrix(
  { transposed, rowsEach, K, columns, rowWords, writeRow }: QuantisedRows,
  values: ArrayLike<number>,
  from: number,
  to: Words,
  top: number,
): void {
  const row = Array.from({ length: TOGETHER }, () => new Float32Array(K));
  for (let first = 0; first < rowsEach; first += TOGETHER) {
    const count = Math.min(TOGETHER, rowsEach - first);
    if (transposed)
      for (let k = 0; k < K; k++)
        for (let i = 0; i < count; i++) row[i]![k] = values[from + k * columns + first + i]!;
    else
      for (let i = 0; i < count; i++)
        for (let k = 0; k < K; k++) row[i]![k] = values[from + (first + i) * columns + k]!;
    for (let i = 0; i < count; i++) writeRow(row[i]!, to, (top + first + i) * rowWords);
  }
}

/** Draws every element, in row-major order of the tensor. */
function fillRows(layout: QuantisedRows, next: () => number, to: Words): void {
  const { transposed, matrices, rowsEach, K, rowWords, writeRow } = layout;
  if (transposed) {
    // numbers come row by row, and are stored column by column
    const matrix = new Float32Array(rowsEach * K);
    for (let m = 0; m < matrices; m++) {
      for (let i = 0; i < matrix.length; i++) matrix[i] = next();
      writeMatrix(layout, matrix, 0, to, m * rowsEach);
    }
    return;
  }
  const row = new Float32Array(K);
  for (let r = 0; r < matrices * rowsEach; r++) {
    for (let k = 0; k < K; k++) row[k] = next();
    writeRow(row, to, r * rowWords);
  }
}

/** All elements as f32, in row-major order of the tensor. */
function decodeRows(
  { format, transposed, matrices, rowsEach, K, columns, rowWords }: QuantisedRows,
  words: Int32Array,
): Float32Array {
  const memory = new DataView(words.buffer, words.byteOffset, words.byteLength);
  const out = new Float32Array(matrices * rowsEach * K);
  const row = new Float32Array(K);
  for (let r = 0; r < matrices * rowsEach; r++) {
    decodeWeights(format, memory, 4 * r * rowWords, row);
    if (!transposed) {
      out.set(row, r * K);
      continue;
    }
    const column = r % rowsEach;
    const matrix = (r - column) * K; // where the matrix begins
    for (let k = 0; k < K; k++) out[matrix + k * columns + column] = row[k]!;
  }
  return out;
}

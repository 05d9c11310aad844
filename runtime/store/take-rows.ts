/**
 * Carries the rows of a checkpoint to where they belong in a model's memory, a few rows at a time, in the
 * order of the file. What has to be done depends on both sides:
 *
 *   in the file             in memory                       how
 *   [out, in], or a table   rows of words, same format      the bytes go to their places as they are
 *   [out, in], or a table   rows of words, another format   a row at a time is decoded, encoded and placed
 *   [out, in]               f32 [in, out]                   16 rows at a time are decoded and transposed
 *   [in, out]               f32 [in, out]                   a row at a time is decoded
 *   [in, out]               rows of words [out, in]         groups of 32 rows are decoded and encoded
 *   a moment in 8 bits      rows of codes and scales        the bytes as they are (take-moments.ts)
 *
 * So a tensor takes a few megabytes beside its own memory, whatever its size.
 */
import { SinterError } from "../base/errors.ts";
import type { QuantisedFormat } from "../contract/memory-formats.ts";
import { numberFormats, GROUP } from "../contract/number-formats.ts";
import { asBytes, decodedMoments } from "./take-moments.ts";
import { storedRows, type StoredFormat, type StoredRows } from "./stored-format.ts";
import { fileFormats, groupPlacer, rowWriter, wordsOf } from "../engine/quantise.ts";
import type { Tensor } from "../engine/tensors.ts";

/**
 * Takes `count` whole rows, of which the first has number `first`. `bytes` begin at a multiple of 4 in their
 * buffer, which the caller may use again afterwards.
 */
export type TakeRows = (bytes: Uint8Array, first: number, count: number) => void;

export function rowTaker({ place, padded }: Tensor, slice: number, format: StoredFormat): TakeRows {
  const { quantised, rowFloats, shape } = place;
  const from = storedRows(shape, format);
  if (format.moment) return asBytes(padded(slice) as Int32Array);
  if (!quantised) return floatTaker(from, padded(slice) as Float32Array, rowFloats);
  const words = padded(slice) as Int32Array;
  if (from.transposed !== quantised.transposed)
    return from.transposed
      ? refuse(place.name)
      : collectedIntoWords(from, quantised.format, words, rowFloats);
  return fileFormats[quantised.format] === from.type
    ? asTheyAre(from, quantised.format, words, rowFloats)
    : recodedIntoWords(from, quantised.format, words, rowFloats);
}

/** Takes rows into a dense array of f32, in the model's shape. */
export const denseTaker = (shape: readonly number[], format: StoredFormat, out: Float32Array): TakeRows =>
  format.moment
    ? decodedMoments(shape, format.moment, out)
    : floatTaker(storedRows(shape, format), out, shape.at(-1) ?? 1);

/** `ld` is the number of floats from one row of the memory to the next, here and below. */
const floatTaker = (from: StoredRows, data: Float32Array, ld: number): TakeRows =>
  from.transposed ? transposedIntoFloats(from, data, ld) : intoFloats(from, data, ld);

const refuse = (name: string): never => {
  throw new SinterError(
    "corrupt",
    `tensor ${name} is kept as the columns of a table`,
    "Import the model again.",
  );
};

/** Decodes row r of some bytes. Without `out`, the result is overwritten by the next call. */
function decoder({
  type,
  columns,
  rowBytes,
}: StoredRows): (bytes: Uint8Array, r: number, out?: Float32Array) => Float32Array {
  const { block, decode } = numberFormats[type];
  const whole = new Float32Array(Math.ceil(columns / block) * block);
  return (bytes, r, out = whole) => {
    decode(bytes.subarray(r * rowBytes, (r + 1) * rowBytes), out);
    return out;
  };
}

function intoFloats(from: StoredRows, data: Float32Array, ld: number): TakeRows {
  const { columns, type } = from;
  const decode = decoder(from);
  return (bytes, first, count) => {
    if (type === "F32") {
      const values = new Float32Array(bytes.buffer, bytes.byteOffset, count * columns);
      if (ld === columns) return data.set(values, first * ld);
      for (let r = 0; r < count; r++)
        data.set(values.subarray(r * columns, (r + 1) * columns), (first + r) * ld);
    } else for (let r = 0; r < count; r++) data.set(decode(bytes, r).subarray(0, columns), (first + r) * ld);
  };
}

/** So many rows are transposed at once that they fill a cache line of each row in memory. */
const TOGETHER = 16;

function transposedIntoFloats(from: StoredRows, data: Float32Array, ld: number): TakeRows {
  const { columns, rowsEach } = from;
  const decode = decoder(from);
  const { block } = numberFormats[from.type];
  const rows = Array.from({ length: TOGETHER }, () => new Float32Array(Math.ceil(columns / block) * block));
  return (bytes, first, count) => {
    for (let r = 0; r < count;) {
      const column = (first + r) % rowsEach;
      const matrix = (first + r - column) / rowsEach;
      const n = Math.min(TOGETHER - (column % TOGETHER), count - r, rowsEach - column);
      for (let i = 0; i < n; i++) decode(bytes, r + i, rows[i]);
      for (let k = 0, to = matrix * columns * ld + column; k < columns; k++, to += ld)
        for (let i = 0; i < n; i++) data[to + i] = rows[i]![k]!;
      r += n;
    }
  };
}

function asTheyAre(
  { type, columns, rowBytes }: StoredRows,
  format: QuantisedFormat,
  memory: Int32Array,
  ld: number,
): TakeRows {
  const to = wordsOf(memory);
  const place = groupPlacer(format, columns);
  const groups = Math.ceil(columns / GROUP);
  const halves = rowBytes / 2;
  const padded =
    numberFormats[type].block === 1 && columns % GROUP !== 0 ? new Uint16Array(groups * GROUP) : undefined;
  return (bytes, first, count) => {
    const blocks = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
    for (let r = 0; r < count; r++) {
      padded?.set(blocks.subarray(r * halves, (r + 1) * halves));
      place(padded ?? blocks, padded ? 0 : r * halves, to, (first + r) * ld, 0, groups);
    }
  };
}

function recodedIntoWords(
  from: StoredRows,
  format: QuantisedFormat,
  memory: Int32Array,
  ld: number,
): TakeRows {
  const to = wordsOf(memory);
  const decode = decoder(from);
  const write = rowWriter(format, from.columns);
  return (bytes, first, count) => {
    for (let r = 0; r < count; r++) write(decode(bytes, r).subarray(0, from.columns), to, (first + r) * ld);
  };
}

/** How many bytes of f32 are collected at most, where these hold more than one group of rows. */
const COLLECTED_BYTES = 8 << 20;

function collectedIntoWords(
  from: StoredRows,
  format: QuantisedFormat,
  memory: Int32Array,
  ld: number,
): TakeRows {
  const { rowsEach: K, columns: N } = from;
  const to = wordsOf(memory);
  const decode = decoder(from);
  const place = groupPlacer(format, K);
  const { block, bytes: blockBytes, encode } = numberFormats[fileFormats[format]];
  const most = Math.max(1, Math.min(Math.ceil(K / GROUP), Math.floor(COLLECTED_BYTES / (4 * GROUP * N))));
  const collected = new Float32Array(most * GROUP * N);
  const column = new Float32Array(most * GROUP);
  const encoded = new Uint8Array((column.length / block) * blockBytes);
  const blocks = new Uint16Array(encoded.buffer);
  /** Encodes `rows` collected rows, which begin at row k0 of the matrix. */
  const writeOut = (matrix: number, k0: number, rows: number): void => {
    const g0 = k0 / GROUP;
    const g1 = Math.ceil((k0 + rows) / GROUP);
    column.fill(0);
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < rows; k++) column[k] = collected[k * N + n]!;
      encode(column, encoded);
      place(blocks, 0, to, (matrix * N + n) * ld, g0, g1);
    }
  };
  return (bytes, first, count) => {
    for (let r = 0; r < count; r++) {
      const k = (first + r) % K;
      const at = k % (most * GROUP);
      collected.set(decode(bytes, r).subarray(0, N), at * N);
      if (at === most * GROUP - 1 || k === K - 1) writeOut((first + r - k) / K, k - at, at + 1);
    }
  };
}

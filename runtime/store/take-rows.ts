/**
 * Rows of a checkpoint → where they belong in a model's memory, some rows at a time, in order:
 *
 *   file [out, in] or a table → rows of words in the same format    bytes go to their places as they are
 *                             → rows of words in another            decoded, encoded, placed: a row at a time
 *                             → f32 [in, out]                       decoded, turned: 16 rows at a time
 *   file [in, out]            → f32 [in, out]                       decoded: a row at a time
 *                             → rows of words [out, in]             decoded, collected: some groups of 32 rows at a time
 *
 * So a tensor takes a few megabytes beside its own memory, whatever its size.
 */
import { SinterError } from "../base/errors.ts";
import { numberFormats, GROUP } from "../contract/number-formats.ts";
import { storedRows, type Kept, type StoredRows } from "./kept.ts";
import { fileFormats, groupPlacer, rowWriter, wordsOf, type MemoryFormat } from "../engine/quantise.ts";
import type { Tensor } from "../engine/tensors.ts";

/**
 * `count` whole rows from row `first` on. `bytes` begin at a multiple of 4 of their buffer, which may be used
 * again afterwards.
 */
export type TakeRows = (bytes: Uint8Array, first: number, count: number) => void;

export function rowTaker({ place, padded }: Tensor, slice: number, kept: Kept): TakeRows {
  const { quantised, rowFloats: ld, shape } = place;
  const from = storedRows(shape, kept);
  if (!quantised) {
    const data = padded(slice) as Float32Array;
    return from.turned ? turnedIntoFloats(from, data, ld) : intoFloats(from, data, ld);
  }
  const words = padded(slice) as Int32Array;
  if (from.turned !== quantised.transposed)
    return from.turned ? refuse(place.name) : collectedIntoWords(from, quantised.format, words, ld);
  return fileFormats[quantised.format] === from.type
    ? asTheyAre(from, quantised.format, words, ld)
    : recodedIntoWords(from, quantised.format, words, ld);
}

const refuse = (name: string): never => {
  throw new SinterError(
    "corrupt",
    `tensor ${name} is kept as the columns of a table`,
    "Import the model again.",
  );
};

/** Decodes row r of some bytes; the result is overwritten by the next. */
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

/** Rows that are turned at once: a cache line of each row of the memory. */
const TOGETHER = 16;

function turnedIntoFloats(from: StoredRows, data: Float32Array, ld: number): TakeRows {
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
  format: MemoryFormat,
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

function recodedIntoWords(from: StoredRows, format: MemoryFormat, memory: Int32Array, ld: number): TakeRows {
  const to = wordsOf(memory);
  const decode = decoder(from);
  const write = rowWriter(format, from.columns);
  return (bytes, first, count) => {
    for (let r = 0; r < count; r++) write(decode(bytes, r).subarray(0, from.columns), to, (first + r) * ld);
  };
}

/** Bytes of f32 that are collected at most, if more than one group of rows fits. */
const COLLECTED = 8 << 20;

function collectedIntoWords(
  from: StoredRows,
  format: MemoryFormat,
  memory: Int32Array,
  ld: number,
): TakeRows {
  const { rowsEach: K, columns: N } = from;
  const to = wordsOf(memory);
  const decode = decoder(from);
  const place = groupPlacer(format, K);
  const { block, bytes: blockBytes, encode } = numberFormats[fileFormats[format]];
  const most = Math.max(1, Math.min(Math.ceil(K / GROUP), Math.floor(COLLECTED / (4 * GROUP * N))));
  const collected = new Float32Array(most * GROUP * N);
  const part = new Float32Array(most * GROUP);
  const encoded = new Uint8Array((part.length / block) * blockBytes);
  const blocks = new Uint16Array(encoded.buffer);
  const writeOut = (matrix: number, k0: number, rows: number): void => {
    const g0 = k0 / GROUP;
    const g1 = Math.ceil((k0 + rows) / GROUP);
    part.fill(0);
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < rows; k++) part[k] = collected[k * N + n]!;
      encode(part, encoded);
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

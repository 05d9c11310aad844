/**
 * Moments in 8 bits out of a checkpoint: to where they lie in a model's memory, as they are; or decoded, for
 * programs that keep them in f32. And into 8 bits, from such programs.
 */
import {
  decodeBlock,
  encodeBlock,
  MOMENT_BLOCK,
  momentBytes,
  momentRows,
  type Moment,
} from "../contract/moment-codes.ts";
import { rowFloats, tensorBytes } from "../contract/tensor-layout.ts";
import type { TakeRows } from "./take-rows.ts";

/** Rows of codes and scales into a slice's memory. */
export function asBytes({ buffer, byteOffset, byteLength }: Int32Array<ArrayBufferLike>): TakeRows {
  const memory = new Uint8Array(buffer, byteOffset, byteLength);
  return (bytes, first, count) => memory.set(bytes.subarray(0, count * MOMENT_BLOCK), first * MOMENT_BLOCK);
}

/** A parameter's rows as they lie in memory: how many, their length, and that with padding. */
function rowsOf(shape: readonly number[]) {
  const columns = shape.at(-1) ?? 1;
  const padded = rowFloats(columns);
  return { columns, padded, rows: tensorBytes(shape) / (4 * padded) };
}

/** Decodes a moment of a parameter of this shape into `out`, dense, when the last row has come. */
export function decodedMoments(shape: readonly number[], moment: Moment, out: Float32Array): TakeRows {
  const blocks = tensorBytes(shape) / (4 * MOMENT_BLOCK);
  const all = new Uint8Array(momentRows(blocks) * MOMENT_BLOCK);
  return (bytes, first, count) => {
    all.set(bytes.subarray(0, count * MOMENT_BLOCK), first * MOMENT_BLOCK);
    if (first + count < momentRows(blocks)) return;
    const codes = momentBytes(moment, all, momentRows(blocks));
    const { columns, padded, rows } = rowsOf(shape);
    const values = new Float32Array(rows * padded);
    for (let block = 0; block < blocks; block++) {
      const kept = decodeBlock(codes, block);
      values.set(moment === "moment2" ? kept.map((root) => root * root) : kept, block * MOMENT_BLOCK);
    }
    for (let r = 0; r < rows; r++) out.set(values.subarray(r * padded, r * padded + columns), r * columns);
  };
}

/**
 * The rows of a moment of a parameter of this shape: codes, each to the nearest, and scales. `dense`: the
 * moment's numbers.
 */
export function encodedMoments(
  shape: readonly number[],
  moment: Moment,
  dense: Float32Array,
): Uint8Array<ArrayBuffer> {
  const { columns, padded, rows } = rowsOf(shape);
  const values = new Float32Array(rows * padded);
  for (let r = 0; r < rows; r++) values.set(dense.subarray(r * columns, (r + 1) * columns), r * padded);
  const blocks = values.length / MOMENT_BLOCK;
  const all = new Uint8Array(momentRows(blocks) * MOMENT_BLOCK);
  const codes = momentBytes(moment, all, momentRows(blocks));
  for (let block = 0; block < blocks; block++) {
    const own = values.subarray(block * MOMENT_BLOCK, (block + 1) * MOMENT_BLOCK);
    encodeBlock(codes, block, moment === "moment2" ? own.map(Math.sqrt) : own);
  }
  return all;
}

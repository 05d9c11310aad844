/**
 * Rows of integers that the kernels of quantised products make of their activations, and what kernels and
 * references share beside the order of weights (runtime/contract/weight-rows.ts).
 *
 * What a row of activations becomes for integer products (quantise_rows): int16 (q8_0) or int8 (q4_0) in the
 * order in which the products take the weights, scales as f32, and −Z · Σ of each group, so that products
 * with weights u ≥ 0 start from there: Σ a · (u − Z) = Σ a · u − Z · Σ a. For q4_0 Z is 8. For q8_0 it is
 * 128, and behind all that the row has its numbers once more, as int8 in the order of the weights: for
 * machines that have a dot product of four bytes.
 */
import { oneOf } from "../../kit/op.ts";
import type { QuantisedFormat } from "../../../../runtime/contract/memory-formats.ts";
import { GROUP } from "../../../../runtime/contract/number-formats.ts";
import {
  decodeWeights,
  HALF_BLOCK,
  halfBlocks,
  groupLane,
  type IntegerFormat,
} from "../../../../runtime/contract/weight-rows.ts";

/** The attribute of every operation on such rows; the second is for operations that take integers only. */
export const formatAttrs = { format: oneOf<QuantisedFormat>("q8_0") };
export const integerAttrs = { format: oneOf<IntegerFormat>("q8_0") };

/** Bytes of the numbers in a half block of activations. */
export const ACTIVATION_BYTES: Readonly<Record<IntegerFormat, number>> = { q8_0: 256, q4_0: 128 };
/** What is added to a weight to make it u ≥ 0. */
export const ZERO_POINT: Readonly<Record<IntegerFormat, number>> = { q8_0: 128, q4_0: 8 };
/** Bytes of a half block's scales, and as many of what its sums begin with. */
export const SIDE_BYTES = 16 + 16;
/** Bytes of a half block of q8_0's numbers as int8, by fours. */
export const FOURS_BYTES = 128;
/** Where a row of q8_0 has them. */
export const foursFrom = (halves: number): number => halves * (ACTIVATION_BYTES.q8_0 + SIDE_BYTES);
export const activationWords = (format: IntegerFormat, K: number): number =>
  (halfBlocks(K) * (ACTIVATION_BYTES[format] + SIDE_BYTES + (format === "q8_0" ? FOURS_BYTES : 0))) / 4;

/** f16 → f32: these bits of the number, 13 to the left, times 2^112. */
export const F16_MASK = "0x8FFFE000";
export const F16_UNIT = "5192296858534827628530496329220096.0";

/** Byte of activation e in its row. Its group has the lane of the weights' group: 32 bits of each vector. */
export function activationByte(format: IntegerFormat, e: number, halves: number): number {
  const { lane, lanes, half } = groupLane(Math.floor(e / GROUP), halves);
  const j = e % GROUP;
  const vector = format === "q8_0" ? 2 * (j >> 2) + (j & 1) : 2 * ((j & 15) >> 2) + (j >> 4);
  const within = format === "q8_0" ? j & 2 : j & 3;
  return half * ACTIVATION_BYTES[format] + (vector * lanes + lane) * 4 + within;
}

/** Byte of activation e of q8_0 among its int8 by fours: piece c has elements 4c … 4c+3 of each group. */
function foursByte(e: number, halves: number): number {
  const { lane, lanes, half } = groupLane(Math.floor(e / GROUP), halves);
  const j = e % GROUP;
  return foursFrom(halves) + half * FOURS_BYTES + ((j >> 2) * lanes + lane) * 4 + (j & 3);
}

// What the f64 references read and write.

const viewOf = (words: ArrayLike<number>): DataView => new DataView(Int32Array.from(words).buffer);

/** K weights of a row of words. */
export const weightsIn = (format: QuantisedFormat, words: ArrayLike<number>, K: number): Float64Array =>
  decodeWeights(format, viewOf(words), 0, new Float64Array(K));

/** A row of activations back in f64. */
export function decodeActivations(
  format: IntegerFormat,
  words: ArrayLike<number>,
  halves: number,
): Float64Array {
  const view = viewOf(words);
  const scales = halves * ACTIVATION_BYTES[format];
  return Float64Array.from({ length: halves * HALF_BLOCK }, (_, e) => {
    const at = activationByte(format, e, halves);
    return (
      view.getFloat32(scales + 4 * Math.floor(e / GROUP), true) *
      (format === "q8_0" ? view.getInt16(at, true) : view.getInt8(at))
    );
  });
}

/**
 * Adding it rounds to the nearest whole number (ties to even), and leaves that in the low bits: 1.5 · 2^23.
 */
export const ROUNDER = "12582912.0";
/** Rounds to even, as the kernels do. */
export const nearest = (x: number): number => Math.fround(Math.fround(x) + 12582912) - 12582912;
/** A group whose largest number is below this counts as zeros: the reciprocal would be infinite. */
export const LEAST_SCALED = 1e-30;

/**
 * To 11 significant bits, ties to even: the numbers of f16 (and beyond its largest, where llama.cpp would
 * have an infinity).
 */
function f16Rounded(x: number): number {
  if (Math.abs(x) < 2 ** -14) return Math.fround(Math.fround(x + 0.5) - 0.5); // f16's steps of 2^-24; x ≥ 0
  bits.setFloat32(0, x);
  const u = bits.getUint32(0);
  bits.setUint32(0, ((u + 0xfff + ((u >>> 13) & 1)) & 0xffffe000) >>> 0);
  return bits.getFloat32(0);
}
const bits = new DataView(new ArrayBuffer(4));

/**
 * A row of activations as integers: d = max |x| / 127 of each group of 32, q = x / d to the nearest, d kept
 * as f16. The kernel's arithmetic, step by step.
 */
export function encodeActivations(format: IntegerFormat, row: ArrayLike<number>, K: number): Int32Array {
  const halves = halfBlocks(K);
  const words = new Int32Array(activationWords(format, K));
  const view = new DataView(words.buffer);
  const scales = halves * ACTIVATION_BYTES[format];
  for (let g = 0; g < halves * 4; g++) {
    const xs = Array.from({ length: GROUP }, (_, j) => (g * GROUP + j < K ? row[g * GROUP + j]! : 0));
    const most = Math.max(...xs.map(Math.abs));
    const inverse = most > LEAST_SCALED ? Math.fround(127 / most) : 0;
    let sum = 0;
    for (const [j, x] of xs.entries()) {
      const q = nearest(x * inverse);
      const at = activationByte(format, g * GROUP + j, halves);
      sum += q;
      if (format === "q4_0") view.setInt8(at, q);
      else {
        view.setInt16(at, q, true);
        view.setInt8(foursByte(g * GROUP + j, halves), q);
      }
    }
    view.setFloat32(scales + 4 * g, f16Rounded(Math.fround(most / 127)), true);
    view.setInt32(scales + 16 * halves + 4 * g, -ZERO_POINT[format] * sum, true);
  }
  return words;
}

/** Rows of words → elements (row, k). Decoded once. */
export function elementsOf(
  words: Float64Array,
  count: number,
  decode: (row: Float64Array) => Float64Array,
): (row: number, k: number) => number {
  const each = words.length / count;
  const rows = Array.from({ length: count }, (_, n) => decode(words.subarray(n * each, (n + 1) * each)));
  return (row, k) => rows[row]![k]!;
}

/**
 * Weights in fewer bits: how a row of them lies in memory. A matrix is kept as rows of out features, [N,
 * words of K]; groups of 32 along K have one scale, as in ggml (github.com/ggml-org/ggml, ggml-common.h), and
 * the bytes of a group are the same, in another order:
 *
 *   q8_0   x = d · q, q = −127 … 127        q4_0   x = d · (q − 8), q = 0 … 15        bf16   the upper half of an f32
 *
 * Eight groups (256 steps of K: a block) lie side by side, one in each 32-bit lane of a 256-bit register, so
 * that a lane's sum of products is the sum of one group: the eight sums meet their scales in one
 * multiply-add. When the number of half blocks is odd, the last stands alone, with four lanes. K is padded to
 * half blocks with zeros.
 *
 *   q8_0   step t = 0 … 15: lane l has elements 2t, 2t+1 of group l                        256 bytes a block
 *   q4_0   chunk c = 0 … 3: lane l has bytes 4c … 4c+3 of group l; byte j holds element j (low) and j + 16 (high)      128 bytes
 *   row    stretches of 4 blocks (the last may be shorter): a cache line with the scales as f16 in the order of the groups, then the blocks
 *   bf16   chunks of 16 words: word i has element i (low half) and i + 16 (high half)      64 bytes
 *
 * What a row of activations becomes for integer products (quantise_rows): int16 (q8_0) or int8 (q4_0) in the
 * same order, scales as f32; for q4_0 also −8 · Σ of each group, so that Σ a · (u − 8) = Σ a · u − 8 · Σ a
 * starts from there.
 */
import { oneOf } from "../../kit/op.ts";
import type { WeightFormat } from "../../../../runtime/contract/memory-formats.ts";

export type QuantisedFormat = Exclude<WeightFormat, "f32">;
export type IntegerFormat = "q8_0" | "q4_0";
export const isInteger = (format: QuantisedFormat): format is IntegerFormat => format !== "bf16";
/** The attribute of every operation on such rows; the second is for operations that take integers only. */
export const formatAttrs = { format: oneOf<QuantisedFormat>("q8_0") };
export const integerAttrs = { format: oneOf<IntegerFormat>("q8_0") };

export const GROUP = 32;
export const HALF_BLOCK = 128;
export const BLOCK = 256;
export const halfBlocks = (K: number): number => Math.ceil(K / HALF_BLOCK);

/** Bytes of weights in a half block of 128. */
export const HALF_BYTES: Readonly<Record<IntegerFormat, number>> = { q8_0: 128, q4_0: 64 };
/** Bytes of scales for a half block: four f16. */
export const HALF_SCALES = 8;
/**
 * Half blocks of a stretch, bytes of its scales, bytes of all. Scales stand just before what they scale:
 * further ahead, at the row's end, prefetchers do not reach them, and a row of 8192 is read at a third of the
 * speed.
 */
export const STRETCH_HALVES = 8;
export const SCALE_LINE = 64;
export const stretchBytes = (format: IntegerFormat): number =>
  SCALE_LINE + STRETCH_HALVES * HALF_BYTES[format];

/** Words of a row of K weights. */
export function weightWords(format: QuantisedFormat, K: number): number {
  if (!isInteger(format)) return Math.ceil(K / GROUP) * 16;
  const halves = halfBlocks(K);
  return (halves * HALF_BYTES[format] + Math.ceil(halves / STRETCH_HALVES) * SCALE_LINE) / 4;
}

/** Half blocks of a row of so many words. */
export function halvesOf(format: IntegerFormat, words: number): number {
  const stretches = Math.ceil((words * 4) / stretchBytes(format));
  return (words * 4 - stretches * SCALE_LINE) / HALF_BYTES[format];
}

/** Byte of a half block in its row; of a group's scale. */
const halfAt = (format: IntegerFormat, half: number): number =>
  Math.floor(half / STRETCH_HALVES) * stretchBytes(format) +
  SCALE_LINE +
  (half % STRETCH_HALVES) * HALF_BYTES[format];
const scaleAt = (format: IntegerFormat, group: number): number =>
  Math.floor(group / 32) * stretchBytes(format) + 2 * (group % 32);

/**
 * Bytes of the numbers of a half block of activations; and of everything: numbers, scales, and what q4_0
 * starts from.
 */
export const ACTIVATION_BYTES: Readonly<Record<IntegerFormat, number>> = { q8_0: 256, q4_0: 128 };
const SIDE_BYTES: Readonly<Record<IntegerFormat, number>> = { q8_0: 16, q4_0: 32 };
export const activationWords = (format: IntegerFormat, K: number): number =>
  (halfBlocks(K) * (ACTIVATION_BYTES[format] + SIDE_BYTES[format])) / 4;

/** f16 → f32: these bits of the number, 13 to the left, times 2^112. */
export const F16_MASK = "0x8FFFE000";
export const F16_UNIT = "5192296858534827628530496329220096.0";

/** Lane, step within the group and the block's first byte (in units of `half` bytes) of element e. */
function placeOf(e: number, halves: number) {
  const half = Math.floor(e / HALF_BLOCK);
  const group = Math.floor(e / GROUP) % 4;
  const alone = halves % 2 === 1 && half === halves - 1;
  return {
    start: alone ? half : half - (half % 2),
    lanes: alone ? 4 : 8,
    lane: alone ? group : (half % 2) * 4 + group,
    j: e % GROUP,
  };
}

/** Byte of weight e in its row; for q4_0 with the nibble. */
export function weightByte(
  format: IntegerFormat,
  e: number,
  halves: number,
): { readonly byte: number; readonly shift: 0 | 4 } {
  const { start, lanes, lane, j } = placeOf(e, halves);
  const from = halfAt(format, start);
  if (format === "q8_0") return { byte: from + (j >> 1) * lanes * 2 + lane * 2 + (j & 1), shift: 0 };
  return { byte: from + ((j & 15) >> 2) * lanes * 4 + lane * 4 + (j & 3), shift: j < 16 ? 0 : 4 };
}

/** Byte of activation e in its row: of two bytes (q8_0), of one (q4_0). */
export function activationByte(format: IntegerFormat, e: number, halves: number): number {
  const { start, lanes, lane, j } = placeOf(e, halves);
  if (format === "q8_0")
    return start * ACTIVATION_BYTES[format] + (j >> 1) * lanes * 4 + lane * 4 + (j & 1) * 2;
  return (
    start * ACTIVATION_BYTES[format] + ((j & 15) >> 2) * lanes * 8 + (j >> 4) * lanes * 4 + lane * 4 + (j & 3)
  );
}

// What the f64 references read and write.

const viewOf = (words: ArrayLike<number>): DataView => new DataView(Int32Array.from(words).buffer);

function f16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}

/** K weights of a row of words. */
export function decodeWeights(format: QuantisedFormat, words: ArrayLike<number>, K: number): Float64Array {
  const view = viewOf(words);
  if (!isInteger(format))
    return Float64Array.from({ length: K }, (_, e) => {
      const word = view.getInt32(Math.floor(e / GROUP) * 64 + (e % 16) * 4, true);
      const bits = new DataView(new ArrayBuffer(4));
      bits.setInt32(0, e % GROUP < 16 ? word << 16 : word & 0xffff0000);
      return bits.getFloat32(0);
    });
  const halves = halfBlocks(K);
  return Float64Array.from({ length: K }, (_, e) => {
    const { byte, shift } = weightByte(format, e, halves);
    const d = f16(view.getUint16(scaleAt(format, Math.floor(e / GROUP)), true));
    return d * (format === "q8_0" ? view.getInt8(byte) : ((view.getUint8(byte) >> shift) & 15) - 8);
  });
}

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
/** Below it a group counts as zeros: its reciprocal is no number. */
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
      if (format === "q8_0") view.setInt16(at, q, true);
      else view.setInt8(at, q);
    }
    view.setFloat32(scales + 4 * g, f16Rounded(Math.fround(most / 127)), true);
    if (format === "q4_0") view.setInt32(scales + 16 * halves + 4 * g, -8 * sum, true);
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

let sampled: { readonly key: string; readonly words: Int32Array } | undefined;
/**
 * For tests: word i of a tensor whose words belong together `length` by `length`, as scales do to their
 * numbers: `make` makes so many.
 */
export function sampleTogether(name: string, length: number, i: number, make: () => Int32Array): number {
  const key = `${name} ${length} ${Math.floor(i / length)}`;
  if (i % length === 0 || sampled?.key !== key) sampled = { key, words: make() };
  return sampled.words[i % length]!;
}

/**
 * For tests: words of a row of weights, with scales as they are in models. `i`: index of the word in the
 * whole tensor.
 */
export function sampleWeight(format: QuantisedFormat, words: number, noise: () => number, i: number): number {
  const whole = (bits: number): number => Math.floor(((noise() + 1) / 2) * (2 ** bits - 1));
  if (!isInteger(format)) return half(noise) | (half(noise) << 16) | 0;
  if (((i % words) * 4) % stretchBytes(format) >= SCALE_LINE) {
    const bytes = [0, 1, 2, 3].map(() => (format === "q8_0" ? whole(8) - 127 : whole(8)));
    return bytes.reduce((word, byte, at) => word | ((byte & 255) << (8 * at)), 0);
  }
  const scale = (): number =>
    whole(10) | ((7 + whole(2)) << 10) | (format === "q4_0" && noise() < 0 ? 0x8000 : 0); // 2^-8 … 2^-4
  return scale() | (scale() << 16) | 0;
}

/** An f32's upper half. */
function half(noise: () => number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, noise());
  return bits.getUint16(0);
}

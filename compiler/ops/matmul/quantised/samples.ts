/**
 * Words that tests and benches may feed to quantised products: scales as they are in models, and the numbers
 * to them.
 */
import type { QuantisedFormat } from "../../../../runtime/contract/memory-formats.ts";
import { GROUP } from "../../../../runtime/contract/number-formats.ts";
import {
  bf16Byte,
  groupPlace,
  HALF_BLOCK,
  halfBlocks,
  isInteger,
  SCALE_LINE,
  superblockBytes,
  weightWords,
  type IntegerFormat,
} from "../../../../runtime/contract/weight-rows.ts";
import { encodeActivations } from "./activation-rows.ts";

/** The piece of words that was made last, for each source of noise: a source belongs to one tensor. */
const made = new WeakMap<() => number, { readonly piece: number; readonly words: Int32Array }>();

/**
 * Word i of a tensor whose words belong together `length` by `length`, as scales do to their numbers: `make`
 * makes so many of them.
 */
export function sampleTogether(
  noise: () => number,
  length: number,
  i: number,
  make: () => Int32Array,
): number {
  const piece = Math.floor(i / length);
  const last = made.get(noise);
  if (last?.piece === piece && i % length > 0) return last.words[i % length]!;
  const words = make();
  made.set(noise, { piece, words });
  return words[i % length]!;
}

/** Words of a row: a group's scale and sum belong to its numbers. */
export const sampleActivation = (
  format: IntegerFormat,
  words: number,
  halves: number,
  noise: () => number,
  i: number,
): number =>
  sampleTogether(noise, words, i, () =>
    encodeActivations(format, Array.from({ length: halves * HALF_BLOCK }, noise), halves * HALF_BLOCK),
  );

/**
 * Words of a row of weights, with scales as they are in models. `i`: index of the word in the
 * whole tensor.
 */
export function sampleWeight(format: QuantisedFormat, words: number, noise: () => number, i: number): number {
  const whole = (bits: number): number => Math.floor(((noise() + 1) / 2) * (2 ** bits - 1));
  if (!isInteger(format)) return half(noise) | (half(noise) << 16) | 0;
  if (((i % words) * 4) % superblockBytes(format) >= SCALE_LINE) {
    const bytes = [0, 1, 2, 3].map(() => (format === "q8_0" ? whole(8) - 127 : whole(8)));
    return bytes.reduce((word, byte, at) => word | ((byte & 255) << (8 * at)), 0);
  }
  const scale = (): number =>
    whole(10) | ((7 + whole(2)) << 10) | (format === "q4_0" && noise() < 0 ? 0x8000 : 0); // 2^-8 … 2^-4
  return scale() | (scale() << 16) | 0;
}

/** The same with zeros behind the row's K weights, as the runtime writes it. */
export const sampleRow = (format: QuantisedFormat, K: number, noise: () => number, i: number): number => {
  const words = weightWords(format, K);
  return sampleTogether(noise, words, i, () => {
    const row = Int32Array.from({ length: words }, (_, at) => sampleWeight(format, words, noise, at));
    clearBehind(format, K, new DataView(row.buffer));
    return row;
  });
};

function clearBehind(format: QuantisedFormat, K: number, row: DataView): void {
  if (!isInteger(format)) {
    for (let e = K; e % GROUP > 0; e++) row.setUint16(bf16Byte(e), 0);
    return;
  }
  const halves = halfBlocks(K);
  for (let e = K; e < halves * HALF_BLOCK; e++) {
    const { first, step } = groupPlace(format, Math.floor(e / GROUP), halves);
    const j = e % GROUP;
    if (format === "q8_0") row.setInt8(first + (j >> 2) * step + (j & 3), 0);
    else {
      const at = first + ((j & 15) >> 2) * step + (j & 3);
      row.setUint8(at, j < 16 ? (row.getUint8(at) & 0xf0) | 8 : (row.getUint8(at) & 15) | 0x80);
    }
  }
}

/** An f32's upper half. */
function half(noise: () => number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, noise());
  return bits.getUint16(0);
}

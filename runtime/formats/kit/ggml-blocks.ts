/**
 * Decoders for the block formats of ggml that are read and not written: blocks of 32 elements, and blocks of
 * 256 in sub-blocks of 16 or 32 with small scales of their own (github.com/ggml-org/ggml, ggml-common.h and
 * ggml-quants.c, `dequantize_row_…`). The scales d and the minima m of a block are F16.
 *
 *   format  a block's bytes, in order                             an element x
 *   Q4_1    d m, 32 × 4 bits                                      d · q + m
 *   Q5_0    d, 32 fifth bits, 32 × 4 bits                         d · (q − 16)
 *   Q5_1    d m, 32 fifth bits, 32 × 4 bits                       d · q + m
 *   IQ4_NL  d, 32 × 4 bits                                        d · levels[q]
 *   Q2_K    16 × (4-bit scale, 4-bit minimum), 256 × 2 bits, d m  d · s · q − m · s′
 *   Q3_K    256 third bits, 256 × 2 bits, 16 × 6-bit scales, d    d · (s − 32) · (q − 4)
 *   Q4_K    d m, 8 × (6-bit scale, 6-bit minimum), 256 × 4 bits   d · s · q − m · s′
 *   Q5_K    as Q4_K, with 256 fifth bits before the 4 bits        d · s · q − m · s′
 *   Q6_K    256 × 4 bits, 256 × 2 upper bits, 16 × i8 scales, d   d · s · (q − 32)
 *   IQ4_XS  d, 8 × 6-bit scales, 256 × 4 bits                     d · (s − 32) · levels[q]
 */
import { f16ToF32 } from "../../contract/number-formats.ts";

/** Decodes complete blocks. `out` has room for all of their elements. */
export interface BlockFormat {
  /** Elements and bytes of a block. */
  readonly block: number;
  readonly bytes: number;
  decode(bytes: Uint8Array, out: Float32Array): void;
}

type Bytes = Uint8Array;
const half = (b: Bytes, at: number): number => f16ToF32(b[at]! | (b[at + 1]! << 8));
const signed = (byte: number): number => (byte << 24) >> 24;

const blocks = (
  block: number,
  bytes: number,
  one: (b: Bytes, at: number, out: Float32Array, to: number) => void,
): BlockFormat => ({
  block,
  bytes,
  decode(stored, out) {
    for (let at = 0, to = 0; at < stored.length; at += bytes, to += block) one(stored, at, out, to);
  },
});

/** Decodes 32 × 4 bits at `at`: byte j has element j in its low half and element j + 16 in its high half. */
function nibbles(b: Bytes, at: number, out: Float32Array, to: number, d: number, m: number): void {
  for (let j = 0; j < 16; j++) {
    const byte = b[at + j]!;
    out[to + j] = d * (byte & 15) + m;
    out[to + j + 16] = d * (byte >>> 4) + m;
  }
}

/**
 * The same with fifth bits, which stand at `fifth` in the order of the elements. `zero` is subtracted from q.
 */
function fives(
  b: Bytes,
  fifth: number,
  at: number,
  out: Float32Array,
  to: number,
  d: number,
  zero: number,
  m: number,
): void {
  const high = b[fifth]! | (b[fifth + 1]! << 8) | (b[fifth + 2]! << 16) | (b[fifth + 3]! << 24);
  for (let j = 0; j < 16; j++) {
    const byte = b[at + j]!;
    out[to + j] = d * (((byte & 15) | (((high >>> j) & 1) << 4)) - zero) + m;
    out[to + j + 16] = d * (((byte >>> 4) | (((high >>> (j + 16)) & 1) << 4)) - zero) + m;
  }
}

/** The values of the four-bit codes of IQ4, which are closer together around 0. */
const levels = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

function levelled(b: Bytes, at: number, out: Float32Array, to: number, d: number): void {
  for (let j = 0; j < 16; j++) {
    const byte = b[at + j]!;
    out[to + j] = d * levels[byte & 15]!;
    out[to + j + 16] = d * levels[byte >>> 4]!;
  }
}

/**
 * Scales and minima of Q4_K and Q5_K: eight of each, six bits each, in 12 bytes. The first four of them take
 * six bits of a byte. The other four have four bits in the last bytes, and their upper two bits above the
 * first scales.
 */
const scaleOf = (b: Bytes, at: number, j: number): number =>
  j < 4 ? b[at + j]! & 63 : (b[at + j + 4]! & 15) | ((b[at + j - 4]! >>> 6) << 4);
const minimumOf = (b: Bytes, at: number, j: number): number =>
  j < 4 ? b[at + j + 4]! & 63 : (b[at + j + 4]! >>> 4) | ((b[at + j]! >>> 6) << 4);

/**
 * Q4_K and Q5_K: 64 elements share 32 bytes, whose low halves are the first 32 of them. With `fifth` < 0
 * there are no fifth bits.
 */
function scaled(b: Bytes, at: number, fifth: number, quants: number, out: Float32Array, to: number): void {
  const d = half(b, at);
  const m = half(b, at + 2);
  for (let j = 0; j < 8; j++) {
    const step = d * scaleOf(b, at + 4, j);
    const least = m * minimumOf(b, at + 4, j);
    const from = quants + (j >>> 1) * 32;
    const shift = (j & 1) * 4;
    for (let l = 0; l < 32; l++) {
      const high = fifth < 0 ? 0 : ((b[fifth + l]! >>> j) & 1) << 4;
      out[to + j * 32 + l] = step * (((b[from + l]! >>> shift) & 15) | high) - least;
    }
  }
}

/** Q2_K and Q3_K: where the two bits of sub-block s, of 16 elements, stand in the bytes. */
const pairsAt = (s: number): { readonly from: number; readonly shift: number } => ({
  from: (s >>> 3) * 32 + (s & 1) * 16,
  shift: ((s >>> 1) & 3) * 2,
});

export const blockFormats = {
  Q4_1: blocks(32, 20, (b, at, out, to) => nibbles(b, at + 4, out, to, half(b, at), half(b, at + 2))),
  Q5_0: blocks(32, 22, (b, at, out, to) => fives(b, at + 2, at + 6, out, to, half(b, at), 16, 0)),
  Q5_1: blocks(32, 24, (b, at, out, to) =>
    fives(b, at + 4, at + 8, out, to, half(b, at), 0, half(b, at + 2)),
  ),
  IQ4_NL: blocks(32, 18, (b, at, out, to) => levelled(b, at + 2, out, to, half(b, at))),
  Q2_K: blocks(256, 84, (b, at, out, to) => {
    const d = half(b, at + 80);
    const m = half(b, at + 82);
    for (let s = 0; s < 16; s++) {
      const { from, shift } = pairsAt(s);
      const scale = b[at + s]!;
      const step = d * (scale & 15);
      const least = m * (scale >>> 4);
      for (let l = 0; l < 16; l++)
        out[to + s * 16 + l] = step * ((b[at + 16 + from + l]! >>> shift) & 3) - least;
    }
  }),
  Q3_K: blocks(256, 110, (b, at, out, to) => {
    const d = half(b, at + 108);
    const scales = at + 96;
    for (let s = 0; s < 16; s++) {
      const low = s < 8 ? b[scales + s]! & 15 : b[scales + s - 8]! >>> 4;
      const high = (b[scales + 8 + (s & 3)]! >>> (2 * (s >>> 2))) & 3;
      const { from, shift } = pairsAt(s);
      const step = d * ((low | (high << 4)) - 32);
      const third = at + (s & 1) * 16;
      const bit = s >>> 1;
      for (let l = 0; l < 16; l++)
        out[to + s * 16 + l] =
          step * (((b[at + 32 + from + l]! >>> shift) & 3) - ((b[third + l]! >>> bit) & 1 ? 0 : 4));
    }
  }),
  Q4_K: blocks(256, 144, (b, at, out, to) => scaled(b, at, -1, at + 16, out, to)),
  Q5_K: blocks(256, 176, (b, at, out, to) => scaled(b, at, at + 16, at + 48, out, to)),
  Q6_K: blocks(256, 210, (b, at, out, to) => {
    const d = half(b, at + 208);
    for (let s = 0; s < 16; s++) {
      // A sub-block of 16 elements. 128 elements share 64 bytes of lower bits and 32 bytes of upper bits.
      const step = d * signed(b[at + 192 + s]!);
      const quarter = (s >>> 1) & 3;
      const l = (s & 1) * 16;
      const low = at + (s >>> 3) * 64 + (quarter & 1) * 32 + l;
      const high = at + 128 + (s >>> 3) * 32 + l;
      for (let i = 0; i < 16; i++)
        out[to + s * 16 + i] =
          step *
          ((((b[low + i]! >>> (quarter & 2 ? 4 : 0)) & 15) | (((b[high + i]! >>> (2 * quarter)) & 3) << 4)) -
            32);
    }
  }),
  IQ4_XS: blocks(256, 136, (b, at, out, to) => {
    const d = half(b, at);
    const upper = b[at + 2]! | (b[at + 3]! << 8);
    for (let s = 0; s < 8; s++) {
      const scale = ((b[at + 4 + (s >>> 1)]! >>> (4 * (s & 1))) & 15) | (((upper >>> (2 * s)) & 3) << 4);
      levelled(b, at + 8 + s * 16, out, to + s * 32, d * (scale - 32));
    }
  }),
} as const satisfies Readonly<Record<string, BlockFormat>>;

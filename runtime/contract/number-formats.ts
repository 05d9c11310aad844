/**
 * The number formats of weights in files, decoded to f32 and encoded from it.
 *
 *   F16    IEEE 754 binary16
 *   BF16   the upper half of binary32
 *   Q8_0   blocks of 32 numbers in 34 bytes: scale d as F16, 32 × i8                         x = d · q
 *   Q4_0   blocks of 32 numbers in 18 bytes: scale d as F16, 16 × 2 nibbles, of which the
 *          low one is element j and the high one element j + 16                              x = d · (q − 8)
 *
 * The first two are rounded to the nearest, ties to even. The last two are ggml's
 * (github.com/ggml-org/ggml, ggml-quants.c): the bytes are the same as from its reference quantiser.
 */
export type FloatFormat = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0";

export interface NumberFormat {
  /** How many numbers the smallest piece has that can be decoded alone, and how many bytes. */
  readonly block: number;
  readonly bytes: number;
  /** Decodes whole blocks. `out` has room for all of their numbers. */
  decode(bytes: Uint8Array, out: Float32Array): void;
  /** Encodes whole blocks. */
  encode(values: Float32Array, out: Uint8Array): void;
}

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

export function f32ToF16(x: number): number {
  f32[0] = x;
  const bits = u32[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = bits & 0x7fffff;
  if (exponent === 255) return sign | 0x7c00 | (mantissa ? 0x200 : 0);
  const e = exponent - 112; // bias 127 → 15
  if (e >= 31) return sign | 0x7c00;
  if (e < -10) return sign;
  const whole = e <= 0 ? mantissa | 0x800000 : mantissa;
  const shift = e <= 0 ? 14 - e : 13;
  const kept = (e <= 0 ? 0 : e << 10) | (whole >>> shift);
  const rest = whole & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  // a carry runs into the exponent, as it should
  return sign | (kept + (rest > middle || (rest === middle && kept & 1) ? 1 : 0));
}

function f16Exact(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}

let table: Float32Array | undefined;
/** Every f16 as an f32. */
const f16Table = (): Float32Array =>
  (table ??= Float32Array.from({ length: 65536 }, (_, half) => f16Exact(half)));

export const f16ToF32 = (half: number): number => f16Table()[half]!;

function f32ToBf16(x: number): number {
  f32[0] = x;
  const bits = u32[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // a NaN stays one
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A format of two bytes per number. */
const halves = (decode: (half: number) => number, encode: (x: number) => number): NumberFormat => ({
  block: 1,
  bytes: 2,
  decode(bytes, out) {
    for (let i = 0, at = 0; at < bytes.length; i++, at += 2)
      out[i] = decode(bytes[at]! | (bytes[at + 1]! << 8));
  },
  encode(values, out) {
    for (let i = 0, at = 0; i < values.length; i++, at += 2) {
      const half = encode(values[i]!);
      out[at] = half & 255;
      out[at + 1] = half >>> 8;
    }
  },
});

export function bf16ToF32(half: number): number {
  u32[0] = half << 16;
  return f32[0]!;
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

const plain: NumberFormat = {
  block: 1,
  bytes: 4,
  decode(bytes, out) {
    if (littleEndian) return new Uint8Array(out.buffer, out.byteOffset, bytes.length).set(bytes);
    const view = viewOf(bytes);
    for (let i = 0; i < bytes.length / 4; i++) out[i] = view.getFloat32(4 * i, true);
  },
  encode(values, out) {
    if (littleEndian) return out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    const view = viewOf(out);
    for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i]!, true);
  },
};

/** How many weights of a quantised format have one scale. */
export const GROUP = 32;
/** To the nearest whole number, halves away from zero, like C's roundf. */
const round = (x: number): number => (x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5));

const q8: NumberFormat = {
  block: GROUP,
  bytes: 2 + GROUP,
  decode(bytes, out) {
    for (let at = 0, to = 0; at < bytes.length; at += 2 + GROUP, to += GROUP) {
      const d = f16ToF32(bytes[at]! | (bytes[at + 1]! << 8));
      for (let j = 0; j < GROUP; j++) out[to + j] = d * ((bytes[at + 2 + j]! << 24) >> 24);
    }
  },
  encode(values, out) {
    for (let from = 0, at = 0; from < values.length; from += GROUP, at += 2 + GROUP) {
      let most = 0;
      for (let j = 0; j < GROUP; j++) most = Math.max(most, Math.abs(values[from + j]!));
      const d = Math.fround(most / 127);
      const inverse = d === 0 ? 0 : Math.fround(1 / d);
      const half = f32ToF16(d);
      out[at] = half & 255;
      out[at + 1] = half >>> 8;
      for (let j = 0; j < GROUP; j++) out[at + 2 + j] = round(Math.fround(values[from + j]! * inverse)) & 255;
    }
  },
};

const q4: NumberFormat = {
  block: GROUP,
  bytes: 2 + GROUP / 2,
  decode(bytes, out) {
    for (let at = 0, to = 0; at < bytes.length; at += 2 + GROUP / 2, to += GROUP) {
      const d = f16ToF32(bytes[at]! | (bytes[at + 1]! << 8));
      for (let j = 0; j < GROUP / 2; j++) {
        out[to + j] = d * ((bytes[at + 2 + j]! & 15) - 8);
        out[to + j + GROUP / 2] = d * ((bytes[at + 2 + j]! >>> 4) - 8);
      }
    }
  },
  encode(values, out) {
    for (let from = 0, at = 0; from < values.length; from += GROUP, at += 2 + GROUP / 2) {
      let extreme = 0; // with its sign, since it becomes −8 · d exactly
      for (let j = 0; j < GROUP; j++)
        if (Math.abs(values[from + j]!) > Math.abs(extreme)) extreme = values[from + j]!;
      const d = Math.fround(extreme / -8);
      const inverse = d === 0 ? 0 : Math.fround(1 / d);
      const half = f32ToF16(d);
      const nibble = (x: number): number =>
        Math.min(15, Math.trunc(Math.fround(Math.fround(x * inverse) + 8.5)));
      out[at] = half & 255;
      out[at + 1] = half >>> 8;
      for (let j = 0; j < GROUP / 2; j++)
        out[at + 2 + j] = nibble(values[from + j]!) | (nibble(values[from + j + GROUP / 2]!) << 4);
    }
  },
};

/** THE table of number formats. */
export const numberFormats: Readonly<Record<FloatFormat, NumberFormat>> = {
  F32: plain,
  F16: halves(f16ToF32, f32ToF16),
  BF16: halves(bf16ToF32, f32ToBf16),
  Q8_0: q8,
  Q4_0: q4,
};

/** Whether a checkpoint can hold a tensor in this format. */
export const isFileFormat = (name: string): name is FloatFormat => Object.hasOwn(numberFormats, name);

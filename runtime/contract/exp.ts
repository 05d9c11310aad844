/**
 * e^x and ln x as kernels compute them in f64 when they draw a token (compiler/ops/sampling/kit/): the same
 * operations in the same order, so that the same logits and the same seed give the same token wherever it is
 * drawn. Math.exp and Math.log may round otherwise from engine to engine.
 *
 *   e^x = 2^k · e^r,  k = round(x / ln 2),  |r| ≤ ln 2 / 2
 *   c = r − s·P(s),  s = r²;   e^r = 1 + r + r·c / (2 − c)      (fdlibm, Sun Microsystems 1993)
 */

/** The numbers of e^x, for the code of kernels too. */
export const expNumbers = {
  /** Below it, e^x is 0; from there on it is a normal number. */
  lowest: -708,
  perLn2: 1.4426950408889634,
  /** 1.5 · 2^52: what is added to it is rounded to a whole number, which stands in the lowest bits. */
  rounder: 6755399441055744,
  /** ln 2 in two parts: a multiple of the first by a small whole number is exact. */
  ln2High: 0.6931471803691238,
  ln2Low: 1.9082149292705877e-10,
  /** P, by rising powers. */
  p: [
    0.16666666666666602, -0.0027777777777015593, 6.613756321437934e-5, -1.6533902205465252e-6,
    4.1381367970572385e-8,
  ],
} as const;

const { lowest, perLn2, rounder, ln2High, ln2Low } = expNumbers;
const [p0, p1, p2, p3, p4] = expNumbers.p;

/** 2^k for −1022 ≤ k ≤ 1023 is element k + 1022. */
const powers = new Float64Array(2046);
powers[1022] = 1;
for (let k = 1; k <= 1023; k++) powers[1022 + k] = 2 * powers[1021 + k]!;
for (let k = 1; k <= 1022; k++) powers[1022 - k] = powers[1023 - k]! / 2;

/** e^x for x ≤ 709. Error: below one unit in the last place. 0 below −708. NaN gives NaN. */
export function exp(x: number): number {
  if (x < lowest) return 0;
  const k = x * perLn2 + rounder - rounder;
  const high = x - k * ln2High;
  const low = k * ln2Low;
  const r = high - low;
  const s = r * r;
  const c = r - s * (p0 + s * (p1 + s * (p2 + s * (p3 + s * p4))));
  return (1 - (low - (r * c) / (2 - c) - high)) * (powers[k + 1022] ?? NaN);
}

const bits = new DataView(new ArrayBuffer(8));

/**
 * ln x as the function `ln` of compiler/8-emit/vector-math.ts. x = 2^n · m, m in √½…√2, ln m = 2 artanh s =
 * 2(s + s³/3 + …), s = (m − 1) / (m + 1). For normal numbers the relative error is below 1e-12.
 */
export function ln(x: number): number {
  if (!(x > 0 && x < Infinity)) return x === 0 ? -Infinity : x > 0 ? x : NaN;
  bits.setFloat64(0, x);
  const top = bits.getUint32(0);
  let n = (top >>> 20) - 1023;
  bits.setUint32(0, (top & 0x000fffff) | 0x3ff00000);
  let m = bits.getFloat64(0);
  if (m > Math.SQRT2) {
    m *= 0.5;
    n++;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let series = 1 / 15;
  for (let odd = 13; odd >= 1; odd -= 2) series = 1 / odd + z * series;
  return n * Math.LN2 + 2 * s * series;
}

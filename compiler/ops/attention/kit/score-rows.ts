/**
 * What happens to a row of scores between two products. The loops take eight lanes at a time, in adjacent
 * pairs. A row's maximum or sum first becomes eight partial ones in memory; four rows of these are then
 * reduced at once, by shuffles, which is cheaper than a horizontal sum for each row.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { Writer } from "../../kit/writer.ts";

/** Lower than any score; finite, so that differences of two of them are 0 and not NaN. */
export const HIDDEN = "-1e30";
/**
 * The maximum of a row that sees nothing of a block: so far above HIDDEN, also after the scale, that the
 * weight of what is hidden is exactly 0, and so far below every score that a row's other blocks make it
 * exactly 0.
 */
export const LEAST_TOP = "-1e25";

/**
 * The area `mask` begins with the lanes of a mask: 16 with all bits set, then 32 without any. Loaded from
 * lane 16 − v on, it keeps the first v lanes of what it is applied to. Eight very low numbers follow: a
 * maximum starts by loading them, because two constants end in different blocks of code and V8 does not join
 * them.
 */
const LOWEST = (16 + 32) * 4;
export const MASK_BYTES = LOWEST + 32;

export function fillMask(w: Writer, mask: string): void {
  w.line(`for (let i: usize = 0; i < 64; i += 16) v128.store(${mask} + i, i32x4.splat(-1));`);
  w.line(`for (let i: usize = 64; i < ${LOWEST}; i += 16) v128.store(${mask} + i, ZERO);`);
  w.line(
    `for (let i: usize = ${LOWEST}; i < ${MASK_BYTES}; i += 16) v128.store(${mask} + i, ` +
      `f32x4.splat(${HIDDEN}));`,
  );
}

/**
 * A function that several kernels share. Its name begins with "attention_", so that it differs from other
 * operations' functions.
 */
function shared(w: Writer, ending: string, doc: string, head: string, body: (f: Writer) => void): string {
  const name = `attention_${ending}`;
  return w.helper(name, (f) => {
    f.line(`/** ${doc} */`);
    f.block(`function ${name}${head}`, () => body(f));
  });
}

/** Scores of keys that the query must not see, or that do not exist, become very low. */
export const hideFunction = (w: Writer): string =>
  shared(
    w,
    "hide",
    "row[valid … end) = very low. `end` is a multiple of 8, valid > end − 16.",
    "(row: usize, valid: i32, end: i32, mask: usize): void",
    (f) => {
      f.line(`const low = f32x4.splat(${HIDDEN});`);
      f.block(`for (let k = max(valid, 0) & ~7; k < end; k += 8)`, () => {
        f.line(`const keep = mask + ((16 - (valid - k)) << 2), s = row + (k << 2);`);
        f.line(`const lo = v128.bitselect(v128.load(s), low, v128.load(keep));`);
        f.line(`const hi = v128.bitselect(v128.load(s, 16), low, v128.load(keep, 16));`);
        f.line(`v128.store(s, lo);`);
        f.line(`v128.store(s, hi, 16);`);
      });
    },
  );

/** The same at the beginning of a row: scores of keys that lie before the query's window. */
export const hideBeforeFunction = (w: Writer): string =>
  shared(
    w,
    "hide_before",
    "row[from … seen) = very low. `from` is a multiple of 8.",
    "(row: usize, from: i32, seen: i32, mask: usize): void",
    (f) => {
      f.line(`const low = f32x4.splat(${HIDDEN});`);
      f.block(`for (let k = from; k < seen; k += 8)`, () => {
        f.line(`const hide = mask + ((16 - min(seen - k, 8)) << 2), s = row + (k << 2);`);
        f.line(`const lo = v128.bitselect(low, v128.load(s), v128.load(hide));`);
        f.line(`const hi = v128.bitselect(low, v128.load(s, 16), v128.load(hide, 16));`);
        f.line(`v128.store(s, lo);`);
        f.line(`v128.store(s, hi, 16);`);
      });
    },
  );

/**
 * The faster maximum. It may lose a NaN, but scores are never NaN in a healthy run, and a NaN reaches the
 * loss by way of the sum.
 */
const maxOf = (target: Target): string => (target === "simd" ? "f32x4.pmax" : "f32x4.relaxed_max");

export const rowMaxFunction = (w: Writer, target: Target): string =>
  shared(
    w,
    "row_max",
    "to[8] = partial maxima of row[0 … end)",
    "(row: usize, end: i32, to: usize, mask: usize): void",
    (f) => {
      f.line(`let lo = v128.load(mask, ${LOWEST}), hi = v128.load(mask, ${LOWEST + 16});`);
      f.line(`const stop = row + (<usize>end << 2);`);
      f.block(`for (let s = row; s < stop; s += 32)`, () => {
        f.line(`lo = ${maxOf(target)}(lo, v128.load(s));`);
        f.line(`hi = ${maxOf(target)}(hi, v128.load(s, 16));`);
      });
      f.line(`v128.store(to, lo);`);
      f.line(`v128.store(to, hi, 16);`);
    },
  );

export const rowExpFunction = (w: Writer): string =>
  shared(
    w,
    "row_exp",
    "row = e^(scale · row − shift), to[8] = partial sums",
    "(row: usize, end: i32, scale: f32, shift: f32, to: usize): void",
    (f) => {
      f.line(`const times = f32x4.splat(scale), minus = f32x4.splat(-shift);`);
      f.line(`let lo = ZERO, hi = ZERO;`);
      f.line(`const stop = row + (<usize>end << 2);`);
      f.block(`for (let s = row; s < stop; s += 32)`, () => {
        f.line(`const p = exp_low4(madd(v128.load(s), times, minus));`);
        f.line(`const q = exp_low4(madd(v128.load(s, 16), times, minus));`);
        f.line(`lo = f32x4.add(lo, p);`);
        f.line(`hi = f32x4.add(hi, q);`);
        f.line(`v128.store(s, p);`);
        f.line(`v128.store(s, q, 16);`);
      });
      f.line(`v128.store(to, lo);`);
      f.line(`v128.store(to, hi, 16);`);
    },
  );

/** P from scores, and dS = P ∘ (dP − Δ) · scale in place of dP. */
export const rowGradFunction = (w: Writer): string =>
  shared(
    w,
    "row_grad",
    "row = e^(scale · row − lse) = P;  d = P · (scale · d − delta) = dS, delta scaled already",
    "(row: usize, d: usize, end: i32, scale: f32, lse: f32, delta: f32): void",
    (f) => {
      f.line(`const times = f32x4.splat(scale), minus = f32x4.splat(-lse), less = f32x4.splat(-delta);`);
      f.line(`const stop = row + (<usize>end << 2);`);
      f.block(`for (; row < stop; row += 32, d += 32)`, () => {
        f.line(`const p = exp_low4(madd(v128.load(row), times, minus));`);
        f.line(`const q = exp_low4(madd(v128.load(row, 16), times, minus));`);
        f.line(`const g = f32x4.mul(p, madd(v128.load(d), times, less));`);
        f.line(`const h = f32x4.mul(q, madd(v128.load(d, 16), times, less));`);
        f.line(`v128.store(row, p); // after every load: V8 joins no pair across a store that might alias`);
        f.line(`v128.store(row, q, 16);`);
        f.line(`v128.store(d, g);`);
        f.line(`v128.store(d, h, 16);`);
      });
    },
  );

/** Partial sums of x[r,:]·y[r,:] for rows of D floats. */
export function dotRowsFunction(w: Writer, D: number, rowBytes: number): string {
  const name = `dot_rows_${D}_s${rowBytes}`;
  const whole = D - (D % 8);
  return shared(
    w,
    name,
    `to[rows,8] = partial sums of x[rows,${D}] ∘ y[rows,${D}], ${rowBytes} bytes a row`,
    "(x: usize, y: usize, rows: i32, to: usize): void",
    (f) => {
      f.block(`for (let r = 0; r < rows; r++, x += ${rowBytes}, y += ${rowBytes}, to += 32)`, () => {
        f.line(`let lo = ZERO, hi = ZERO;`);
        if (whole > 0)
          f.block(`for (let c: usize = 0; c < ${whole * 4}; c += 32)`, () => {
            f.line(`lo = madd(v128.load(x + c), v128.load(y + c), lo);`);
            f.line(`hi = madd(v128.load(x + c, 16), v128.load(y + c, 16), hi);`);
          });
        f.line(`v128.store(to, lo);`);
        f.line(`v128.store(to, hi, 16);`);
        for (let c = whole; c < D; c++)
          f.line(
            `store<f32>(to, load<f32>(to, ${(c % 8) * 4}) + load<f32>(x, ${c * 4}) * load<f32>(y, ` +
              `${c * 4}), ${(c % 8) * 4});`,
          );
      });
    },
  );
}

/** Four rows of eight partial results → four results. */
function acrossFunction(w: Writer, name: string, doc: string, join: string): string {
  return shared(w, name, doc, "(at: usize): v128", (f) => {
    for (let i = 0; i < 4; i++)
      f.line(`const r${i} = ${join}(v128.load(at, ${i * 32}), v128.load(at, ${i * 32 + 16}));`);
    for (const [a, b] of [
      [0, 1],
      [2, 3],
    ] as const)
      f.line(
        `const t${a} = ${join}(v128.shuffle<i32>(r${a}, r${b}, 0, 4, 1, 5), v128.shuffle<i32>(r${a}, ` +
          `r${b}, 2, 6, 3, 7));`,
      );
    f.line(`return ${join}(v128.shuffle<i32>(t0, t2, 0, 1, 4, 5), v128.shuffle<i32>(t0, t2, 2, 3, 6, 7));`);
  });
}
export const maxOfRows = (w: Writer, target: Target): string =>
  acrossFunction(w, "max_of_rows", "Maxima of four rows of eight", maxOf(target));
export const sumOfRows = (w: Writer): string =>
  acrossFunction(w, "sum_of_rows", "Sums of four rows of eight", "f32x4.add");

/** ln x for normal x > 0. Cephes' logf: x = 2^e · (1 + f), f in √½ − 1 … √2 − 1. Error ≤ 1 ulp or so. */
export const log4Function = (w: Writer): string =>
  shared(w, "log4", "ln x, four lanes, for normal x > 0 (Cephes' logf)", "(x: v128): v128", (f) => {
    f.line(
      "const bits = i32x4.sub(x, i32x4.splat(0x3f3504f3)); // √½: exponent as if the mantissa ran from " +
        "√½ to √2",
    );
    f.line(`const e = f32x4.convert_i32x4_s(i32x4.shr_s(bits, 23));`);
    f.line(`const m = i32x4.add(v128.and(bits, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));`);
    f.line(`const f = f32x4.sub(m, ONE), z = f32x4.mul(f, f);`);
    const coefficients = [
      "7.0376836292e-2",
      "-1.1514610310e-1",
      "1.1676998740e-1",
      "-1.2420140846e-1",
      "1.4249322787e-1",
      "-1.6668057665e-1",
      "2.0000714765e-1",
      "-2.4999993993e-1",
      "3.3333331174e-1",
    ];
    f.line(`let p = f32x4.splat(${coefficients[0]});`);
    for (const c of coefficients.slice(1)) f.line(`p = madd(p, f, f32x4.splat(${c}));`);
    f.line(`let y = f32x4.mul(f32x4.mul(f, z), p);`);
    f.line(`y = madd(e, f32x4.splat(-2.12194440e-4), y);`);
    f.line(`y = nmadd(z, f32x4.splat(0.5), y);`);
    f.line(`return madd(e, f32x4.splat(0.693359375), f32x4.add(f, y));`);
  });

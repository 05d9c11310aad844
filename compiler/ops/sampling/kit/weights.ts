/**
 * Powers of e in f64, two lanes at a time, and their sums: what tokens are drawn by. The operations and their
 * order are those of `exp` in runtime/contract/exp.ts and `weigh` in runtime/sample/sampler.ts, so both give
 * the same bits. Nothing here depends on sizes: each function stands in a module once.
 */
import { expNumbers } from "../../../../runtime/contract/exp.ts";
import type { Writer } from "../../kit/writer.ts";

const { lowest, perLn2, rounder, ln2High, ln2Low, p } = expNumbers;

/** Loaded rather than written where they are used, as in 8-emit/vector-math.ts. */
const numbers = [1, 2, lowest, perLn2, rounder, ln2High, ln2Low, ...p];
const k = (value: number): string =>
  `v128.load64_splat(EXP_NUMBERS, ${8 * numbers.indexOf(value)} /* ${value} */)`;

/** exp_lanes(x): e^x on both lanes of an f64x2, x ≤ 709. */
export const expLanes = (w: Writer): string =>
  w.helper("exp_lanes", (f) => {
    f.line(`const EXP_NUMBERS = memory.data<f64>([${numbers.join(", ")}]);`);
    f.line("/** e^x on two lanes in f64, x ≤ 709; 0 below −708. 2^k · e^r, |r| ≤ ln2/2 (fdlibm 1993). */");
    f.line("// @ts-ignore: decorator");
    f.block("@inline function exp_lanes(x: v128): v128", () => {
      f.line(`const t = f64x2.add(f64x2.mul(x, ${k(perLn2)}), ${k(rounder)}); // its low bits are k`);
      f.line(`const n = f64x2.sub(t, ${k(rounder)});`);
      f.line(`const high = f64x2.sub(x, f64x2.mul(n, ${k(ln2High)})), low = f64x2.mul(n, ${k(ln2Low)});`);
      f.line("const r = f64x2.sub(high, low), s = f64x2.mul(r, r);");
      f.line(`let p = ${k(p[4])};`);
      for (const i of [3, 2, 1, 0] as const) f.line(`p = f64x2.add(${k(p[i])}, f64x2.mul(s, p));`);
      f.line("const c = f64x2.sub(r, f64x2.mul(s, p));");
      f.line(`const share = f64x2.div(f64x2.mul(r, c), f64x2.sub(${k(2)}, c));`);
      f.line(`const y = f64x2.sub(${k(1)}, f64x2.sub(f64x2.sub(low, share), high));`);
      f.line(`return v128.andnot(i64x2.add(y, i64x2.shl(t, 52)), f64x2.lt(x, ${k(lowest)}));`);
    });
  });

/** weigh(scores, count, most, temperature, weights): the weights of scores, and their sum. */
export const weigh = (w: Writer): string =>
  w.helper("weigh", (f) => {
    expLanes(f);
    f.line(
      "/** weights[i] = e^((scores[i] − most) / temperature) for i < count, in f64; returns their sum, of",
    );
    f.line(
      " *  four sums by i mod 4. Behind the scores stands −∞ up to a multiple of 4. weights = 0: the sum",
    );
    f.line(" *  alone. */");
    const head = "scores: usize, count: i32, most: f64, temperature: f64, weights: usize";
    f.block(`function weigh(${head}): f64`, () => {
      f.line("const top = f64x2.splat(most), heat = f64x2.splat(temperature);");
      f.line("let lo = f64x2.splat(0), hi = lo;");
      f.block("for (let i: usize = 0; i < <usize>count; i += 4)", () => {
        f.line("const at = scores + (i << 2);");
        for (const [half, offset] of [
          ["lo", ""],
          ["hi", ", 8"],
        ] as const) {
          f.line(`const ${half}_score = f64x2.promote_low_f32x4(v128.load64_zero(at${offset}));`);
          f.line(`const ${half}_weight = exp_lanes(f64x2.div(f64x2.sub(${half}_score, top), heat));`);
        }
        f.block("if (weights)", () => {
          f.line("v128.store(weights + (i << 3), lo_weight);");
          f.line("v128.store(weights + (i << 3), hi_weight, 16);");
        });
        f.line("lo = f64x2.add(lo, lo_weight);");
        f.line("hi = f64x2.add(hi, hi_weight);");
      });
      f.line("const sums = f64x2.add(lo, hi);");
      f.line("return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);");
    });
  });

/** largest_score(scores, count): the largest; NaN where one is NaN or +∞. */
export const largestScore = (w: Writer): string =>
  w.helper("largest_score", (f) => {
    f.line(
      "/** The largest of count scores, behind which −∞ stands up to a multiple of 4. NaN where one of them",
    );
    f.line(" *  is NaN or +∞. */");
    f.block("function largest_score(scores: usize, count: i32): f32", () => {
      f.line("const infinite = f32x4.splat(Infinity);");
      f.line("let most = f32x4.splat(-Infinity), sound = i32x4.splat(-1);");
      f.block("for (let i: usize = 0; i < <usize>count; i += 4)", () => {
        f.line("const score = v128.load(scores + (i << 2));");
        f.line("most = f32x4.pmax(most, score);");
        f.line("sound = v128.and(sound, f32x4.lt(score, infinite));");
      });
      f.line("if (!i32x4.all_true(sound)) return NaN;");
      f.line("return max(max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),");
      f.line("  max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)));");
    });
  });

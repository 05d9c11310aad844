/**
 * Queries against a cache in q8_0, one block of positions. Both products are products of integers, with 16
 * multiply-adds in every step of 256 bits:
 *
 *   scores  s[n] = d_q · Σ_groups d_k[n] · Σ q·k. The query is in int16, with one scale d_q for a head; a
 *           lane is a position.
 *   values  out[c] += d_w · Σ_n w·v. The weight w[n] = p[n] · d_v[n] is in int16, with one scale d_w for a
 *           group of columns and what a row sees of a block of positions; a lane is a column.
 *
 * int16 costs nothing, because the int8 numbers are widened to it in any case. The sums fit in 32 bits: 32 ·
 * 127 · 32767 for a group's scores, and 512 · 127 · 32767 < 2³¹ for a block of 512 positions. They are exact,
 * so that rows may be computed alone or several at once, in any order.
 */
import { count, type Writer } from "../../kit/writer.ts";
import { LEAST_SCALED, ROUNDER } from "../../matmul/quantised/activation-rows.ts";
import { columnGroups, panelBytes, SCALES, type ColumnGroup } from "./cache-layout.ts";
import { paddedRow } from "./q8-panels.ts";
import { ceilTo, PANEL } from "../../kit/panels.ts";

/** Largest absolute value of a number in int16. */
const MOST = 32767;

/** Bytes of a query in int16. */
export const queryBytes = (D: number): number => ceilTo(D, 8) * 2;
/** Bytes of one row's weights for a block of so many positions: a pair of them takes 8, of which 4 count. */
export const weightBytes = (D: number, block: number): number => columnGroups(D).length * block * 4;

/** Names of four vectors, and lines for each of them: pairs stay together. */
const four = count(4);

/**
 * Parameters of a function that reads a ring of panels: the address behind the last one, and all their bytes.
 */
const ringParameters = (ring: boolean): string => (ring ? ", ring_end: usize, ring_bytes: usize" : "");
/** The next panel. */
const step = (D: number, ring: boolean): string =>
  `panel += ${panelBytes(D)};${ring ? " if (panel == ring_end) panel -= ring_bytes;" : ""}`;

/** A function (x, to, spill) → scale: a padded row of D floats in int16. */
export function quantiseQueryFunction(w: Writer, D: number): string {
  const name = `attention_query_q8_${D}`;
  const bytes = paddedRow(D);
  return w.helper(name, (f) => {
    f.line(`/** to = x[${D}] / d to the nearest, int16; d = max |x| / ${MOST} */`);
    f.block(`function ${name}(x: usize, to: usize, spill: usize): f32`, () => {
      f.line("let m0 = ZERO, m1 = ZERO;");
      f.block(`for (let c: usize = 0; c < ${bytes}; c += 32)`, () => {
        for (const h of [0, 1]) f.line(`m${h} = i32x4.max_u(m${h}, f32x4.abs(v128.load(x + c, ${16 * h})));`);
      });
      f.line(
        `const most = max8(m0, m1, spill), inverse = f32x4.splat(most > <f32>${LEAST_SCALED} ? ` +
          `<f32>${MOST} / most : 0);`,
      );
      f.block(`for (let c: usize = 0; c < ${bytes}; c += 32)`, () => {
        for (const h of [0, 1])
          f.line(
            `const q${h} = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x + c, ${16 * h}), inverse), ` +
              `f32x4.splat(${ROUNDER})), f32x4.splat(${ROUNDER}));`,
          );
        f.line("v128.store(to + (c >> 1), i16x8.narrow_i32x4_s(q0, q1));");
      });
      f.line(`return most / ${MOST};`);
    });
  });
}

/**
 * Steps of k in the body of a loop. V8 computes one accumulator after the other, so what two of them share
 * has to stay in registers until then.
 */
const SCORE_STEPS = 4;
const MIX_STEPS = 2;

/**
 * A function (panels, query, scales, scores, count): scores[M, 16 · count] = queries[M] · keys, `scoreRow`
 * bytes a row.
 */
export function scoresFunction(w: Writer, D: number, M: number, scoreRow: number, ring: boolean): string {
  const name = `attention_scores_q8_${D}_m${M}_s${scoreRow}${ring ? "_ring" : ""}`;
  const row = queryBytes(D);
  const heads = count(M);
  return w.helper(name, (f) => {
    f.line(
      `/** scores[${M},positions] = d_q · Σ_groups d_k · Σ q·k over ${D} columns, sixteen positions at ` +
        "a time */",
    );
    f.block(
      `function ${name}(panel: usize, query: usize, scales: usize, scores: usize, panels: ` +
        `i32${ringParameters(ring)}): void`,
      () => {
        for (const m of heads) f.line(`const scale${m} = v128.load32_splat(scales, ${4 * m});`);
        f.block(
          `for (const end = scores + <usize>panels * ${SCALES}; scores < end; scores += ${SCALES})`,
          () => {
            f.line(`let ${heads.flatMap((m) => four.map((v) => `f${m}${v} = ZERO`)).join(", ")};`);
            for (const { at, padded, from } of columnGroups(D))
              f.block("", () => {
                const sums = heads.flatMap((m) => four.map((v) => `s${m}${v} = ZERO`));
                f.line(`let ${sums.join(", ")}, k = panel + ${at + SCALES}, q = query + ${from * 2};`);
                f.block(
                  `for (const stop = k + ${PANEL * padded}; k < stop; k += ${2 * PANEL * SCORE_STEPS}, ` +
                    `q += ${4 * SCORE_STEPS})`,
                  () => {
                    for (const t of count(SCORE_STEPS)) {
                      for (const h of [0, 1])
                        f.line(`const b${t}${h} = v128.load(k, ${2 * PANEL * t + 16 * h});`);
                      for (const v of four)
                        f.line(
                          `const k${t}${v} = ` +
                            `i16x8.extend_${v % 2 === 0 ? "low" : "high"}_i8x16_s(b${t}${v >> 1});`,
                        );
                      for (const m of heads) {
                        f.line(`const q${t}${m} = v128.load32_splat(q, ${m * row + 4 * t});`);
                        for (const v of four)
                          f.line(
                            `s${m}${v} = i32x4.add(s${m}${v}, i32x4.dot_i16x8_s(k${t}${v}, q${t}${m}));`,
                          );
                      }
                    }
                  },
                );
                for (const v of four) f.line(`const d${v} = v128.load(panel, ${at + 16 * v});`);
                for (const m of heads)
                  for (const v of four)
                    f.line(`f${m}${v} = madd(f32x4.convert_i32x4_s(s${m}${v}), d${v}, f${m}${v});`);
              });
            for (const m of heads)
              for (const v of four) f.line(`f${m}${v} = f32x4.mul(f${m}${v}, scale${m});`);
            for (const m of heads)
              for (const v of four) f.line(`v128.store(scores, f${m}${v}, ${m * scoreRow + 16 * v});`);
            f.line(step(D, ring));
          },
        );
      },
    );
  });
}

/**
 * A function (panel, skip, count, mask, spill) → the largest d_v of the positions skip … count − 1 from the
 * panel on, of one group of columns. NaN is the largest.
 */
export function largestScaleFunction(w: Writer, D: number, ring: boolean): string {
  const name = `attention_largest_scale_q8_${D}${ring ? "_ring" : ""}`;
  return w.helper(name, (f) => {
    f.line("/** The largest scale of the positions skip … count − 1 */");
    f.block(
      `function ${name}(panel: usize, skip: i32, count: i32, mask: usize, spill: ` +
        `usize${ringParameters(ring)}): f32`,
      () => {
        f.line(
          "let m0 = ZERO, m1 = ZERO, m2 = ZERO, m3 = ZERO; // as integers: of numbers ≥ 0 the same, and " +
            "f32x4.max costs ten times as much",
        );
        f.block(`for (let k = 0; k < count; k += ${PANEL})`, () => {
          f.line(`let ${four.map((v) => `x${v} = v128.load(panel, ${16 * v})`).join(", ")};`);
          f.block(`if (k < skip || k + ${PANEL} > count)`, () => {
            f.line(
              `const seen = mask + ((${PANEL} - min(count - k, ${PANEL})) << 2), hidden = mask + ` +
                `((${PANEL} - max(min(skip - k, ${PANEL}), 0)) << 2);`,
            );
            for (const v of four)
              f.line(
                `x${v} = v128.andnot(v128.and(x${v}, v128.load(seen, ${16 * v})), v128.load(hidden, ` +
                  `${16 * v}));`,
              );
          });
          for (const v of four) f.line(`m${v} = i32x4.max_u(m${v}, x${v});`);
          f.line(step(D, ring));
        });
        f.line("return max8(i32x4.max_u(m0, m2), i32x4.max_u(m1, m3), spill);");
      },
    );
  });
}

/**
 * A function (p, panel, to, largest, scales, panels): to[groups][block] = p · d_v in int16, for all groups of
 * columns, with a scale for each: `largest` d_v, which p ≤ 1 does not exceed.
 */
export function weightsFunction(w: Writer, D: number, block: number, ring: boolean): string {
  const name = `attention_weights_q8_${D}_k${block}${ring ? "_ring" : ""}`;
  const groups = columnGroups(D);
  return w.helper(name, (f) => {
    f.line(`/** to[n] = p[n] · d_v[n] / d to the nearest, int16; d = max d_v / ${MOST} */`);
    f.block(
      `function ${name}(p: usize, panel: usize, to: usize, largest: usize, scales: usize, panels: ` +
        `i32${ringParameters(ring)}): void`,
      () => {
        for (const g of groups.keys()) {
          f.line(`const most${g} = load<f32>(largest, ${4 * g});`);
          f.line(
            `const inverse${g} = f32x4.splat(most${g} > <f32>${LEAST_SCALED} ? <f32>${MOST} / most${g} : 0);`,
          );
          f.line(`store<f32>(scales, most${g} / ${MOST}, ${4 * g});`);
        }
        f.block(
          `for (const end = p + <usize>panels * ${SCALES}; p < end; p += ${SCALES}, to += ${4 * PANEL})`,
          () => {
            for (const v of four) f.line(`const p${v} = v128.load(p, ${16 * v});`);
            for (const [g, { at }] of groups.entries())
              f.block("", () => {
                for (const v of four)
                  f.line(
                    `const w${v} = f32x4.mul(f32x4.mul(p${v}, v128.load(panel, ${at + 16 * v})), ` +
                      `inverse${g});`,
                  );
                for (const v of four)
                  f.line(
                    `const q${v} = v128.and(f32x4.add(w${v}, f32x4.splat(${ROUNDER})), ` +
                      `i32x4.splat(${MOST}));`,
                  );
                for (const v of four) f.line(`const pair${v} = v128.or(q${v}, i64x2.shr_u(q${v}, 16));`);
                for (const v of four) f.line(`v128.store(to, pair${v}, ${4 * g * block + 16 * v});`);
              });
            f.line(step(D, ring));
          },
        );
      },
    );
  });
}

/**
 * A function (panel, weights, scales, attended, panels): attended[M, …] = d_w · Σ w·v for the groups of
 * columns first … first + number − 1. `weights`: [M][groups][block] int16 from the first group's on;
 * `scales`: [M][groups].
 */
export function mixFunction(
  w: Writer,
  D: number,
  M: number,
  first: number,
  number: number,
  block: number,
  attendedRow: number,
  ring: boolean,
): string {
  const groups = columnGroups(D);
  const mine = groups.slice(first, first + number);
  const heads = count(M);
  const sizes = `${D}_m${M}_g${first}x${number}_k${block}_r${attendedRow}`;
  const name = `attention_mix_q8_${sizes}${ring ? "_ring" : ""}`;
  return w.helper(name, (f) => {
    const each = (use: (m: number, g: number, v: number) => void): void =>
      heads.forEach((m) => mine.forEach(({ padded }, g) => count(padded / 4).forEach((v) => use(m, g, v))));
    f.line(`/** attended[${M}, columns ${mine[0]!.from} …] = d_w · Σ_n w·v */`);
    f.block(
      `function ${name}(panel: usize, weights: usize, scales: usize, attended: usize, panels: ` +
        `i32${ringParameters(ring)}): void`,
      () => {
        each((m, g, v) => f.line(`let s${m}${g}_${v} = ZERO;`));
        f.block(
          `for (const end = weights + <usize>panels * ${4 * PANEL}; weights < end; weights += ${4 * PANEL})`,
          () => {
            for (const [g, group] of mine.entries())
              f.block("", () =>
                groupSums(f, M, g, group, (m) => (m * groups.length + first + g) * block * 4),
              );
            f.line(step(D, ring));
          },
        );
        for (const m of heads)
          for (const g of mine.keys())
            f.line(`const d${m}${g} = v128.load32_splat(scales, ${4 * (m * groups.length + first + g)});`);
        const place = (m: number, g: number, v: number): number =>
          m * attendedRow + (mine[g]!.from + 4 * v) * 4;
        each((m, g, v) =>
          f.line(`const f${m}${g}_${v} = f32x4.mul(f32x4.convert_i32x4_s(s${m}${g}_${v}), d${m}${g});`),
        );
        each((m, g, v) => f.line(`v128.store(attended, f${m}${g}_${v}, ${place(m, g, v)});`));
      },
    );
  });
}

/**
 * Adds one panel's Σ w·v of group g to the sums of M heads. `weightsOf`: bytes from `weights` to those of a
 * head and this group.
 */
function groupSums(
  f: Writer,
  M: number,
  g: number,
  { at, padded }: ColumnGroup,
  weightsOf: (m: number) => number,
): void {
  const heads = count(M);
  const vectors = count(padded / 4);
  const bytes = 2 * padded * MIX_STEPS;
  f.line(`let x = panel + ${at + SCALES}, w = weights;`);
  f.block(`for (const stop = x + ${PANEL * padded}; x < stop; x += ${bytes}, w += ${8 * MIX_STEPS})`, () => {
    for (const t of count(MIX_STEPS)) {
      for (const m of heads) f.line(`const w${m}${t} = v128.load32_splat(w, ${weightsOf(m) + 8 * t});`);
      for (const v of count(padded / 8))
        f.line(`const b${t}${v} = v128.load(x, ${2 * padded * t + 16 * v});`);
      for (const v of vectors)
        f.line(`const x${t}${v} = i16x8.extend_${v % 2 === 0 ? "low" : "high"}_i8x16_s(b${t}${v >> 1});`);
      for (const m of heads)
        for (const v of vectors) {
          const sum = `s${m}${g}_${v}`;
          f.line(`${sum} = i32x4.add(${sum}, i32x4.dot_i16x8_s(x${t}${v}, w${m}${t}));`);
        }
    }
  });
}

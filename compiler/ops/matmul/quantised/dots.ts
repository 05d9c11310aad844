/**
 * Dot products of a few rows of activations with rows of weights in fewer bits, one row of weights after the
 * other: one stream of memory. The layout (runtime/contract/weight-rows.ts) makes the sum in a lane the sum
 * of one group:
 *
 *   q8_0  i32 sums += dot products of pairs of int16 (weights are extended); 16 steps for a block
 *   q4_0  i32 sums += dot products of four int8 × nibble, which AVX-VNNI and ARM have as one instruction; 8
 *         steps. `simd` has no such operation, and multiplies bytes into i16
 *   bf16  f32 multiply-adds
 *
 * Sums of groups are exact. Scale · scale · sum goes to eight f32 lanes, which are added at the end of the
 * row.
 */
import { rowFloats, rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import type { Target } from "../../../../runtime/contract/targets.ts";
import { count, type Writer } from "../../kit/writer.ts";
import { TASK_COLUMNS } from "../gemm/few-rows.ts";
import { GROUP } from "../../../../runtime/contract/number-formats.ts";
import {
  HALF_BYTES,
  HALF_SCALES,
  HALF_BLOCK,
  SCALE_LINE,
  SUPERBLOCK_HALVES,
  weightWords,
  type IntegerFormat,
} from "../../../../runtime/contract/weight-rows.ts";
import { ACTIVATION_BYTES, F16_MASK, F16_UNIT, activationWords } from "./layout.ts";

/**
 * Eight lanes, or the four of a lone half block. `name`: of its locals; `at`: offset in units of 16 bytes of
 * the two halves.
 */
interface Half {
  readonly name: string;
  /** 0 or 1. */
  readonly index: number;
}
const pair: readonly Half[] = [
  { name: "lo", index: 0 },
  { name: "hi", index: 1 },
];
const alone: readonly Half[] = [{ name: "half", index: 0 }];

/**
 * Sums of one block (or half block) into `${half}_sums${m}`: i32, one group in each lane. `w`, `x`: pointers;
 * `aRow`: bytes between rows of a.
 */
type Sums = (h: Writer, halves: readonly Half[], M: number, aRow: number) => void;

const q8: Sums = (h, halves, M, aRow) => {
  const n = halves.length;
  for (const t of count(GROUP / 2)) {
    h.line(
      halves
        .map(({ name, index }) => `const ${name}_w${t} = v128.load8x8_s(w, ${8 * n * t + 8 * index});`)
        .join(" "),
    );
    for (const m of count(M)) {
      const dots = halves.map(({ name, index }) => ({
        sums: `${name}_sums${m}`,
        dot: `i32x4.dot_i16x8_s(${name}_w${t}, v128.load(x, ${m * aRow + 16 * n * t + 16 * index}))`,
      }));
      h.line(
        dots
          .map(({ sums, dot }) =>
            t === 0 ? `let ${sums} = ${dot};` : `${sums} = i32x4.add(${sums}, ${dot});`,
          )
          .join(" "),
      );
    }
  }
};

/** Both nibbles of chunk c: `${half}_u0`, `_u1`. */
function nibbles(h: Writer, halves: readonly Half[], c: number): void {
  h.line(
    halves
      .map(({ name, index }) => `const ${name}_w${c} = v128.load(w, ${16 * (halves.length * c + index)});`)
      .join(" "),
  );
  h.line(halves.map(({ name }) => `const ${name}_u${c}_0 = v128.and(${name}_w${c}, low);`).join(" "));
  h.line(
    halves
      .map(({ name }) => `const ${name}_u${c}_1 = v128.and(i16x8.shr_u(${name}_w${c}, 4), low);`)
      .join(" "),
  );
}

/** −8 · Σ a of the groups, where their sums start. */
const start = (aRow: number, m: number, index: number): string => `v128.load(c, ${m * aRow + 16 * index})`;

const q4Relaxed: Sums = (h, halves, M, aRow) => {
  const n = halves.length;
  for (const m of count(M))
    h.line(halves.map(({ name, index }) => `let ${name}_sums${m} = ${start(aRow, m, index)};`).join(" "));
  for (const c of count(4)) {
    nibbles(h, halves, c);
    for (const part of count(2))
      for (const m of count(M)) {
        const numbers = (index: number): string =>
          `v128.load(x, ${m * aRow + 16 * (n * (2 * c + part) + index)})`;
        h.line(
          halves
            .map(
              ({ name, index }) =>
                `${name}_sums${m} = i32x4.relaxed_dot_i8x16_i7x16_add_s(${numbers(index)}, ` +
                `${name}_u${c}_${part}, ${name}_sums${m});`,
            )
            .join(" "),
        );
      }
  }
};

/** Without relaxed dot products: products of low and high bytes apart, each in i16. */
const q4Plain: Sums = (h, halves, M, aRow) => {
  const n = halves.length;
  for (const c of count(4)) {
    nibbles(h, halves, c);
    for (const part of count(2))
      for (const m of count(M))
        for (const { name, index } of halves) {
          h.line(
            `const ${name}_a${m}_${c}_${part} = v128.load(x, ` +
              `${m * aRow + 16 * (n * (2 * c + part) + index)});`,
          );
          for (const end of ["low", "high"]) {
            const product = `i16x8.extmul_${end}_i8x16_s(${name}_a${m}_${c}_${part}, ${name}_u${c}_${part})`;
            const sums = `${name}_${end}${m}`;
            h.line(
              c + part === 0 ? `let ${sums} = ${product};` : `${sums} = i16x8.add(${sums}, ${product});`,
            );
          }
        }
  }
  for (const m of count(M))
    for (const { name, index } of halves) {
      for (const end of ["low", "high"])
        h.line(`const ${name}_${end}_pairs${m} = i32x4.extadd_pairwise_i16x8_s(${name}_${end}${m});`);
      const of = (lanes: string): string =>
        `i32x4.shuffle(${name}_low_pairs${m}, ${name}_high_pairs${m}, ${lanes})`;
      h.line(
        `const ${name}_sums${m} = i32x4.add(${start(aRow, m, index)}, i32x4.add(${of("0, 2, 4, 6")}, ` +
          `${of("1, 3, 5, 7")}));`,
      );
    }
};

/** Scale of the weights, as f32, times the scale of the activations, times the sum. */
function scaled(h: Writer, halves: readonly Half[], M: number, aRow: number): void {
  h.line(
    halves
      .map(
        ({ name, index }) =>
          `const ${name}_d = f32x4.mul(v128.and(i32x4.shl(v128.load16x4_s(scale, ${8 * index}), 13), ` +
          "mask), unit);",
      )
      .join(" "),
  );
  for (const m of count(M)) {
    h.line(
      halves
        .map(
          ({ name, index }) =>
            `const ${name}_f${m} = f32x4.mul(${name}_d, v128.load(f, ${m * aRow + 16 * index}));`,
        )
        .join(" "),
    );
    const total = (half: Half): string => `${half.name}${m}`;
    h.line(
      halves
        .map(
          (half) =>
            `${total(half)} = madd(${half.name}_f${m}, f32x4.convert_i32x4_s(${half.name}_sums${m}), ` +
            `${total(half)});`,
        )
        .join(" "),
    );
  }
}

/**
 * A function (a, b, sums, rows, spill, mask, unit, low): sums[M,rows] = a[M] · b[rows]ᵀ; `integerConstants`
 * are the last three.
 */
export function integerDots(
  w: Writer,
  format: IntegerFormat,
  target: Target,
  M: number,
  halves: number,
): string {
  const sumsOf = format === "q8_0" ? q8 : target === "simd" ? q4Plain : q4Relaxed;
  const name = `dots_${format}_${M}x${halves * HALF_BLOCK}`;
  const blocks = halves >> 1;
  const odd = halves % 2 === 1;
  const half = HALF_BYTES[format];
  const numbers = ACTIVATION_BYTES[format];
  const K = halves * HALF_BLOCK;
  const bRow = rowBytes(weightWords(format, K));
  const aRow = rowBytes(activationWords(format, K));
  const SPILL = 32 * M;
  return w.helper(name, (h) => {
    h.line(
      `/** sums[${M},rows] = a[${M}] · b[rows]ᵀ, rows of ${format}, ${bRow} bytes long; constants come ` +
        "in as arguments: V8 would build them anew in every step */",
    );
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, rows: i32, spill: usize, maskBits: i32, ` +
        "unitScale: f32, lowBits: i32): void",
      () => {
        h.line(
          "const mask = i32x4.splat(maskBits), unit = f32x4.splat(unitScale), low = i32x4.splat(lowBits);",
        );
        h.block("for (const last = sums + <usize>rows * 4; sums < last; sums += 4)", () => {
          h.line(
            `let w = b, x = a, scale = b, f = a + ${halves * numbers}${format === "q4_0" ? `, c = a + ${halves * (numbers + 16)}` : ""};`,
          );
          if (blocks > 0)
            h.line(
              `let ${count(M)
                .flatMap((m) => [`lo${m} = ZERO`, `hi${m} = ZERO`])
                .join(", ")};`,
            );
          if (blocks > 0)
            h.block(
              `for (let left: usize = ${blocks}; <isize>left > 0; left -= ${SUPERBLOCK_HALVES / 2})`,
              () => {
                h.line(`scale = w;`);
                h.line(`w += ${SCALE_LINE};`);
                h.block(
                  `for (const end = w + ${blocks % (SUPERBLOCK_HALVES / 2) === 0 ? `${SUPERBLOCK_HALVES / 2}` : `min<usize>(left, ${SUPERBLOCK_HALVES / 2})`} * ${2 * half}; w < end; w += ${2 * half})`,
                  () => {
                    sumsOf(h, pair, M, aRow);
                    scaled(h, pair, M, aRow);
                    h.line(
                      `x += ${2 * numbers}; scale += ${2 * HALF_SCALES}; f += ` +
                        `32;${format === "q4_0" ? " c += 32;" : ""}`,
                    );
                  },
                );
              },
            );
          if (odd) {
            if (halves % SUPERBLOCK_HALVES === 1) h.line(`scale = w; w += ${SCALE_LINE};`);
            h.line(
              `let ${count(M)
                .map((m) => `half${m} = ZERO`)
                .join(", ")};`,
            );
            sumsOf(h, alone, M, aRow);
            scaled(h, alone, M, aRow);
          }
          for (const m of count(M)) {
            const at = SPILL + 16 * m;
            const four =
              `(load<f32>(spill, ${at}) + load<f32>(spill, ${at + 4})) + (load<f32>(spill, ${at + 8}) + ` +
              `load<f32>(spill, ${at + 12}))`;
            if (odd) h.line(`v128.store(spill, half${m}, ${at});`);
            const terms = [
              ...(blocks > 0 ? [`sum8(lo${m}, hi${m}, spill + ${32 * m})`] : []),
              ...(odd ? [`(${four})`] : []),
            ];
            h.line(`store<f32>(sums, ${terms.join(" + ")}, ${m * TASK_COLUMNS * 4});`);
          }
          h.line(`b += ${bRow};`);
        });
      },
    );
  });
}

/** What `integerDots` gets after `spill`. */
export const integerConstants = `<i32>${F16_MASK}, ${F16_UNIT}, 0x0F0F0F0F`;
/** The same of `bf16Dots`. */
export const bf16Constants = "<i32>0xFFFF0000";

/**
 * A function (a, b, sums, rows, spill, high): a in f32, b in bf16. Words of b have elements i and i + 16:
 * both halves of a word meet a in order.
 */
export function bf16Dots(w: Writer, M: number, K: number): string {
  const aRow = rowBytes(K);
  const bRow = rowBytes(weightWords("bf16", K));
  const name = `dots_bf16_${M}x${K}`;
  const whole = Math.floor(rowFloats(K) / 32);
  const tail = rowFloats(K) % 32 > 0;
  const part = (half: 0 | 1): string => (half === 0 ? "low" : "high");
  return w.helper(name, (h) => {
    /** 16 floats of a with one half of 16 words. */
    const multiply = (m: number, half: 0 | 1): void => {
      for (const c of count(2))
        h.line(
          [0, 16]
            .map((o) => {
              const word = `w${32 * c + o}`;
              const value = half === 0 ? `i32x4.shl(${word}, 16)` : `v128.and(${word}, high)`;
              const sum = `${o ? "t" : "s"}${m}_${part(half)}`;
              return `${sum} = madd(v128.load(x, ${m * aRow + 64 * half + 32 * c + o}), ${value}, ${sum});`;
            })
            .join(" "),
        );
    };
    const words = (): void =>
      h.line(`const ${[0, 16, 32, 48].map((o) => `w${o} = v128.load(w, ${o})`).join(", ")};`);
    h.line(`/** sums[${M},rows] = a[${M},${K}] · b[rows]ᵀ, rows of bf16, ${bRow} bytes long */`);
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, rows: i32, spill: usize, highBits: i32): void`,
      () => {
        h.line("const high = i32x4.splat(highBits);");
        h.block("for (const last = sums + <usize>rows * 4; sums < last; sums += 4)", () => {
          h.line(
            `let w = b, x = a, ${count(M)
              .flatMap((m) => ["s", "t"].flatMap((v) => [`${v}${m}_low = ZERO`, `${v}${m}_high = ZERO`]))
              .join(", ")};`,
          );
          if (whole > 0)
            h.block(`for (const end = w + ${64 * whole}; w < end; w += 64)`, () => {
              words();
              for (const m of count(M)) for (const half of [0, 1] as const) multiply(m, half);
              h.line("x += 128;");
            });
          if (tail)
            h.block("", () => {
              words();
              for (const m of count(M)) multiply(m, 0);
            });
          for (const m of count(M))
            h.line(
              `store<f32>(sums, sum8(f32x4.add(s${m}_low, s${m}_high), f32x4.add(t${m}_low, ` +
                `t${m}_high), spill + ${32 * m}), ${m * TASK_COLUMNS * 4});`,
            );
          h.line(`b += ${bRow};`);
        });
      },
    );
  });
}

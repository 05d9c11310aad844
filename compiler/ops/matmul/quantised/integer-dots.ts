/**
 * Dot products of a few rows of integer activations with rows of integer weights, one row of weights after
 * the other: one stream of memory. The layout (runtime/contract/weight-rows.ts) makes the sum in a lane the
 * sum of one group:
 *
 *   q8_0  i32 sums += dot products of pairs of int16 (weights are extended); 16 steps for a block
 *   q4_0  i32 sums += dot products of four int8 × nibble, which AVX-VNNI and ARM have as one instruction; 8
 *         steps. `simd` has no such operation, and multiplies bytes into i16
 *
 * Sums of groups are exact. Scale · scale · sum goes to eight f32 lanes, which are added at the end of the
 * row.
 */
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
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
import { ACTIVATION_BYTES, F16_MASK, F16_UNIT, activationWords } from "./activation-rows.ts";

/**
 * One half of a block: four lanes. A whole block has two of them side by side, eight lanes. `name` begins the
 * names of its locals.
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
 * Writes the sums of one block (or half block) into `${half}_sums${m}`: i32, one group in each lane. `w` and
 * `x` are pointers in generated code; `aRow` is bytes between rows of a.
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

/** Both nibbles of chunk c, as bytes: `${half}_u${c}_0` and `${half}_u${c}_1`. */
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

/** What the sums of q4_0 begin with: −8 · Σ a of their groups. */
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

/** For machines without relaxed dot products: low and high bytes are multiplied apart, each in i16. */
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

/** Adds scale of the weights · scale of the activations · sum to the f32 lanes. */
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

/** What one function of dot products is made for. */
interface Dots {
  readonly format: IntegerFormat;
  /** Rows of a, and half blocks of a row. */
  readonly M: number;
  readonly halves: number;
  /** Bytes from row to row of a. */
  readonly aRow: number;
  readonly sums: Sums;
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
  const K = halves * HALF_BLOCK;
  const name = `dots_${format}_${M}x${K}`;
  const bRow = rowBytes(weightWords(format, K));
  const aRow = rowBytes(activationWords(format, K));
  const sums = format === "q8_0" ? q8 : target === "simd" ? q4Plain : q4Relaxed;
  const dots = { format, M, halves, aRow, sums };
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
          rowDots(h, dots);
          h.line(`b += ${bRow};`);
        });
      },
    );
  });
}

/** One row of b with all rows of a. */
function rowDots(h: Writer, dots: Dots): void {
  const { format, M, halves, aRow, sums } = dots;
  const scales = halves * ACTIVATION_BYTES[format];
  const starts = format === "q4_0" ? `, c = a + ${scales + 16 * halves}` : "";
  h.line(`let w = b, x = a, scale = b, f = a + ${scales}${starts};`);
  if (halves > 1) wholeBlocks(h, dots);
  if (halves % 2 === 1) {
    if (halves % SUPERBLOCK_HALVES === 1) h.line(`scale = w; w += ${SCALE_LINE};`);
    h.line(
      `let ${count(M)
        .map((m) => `half${m} = ZERO`)
        .join(", ")};`,
    );
    sums(h, alone, M, aRow);
    scaled(h, alone, M, aRow);
  }
  for (const m of count(M)) storeDot(h, dots, m);
}

/** All whole blocks of the row: two halves side by side, superblock after superblock. */
function wholeBlocks(h: Writer, { format, M, halves, aRow, sums }: Dots): void {
  const blocks = halves >> 1;
  const together = SUPERBLOCK_HALVES / 2;
  const zeros = count(M).flatMap((m) => [`lo${m} = ZERO`, `hi${m} = ZERO`]);
  h.line(`let ${zeros.join(", ")};`);
  h.block(`for (let left: usize = ${blocks}; <isize>left > 0; left -= ${together})`, () => {
    h.line(`scale = w;`);
    h.line(`w += ${SCALE_LINE};`);
    const here = blocks % together === 0 ? `${together}` : `min<usize>(left, ${together})`;
    const bytes = 2 * HALF_BYTES[format];
    h.block(`for (const end = w + ${here} * ${bytes}; w < end; w += ${bytes})`, () => {
      sums(h, pair, M, aRow);
      scaled(h, pair, M, aRow);
      h.line(
        `x += ${2 * ACTIVATION_BYTES[format]}; scale += ${2 * HALF_SCALES}; f += ` +
          `32;${format === "q4_0" ? " c += 32;" : ""}`,
      );
    });
  });
}

/** The lanes of row m's sums are added, by way of `spill`. */
function storeDot(h: Writer, { M, halves }: Dots, m: number): void {
  const at = 32 * M + 16 * m; // behind the corners of sum8
  const odd = halves % 2 === 1;
  if (odd) h.line(`v128.store(spill, half${m}, ${at});`);
  const lane = (i: number): string => `load<f32>(spill, ${at + 4 * i})`;
  const terms = [
    ...(halves > 1 ? [`sum8(lo${m}, hi${m}, spill + ${32 * m})`] : []),
    ...(odd ? [`((${lane(0)} + ${lane(1)}) + (${lane(2)} + ${lane(3)}))`] : []),
  ];
  h.line(`store<f32>(sums, ${terms.join(" + ")}, ${m * TASK_COLUMNS * 4});`);
}

/** What `integerDots` gets after `spill`. */
export const integerConstants = `<i32>${F16_MASK}, ${F16_UNIT}, 0x0F0F0F0F`;

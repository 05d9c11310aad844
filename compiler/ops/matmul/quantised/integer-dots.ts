/**
 * Dot products of one row of integer activations with rows of integer weights, one row of weights after the
 * other: one stream of memory. Sums of groups (group-sums.ts) are exact; scale · scale · sum goes to eight
 * f32 lanes, which are added at the end of the row. integer-tiles.ts does the same for several rows of
 * activations, in the same order.
 */
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { Writer } from "../../kit/writer.ts";
import { count } from "../../kit/writer.ts";
import {
  HALF_BYTES,
  HALF_SCALES,
  HALF_BLOCK,
  SCALE_LINE,
  SUPERBLOCK_HALVES,
  weightWords,
  type IntegerFormat,
} from "../../../../runtime/contract/weight-rows.ts";
import { ACTIVATION_BYTES, activationWords, F16_MASK, F16_UNIT } from "./activation-rows.ts";
import {
  ALONE,
  HIGH,
  LOW,
  quickFours,
  STEPS,
  waysOf,
  type Block,
  type GroupSums,
  type Half,
  type NamedSums,
} from "./group-sums.ts";

/** Sizes of the rows of one product: half blocks, and bytes. */
export interface RowSizes {
  readonly format: IntegerFormat;
  readonly halves: number;
  readonly aRow: number;
  readonly bRow: number;
  /** Where a row of activations has its scales; starts of q4_0 are behind them. */
  readonly scales: number;
}

export function rowSizes(format: IntegerFormat, halves: number): RowSizes {
  const K = halves * HALF_BLOCK;
  return {
    format,
    halves,
    aRow: rowBytes(activationWords(format, K)),
    bRow: rowBytes(weightWords(format, K)),
    scales: halves * ACTIVATION_BYTES[format],
  };
}

/** A block of so many rows of activations. */
export const blockOf = (
  { aRow, halves: all }: RowSizes,
  halves: readonly Half[],
  beside: Block["beside"],
  rows: number,
): Block => ({ halves, beside, rows, rowBytes: aRow, toStarts: 16 * all });

/**
 * The constants of all integer kernels. They come in as arguments, and are made vectors once: V8 would build
 * them anew in every step.
 */
export const constantParameters = "maskBits: i32, unitScale: f32, lowBits: i32, oneBits: i32";
export const constants = `<i32>${F16_MASK}, ${F16_UNIT}, 0x0F0F0F0F, 0x00010001`;
export const constantNames = "maskBits, unitScale, lowBits, oneBits";
export const constantVectors =
  "const mask = i32x4.splat(maskBits), unit = f32x4.splat(unitScale), low = i32x4.splat(lowBits), " +
  "ones = i32x4.splat(oneBits);";

/**
 * The scales of the weights. They have to be loaded low half first: V8 13.6 joins two widening loads in the
 * order in which they stand, whichever of them is at the lower address (bench/EXPERIMENTS.md).
 */
export const weightScales = (h: Writer, { halves }: Block): void =>
  h.line(
    halves
      .map(
        ({ name, index }) =>
          `const ${name}_d = f32x4.mul(v128.and(i32x4.shl(` +
          `v128.load16x4_s(scale, ${8 * index}), 13), mask), unit);`,
      )
      .join(" "),
  );

/**
 * Adds scale of the weights · scale of the activations · sum to the f32 lanes of each row and half, which
 * `total` reads and `set` writes.
 */
export function scaled(
  h: Writer,
  { halves, rows, rowBytes: aRow }: Block,
  total: (half: Half, m: number) => string,
  set: (half: Half, m: number, value: string) => string,
): void {
  const each = (statement: (half: Half) => string): void => h.line(halves.map(statement).join(" "));
  for (const m of count(rows)) {
    each(
      ({ name, index }) =>
        `const ${name}_f${m} = f32x4.mul(${name}_d, v128.load(f, ${m * aRow + 16 * index}));`,
    );
    each((half) => {
      const sums = `f32x4.convert_i32x4_s(${half.name}_sums${m})`;
      return `const ${half.name}_t${m} = madd(${half.name}_f${m}, ${sums}, ${total(half, m)});`;
    });
    // not before both totals are read: V8 would join no pair
    each((half) => set(half, m, `${half.name}_t${m}`));
  }
}

/**
 * The call of a function that writes `sums`, a row of a with so many rows of b. Where the machine has to be
 * asked which way is faster, it is a choice between two.
 */
export function integerDots(w: Writer, format: IntegerFormat, target: Target, halves: number) {
  const { usual, quickFours: quick } = waysOf(format, target);
  const sizes = rowSizes(format, halves);
  const call = (way: NamedSums, given: string): string => `${dotsFunction(w, sizes, way)}(${given})`;
  return {
    /** A statement for the head of the kernel. */
    ask: quick && `const quick = ${quickFours(w)}();`,
    call(a: string, b: string, sums: string, rows: string): string {
      const given = [a, b, sums, rows, "spill", constants].join(", ");
      return quick ? `if (quick) ${call(quick, given)}; else ${call(usual, given)}` : call(usual, given);
    },
  };
}

/** A function (a, b, sums, rows, spill, constants): sums[rows] = a · b[rows]ᵀ. */
function dotsFunction(w: Writer, sizes: RowSizes, { name: way, sums }: NamedSums): string {
  const { format, halves, bRow } = sizes;
  const name = `dots_${format}_${halves * HALF_BLOCK}_${way}`;
  return w.helper(name, (h) => {
    h.line(`/** sums[rows] = a · b[rows]ᵀ, rows of ${format}, ${bRow} bytes long */`);
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, rows: i32, spill: usize, ` +
        `${constantParameters}): void`,
      () => {
        h.line(constantVectors);
        h.block("for (const last = sums + <usize>rows * 4; sums < last; sums += 4)", () => {
          rowDot(h, sizes, sums);
          h.line(`b += ${bRow};`);
        });
      },
    );
  });
}

/** One row of b. */
function rowDot(h: Writer, sizes: RowSizes, sums: GroupSums): void {
  const { halves, scales } = sizes;
  h.line(`let w = b, x = a, scale = b, f = a + ${scales};`);
  if (halves > 1) wholeBlocks(h, sizes, sums);
  if (halves % 2 === 1) {
    if (halves % SUPERBLOCK_HALVES === 1) h.line(`scale = w; w += ${SCALE_LINE};`);
    h.line("let half = ZERO;");
    block(h, blockOf(sizes, [ALONE], 1, 1), sums);
  }
  storeDot(h, halves);
}

/** Adds one block to the f32 lanes, which are locals. */
function block(h: Writer, b: Block, sums: GroupSums): void {
  for (const s of count(STEPS)) sums.step(h, b, s, s === 0);
  sums.finish(h, b);
  weightScales(h, b);
  scaled(
    h,
    b,
    ({ name }) => name,
    ({ name }, _, value) => `${name} = ${value};`,
  );
}

/** All whole blocks of the row: two halves side by side, superblock after superblock. */
function wholeBlocks(h: Writer, sizes: RowSizes, sums: GroupSums): void {
  const { format, halves } = sizes;
  const blocks = halves >> 1;
  const together = SUPERBLOCK_HALVES / 2;
  h.line("let lo = ZERO, hi = ZERO;");
  h.block(`for (let left: usize = ${blocks}; <isize>left > 0; left -= ${together})`, () => {
    h.line("scale = w;");
    h.line(`w += ${SCALE_LINE};`);
    const here = blocks % together === 0 ? `${together}` : `min<usize>(left, ${together})`;
    const bytes = 2 * HALF_BYTES[format];
    h.block(`for (const end = w + ${here} * ${bytes}; w < end; w += ${bytes})`, () => {
      block(h, blockOf(sizes, [LOW, HIGH], 2, 1), sums);
      h.line(`x += ${2 * ACTIVATION_BYTES[format]}; scale += ${2 * HALF_SCALES}; f += 32;`);
    });
  });
}

/** The lanes of the row's sums are added, by way of `spill`. */
function storeDot(h: Writer, halves: number): void {
  const at = 32; // behind the corner of sum8
  const odd = halves % 2 === 1;
  if (odd) h.line(`v128.store(spill, half, ${at});`);
  const lane = (i: number): string => `load<f32>(spill, ${at + 4 * i})`;
  const terms = [
    ...(halves > 1 ? ["sum8(lo, hi, spill)"] : []),
    ...(odd ? [`((${lane(0)} + ${lane(1)}) + (${lane(2)} + ${lane(3)}))`] : []),
  ];
  h.line(`store<f32>(sums, ${terms.join(" + ")});`);
}

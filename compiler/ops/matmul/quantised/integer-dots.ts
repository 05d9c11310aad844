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
import {
  activationWords,
  ACTIVATION_BYTES,
  F16_MASK,
  F16_UNIT,
  FOURS_BYTES,
  foursFrom,
} from "./activation-rows.ts";
import {
  ALONE,
  elementsIn,
  HIGH,
  LOW,
  named,
  waysOf,
  type Block,
  type Half,
  type NamedSums,
} from "./group-sums.ts";

/** Sizes of the rows of one product: half blocks, and bytes. */
export interface RowSizes {
  readonly format: IntegerFormat;
  /** How the weights that are multiplied lie: as rows of this format. */
  readonly stored: IntegerFormat;
  readonly halves: number;
  readonly aRow: number;
  readonly bRow: number;
  /** Where a row of activations has its scales; starts of q4_0 are behind them. */
  readonly scales: number;
}

export function rowSizes(format: IntegerFormat, halves: number, stored = format): RowSizes {
  const K = halves * HALF_BLOCK;
  return {
    format,
    stored,
    halves,
    aRow: rowBytes(activationWords(format, K)),
    bRow: rowBytes(weightWords(stored, K)),
    scales: halves * ACTIVATION_BYTES[format],
  };
}

/** A block of so many rows of activations and of weights. */
export const blockOf = (
  { aRow, bRow, halves: all }: RowSizes,
  halves: readonly Half[],
  beside: Block["beside"],
  rows: number,
  columns: Block["columns"] = 1,
): Block => ({ halves, beside, rows, rowBytes: aRow, toStarts: 16 * all, columns, columnBytes: bRow });

/** The numbers that a way multiplies: where a row of activations has them, and bytes of half a block. */
export const numbersOf = ({ format, halves }: RowSizes, { name }: NamedSums) =>
  name === "bytes"
    ? { from: foursFrom(halves), bytes: FOURS_BYTES }
    : { from: 0, bytes: ACTIVATION_BYTES[format] };

/**
 * The constants of all integer kernels. They come in as arguments, and are made vectors once: V8 would build
 * them anew in every step. Of the last two, each format has its own.
 */
export const constantParameters = "maskBits: i32, unitScale: f32, bits0: i32, bits1: i32";
const OWN_CONSTANTS: Readonly<Record<IntegerFormat, Readonly<Record<string, string>>>> = {
  q8_0: { high: "0xFF00FF00", flip: "0x80808080" },
  q4_0: { low: "0x0F0F0F0F", ones: "0x00010001" },
};
export const constantsOf = (format: IntegerFormat): string =>
  [`<i32>${F16_MASK}`, F16_UNIT, ...Object.values(OWN_CONSTANTS[format]).map((bits) => `<i32>${bits}`)].join(
    ", ",
  );
export const constantNames = "maskBits, unitScale, bits0, bits1";
/** Sums that are so many times what they are have scales that are so many times less. */
export const constantVectors = (format: IntegerFormat, { times }: NamedSums): string => {
  const own = Object.keys(OWN_CONSTANTS[format]).map((name, i) => `${name} = i32x4.splat(bits${i})`);
  const unit = times === 1 ? "unitScale" : `unitScale * <f32>${1 / times}`;
  return `const mask = i32x4.splat(maskBits), unit = f32x4.splat(${unit}), ${own.join(", ")};`;
};

/**
 * The scales of the weights. They have to be loaded low half first: V8 13.6 joins two widening loads in the
 * order in which they stand, whichever of them is at the lower address (bench/EXPERIMENTS.md).
 */
export function weightScales(h: Writer, { halves, columns, columnBytes }: Block): void {
  for (const n of count(columns))
    h.line(
      halves
        .map((half) => {
          const bits = `v128.load16x4_s(scale, ${n * columnBytes + 8 * half.index})`;
          const f32Bits = `v128.and(i32x4.shl(${bits}, 13), mask)`;
          return `const ${named(half, "d", "", n)} = f32x4.mul(${f32Bits}, unit);`;
        })
        .join(" "),
    );
}

/**
 * Adds scale of the weights · scale of the activations · sum to the f32 lanes of each row m, column n and
 * half, which `total` reads and `set` writes.
 */
export function scaled(
  h: Writer,
  b: Block,
  total: (half: Half, m: number, n: number) => string,
  set: (half: Half, m: number, n: number, value: string) => string,
): void {
  const each = (statement: (half: Half) => string): void => h.line(b.halves.map(statement).join(" "));
  for (const { m, n } of elementsIn(b)) {
    const of = (half: Half, what: string): string => named(half, what, m, n);
    each((half) => {
      const d = `v128.load(f, ${m * b.rowBytes + 16 * half.index})`;
      return `const ${of(half, "f")} = f32x4.mul(${named(half, "d", "", n)}, ${d});`;
    });
    each((half) => {
      const sums = `f32x4.convert_i32x4_s(${of(half, "sums")})`;
      return `const ${of(half, "t")} = madd(${of(half, "f")}, ${sums}, ${total(half, m, n)});`;
    });
    // not before both totals are read: V8 would join no pair
    each((half) => set(half, m, n, of(half, "t")));
  }
}

/**
 * The call of a function that writes `sums`, a row of a with so many rows of b. Where the machine has to be
 * asked which way is faster, it is a choice between two.
 */
export function integerDots(w: Writer, format: IntegerFormat, target: Target, halves: number) {
  const { usual, quick } = waysOf(format, target);
  const sizes = rowSizes(format, halves);
  const call = (way: NamedSums, given: string): string => `${dotsFunction(w, sizes, way)}(${given})`;
  return {
    /** A statement for the head of the kernel. */
    ask: quick && `const quick = ${quick.ask(w)}();`,
    call(a: string, b: string, sums: string, rows: string): string {
      const given = [a, b, sums, rows, "spill", constantsOf(format)].join(", ");
      return quick ? `if (quick) ${call(quick, given)}; else ${call(usual, given)}` : call(usual, given);
    },
  };
}

/** A function (a, b, sums, rows, spill, constants): sums[rows] = a · b[rows]ᵀ. */
function dotsFunction(w: Writer, sizes: RowSizes, way: NamedSums): string {
  const { format, halves, bRow } = sizes;
  const name = `dots_${format}_${halves * HALF_BLOCK}_${way.name}`;
  return w.helper(name, (h) => {
    h.line(`/** sums[rows] = a · b[rows]ᵀ, rows of ${format}, ${bRow} bytes long */`);
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, rows: i32, spill: usize, ` +
        `${constantParameters}): void`,
      () => {
        h.line(constantVectors(format, way));
        h.block("for (const last = sums + <usize>rows * 4; sums < last; sums += 4)", () => {
          rowDot(h, sizes, way);
          h.line(`b += ${bRow};`);
        });
      },
    );
  });
}

/** One row of b. */
function rowDot(h: Writer, sizes: RowSizes, way: NamedSums): void {
  const { halves, scales } = sizes;
  h.line(`let w = b, x = a + ${numbersOf(sizes, way).from}, scale = b, f = a + ${scales};`);
  if (halves > 1) wholeBlocks(h, sizes, way);
  if (halves % 2 === 1) {
    if (halves % SUPERBLOCK_HALVES === 1) h.line(`scale = w; w += ${SCALE_LINE};`);
    h.line("let half = ZERO;");
    block(h, sizes, way, [ALONE]);
  }
  storeDot(h, halves);
}

/**
 * Adds one block, or half of one, to the f32 lanes, which are locals. Its steps are written out; more than
 * four of them V8 would order so that it runs out of registers, so they are a loop.
 */
function block(h: Writer, sizes: RowSizes, way: NamedSums, halves: readonly Half[]): void {
  const { sums } = way;
  const beside = halves.length === 2 ? 2 : 1;
  const b = blockOf(sizes, halves, beside, 1);
  const bytes = beside * HALF_BYTES[sizes.format];
  const numbers = beside * numbersOf(sizes, way).bytes;
  if (sums.steps > WRITTEN_OUT) {
    const rounds = sums.steps / WRITTEN_OUT;
    weightScales(h, b); // before the loop, or binaryen would move the low half behind the high one
    sums.begin(h, b);
    h.block(
      `for (const stop = w + ${bytes}; w < stop; w += ${bytes / rounds}, x += ${numbers / rounds})`,
      () => {
        for (const s of count(WRITTEN_OUT)) sums.step(h, b, s, false);
      },
    );
    sums.finish(h, b);
  } else {
    for (const s of count(sums.steps)) sums.step(h, b, s, s === 0);
    sums.finish(h, b);
    weightScales(h, b);
    h.line(`w += ${bytes}; x += ${numbers};`);
  }
  scaled(
    h,
    b,
    ({ name }) => name,
    ({ name }, _m, _n, value) => `${name} = ${value};`,
  );
}
const WRITTEN_OUT = 4;

/** All whole blocks of the row: two halves side by side, superblock after superblock. */
function wholeBlocks(h: Writer, sizes: RowSizes, way: NamedSums): void {
  const { format, halves } = sizes;
  const blocks = halves >> 1;
  const together = SUPERBLOCK_HALVES / 2;
  h.line("let lo = ZERO, hi = ZERO;");
  h.block(`for (let left: usize = ${blocks}; <isize>left > 0; left -= ${together})`, () => {
    h.line("scale = w;");
    h.line(`w += ${SCALE_LINE};`);
    const here = blocks % together === 0 ? `${together}` : `min<usize>(left, ${together})`;
    const bytes = 2 * HALF_BYTES[format];
    h.block(`for (const end = w + ${here} * ${bytes}; w < end;)`, () => {
      block(h, sizes, way, [LOW, HIGH]);
      h.line(`scale += ${2 * HALF_SCALES}; f += 32;`);
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

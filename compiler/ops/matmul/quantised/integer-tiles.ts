/**
 * Products of several rows of integer activations with sixteen rows of integer weights, which are a task. The
 * register tile is so many rows of activations × one row of weights: what is loaded and unpacked of the
 * weights serves all of its rows, and its sums stay in registers for one block. The f32 sums, eight lanes for
 * each element of out, wait in scratch, and are added up when the row ends.
 *
 * Every element has the same order of roundings as the one row of integer-dots.ts: blocks in ascending order,
 * lane by lane, then the lanes as sum8 does. So a row's bits do not depend on the rows beside it.
 *
 *   few rows    whose activations stay in L1 beside the weights: a row of weights after the other, as memory
 *               has them
 *   many rows   the task's weights are touched in the order of memory, which brings them to this core at the
 *               speed of reading, then multiplied a few superblocks at a time, whose activations stay in L1
 *               for all sixteen; where a machine multiplies q8_0 faster by fours, weights are packed instead
 *               (packed-weights.ts)
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import {
  HALF_BLOCK,
  HALF_BYTES,
  HALF_SCALES,
  SCALE_LINE,
  SUPERBLOCK_HALVES,
  superblockBytes,
  type IntegerFormat,
} from "../../../../runtime/contract/weight-rows.ts";
import { transpose4 } from "../../kit/transpose.ts";
import { count, type Writer } from "../../kit/writer.ts";
import { evenBlocks } from "../gemm/cache-blocks.ts";
import { TASK_COLUMNS } from "../gemm/few-rows.ts";
import { LINE_BYTES } from "../../kit/row-loops.ts";
import { touchLines } from "../../kit/touch-rows.ts";
import { ACTIVATION_BYTES, FOURS_BYTES, foursFrom, SIDE_BYTES } from "./activation-rows.ts";
import {
  ALONE,
  HIGH,
  LOW,
  quickFours,
  STEPS,
  unsignedFours,
  waysOf,
  type Half,
  type NamedSums,
} from "./group-sums.ts";
import {
  blockOf,
  constantNames,
  constantParameters,
  constants,
  constantVectors,
  rowSizes,
  scaled,
  weightScales,
  type RowSizes,
} from "./integer-dots.ts";
import { PACKED_ROWS, packFunction } from "./packed-weights.ts";

/** Rows of tiles: the largest as often as it fits, then each of the smaller ones at most once. */
const TILE_ROWS = [8, 4, 2, 1] as const;
/**
 * Bytes of a tile's activations that stay in L1 (32 KiB) beside weights that pass through it. Measured: 18
 * KiB do, 20 do not (bench/EXPERIMENTS.md).
 */
const L1_BYTES = 19 * 1024;
/** Whole blocks of a superblock. */
const SUPERBLOCK_BLOCKS = SUPERBLOCK_HALVES / 2;

/** What a tile is made for. */
interface Tile extends RowSizes {
  readonly rows: number;
  readonly target: Target;
}

const superblocks = (halves: number): number => Math.ceil(halves / SUPERBLOCK_HALVES);
const isOdd = ({ halves }: RowSizes): boolean => halves % 2 === 1;
/** Bytes of the lanes of one element of out: of whole blocks, and of the half that stands alone. */
const laneBytes = (t: RowSizes): number => (t.halves > 1 ? 32 : 0) + (isOdd(t) ? 16 : 0);
const laneOffset = ({ halves }: RowSizes, { name, index }: Half): number =>
  16 * index + (name === ALONE.name && halves > 1 ? 32 : 0);

/** The numbers that a way multiplies: where a row of activations has them, and bytes of half a block. */
const numbersOf = ({ format, halves }: RowSizes, { name }: NamedSums) =>
  name === "bytes"
    ? { from: foursFrom(halves), bytes: FOURS_BYTES }
    : { from: 0, bytes: ACTIVATION_BYTES[format] };

const sumsBytes = (most: number): number => most * TASK_COLUMNS * 4;
/**
 * Bytes of scratch for up to `rows` rows: the tile's sums [rows,16], the lanes of these, and packed weights.
 */
export function tilesScratch(format: IntegerFormat, halves: number, rows: number): number {
  const packed = format === "q8_0" && rows >= PACKED_ROWS;
  const sizes = rowSizes(format, halves);
  return packedAt(sizes, rows) + (packed ? TASK_COLUMNS * sizes.bRow : 0);
}
/** Where packed weights stand in scratch. */
function packedAt(sizes: RowSizes, rows: number): number {
  const most = Math.min(rows, TILE_ROWS[0]);
  return sumsBytes(most) + most * TASK_COLUMNS * laneBytes(sizes);
}

/** Bytes of a superblock of activations: numbers, scales, starts. */
const readBytes = (format: IntegerFormat): number =>
  SUPERBLOCK_HALVES * (ACTIVATION_BYTES[format] + SIDE_BYTES);
const stayInL1 = ({ format, halves }: RowSizes, rows: number): boolean =>
  (rows * halves * readBytes(format)) / SUPERBLOCK_HALVES <= L1_BYTES;
/** So many superblocks of each row of weights are multiplied before the next ones, by so many rows. */
function superblocksTogether(sizes: RowSizes, rows: number): number {
  const all = superblocks(sizes.halves);
  if (stayInL1(sizes, rows)) return all;
  return evenBlocks(all, Math.max(1, Math.floor(L1_BYTES / (rows * readBytes(sizes.format)))));
}

/** What the products of a task are: expressions of the generated code. */
export interface TileTask {
  readonly a: string;
  /** The first row of weights, and how many there are: at most sixteen. */
  readonly b: string;
  readonly columns: string | number;
  /** How many rows (i32), and the most that there can be. */
  readonly rows: string | number;
  readonly most: number;
}

/**
 * Writes the loop over the tiles of a task. `finish` writes what becomes of a tile's sums, which are
 * scratch[rows,16]: it is told how many rows, and the number of the first one.
 */
export function emitTiles(
  w: Writer,
  format: IntegerFormat,
  target: Target,
  halves: number,
  { a, b, columns, rows, most }: TileTask,
  finish: (rows: number, first: string) => void,
): void {
  const sizes = rowSizes(format, halves);
  const { quickFours: quick, packed } = waysOf(format, target);
  const packs = packed !== undefined && most >= PACKED_ROWS;
  const [largest] = TILE_ROWS;
  const tile = (n: number): void => {
    const lanes = `scratch + ${sumsBytes(Math.min(most, largest))}`;
    const weights = packs ? "weights" : b;
    const together = superblocksTogether(sizes, n);
    const given = [`${a} + <usize>row * ${sizes.aRow}`, weights, "scratch", lanes, columns, together];
    const asked = quick ? ["quick"] : packed ? [packs ? "packed" : "false"] : [];
    w.line(
      `${rowsFunction(w, { ...sizes, rows: n, target })}(${[...given, ...asked, constants].join(", ")});`,
    );
    finish(n, "row");
    w.line(`row += ${n};`);
  };
  if (packs) {
    w.line(`const packed = unsigned && ${rows} >= ${PACKED_ROWS};`);
    w.line(`let weights = ${b};`);
    w.block("if (packed)", () => {
      w.line(`weights = scratch + ${packedAt(sizes, most)};`);
      w.line(`${packFunction(w, halves)}(${b}, weights, ${columns});`);
    });
  }
  const tooMany = TILE_ROWS.findLast((n) => !stayInL1(sizes, n));
  if (tooMany !== undefined && tooMany <= most) {
    const asked = `${packs ? "!packed && " : ""}${rows} >= ${tooMany}`;
    const lines = `${columns} * ${sizes.bRow / LINE_BYTES}`;
    w.line(`if (${asked}) ${touchLines(w, b, lines)}`);
  }
  w.line("let row = 0;");
  for (const n of TILE_ROWS.filter((size) => size <= most))
    w.block(`${n === largest ? "while" : "if"} (row + ${n} <= ${rows})`, () => tile(n));
}

/** The statement for the head of a kernel that has such tiles. */
export function askMachine(w: Writer, format: IntegerFormat, target: Target): void {
  const { quickFours: quick, packed } = waysOf(format, target);
  if (quick) w.line(`const quick = ${quickFours(w)}();`);
  if (packed) w.line(`const unsigned = ${unsignedFours(w)}();`);
}

/** A function (a, b, sums, lanes, columns, together, …): sums[rows,16] = a[rows] · b[columns]ᵀ. */
function rowsFunction(w: Writer, t: Tile): string {
  const { format, rows, halves, bRow, scales } = t;
  const { usual, quickFours, packed } = waysOf(format, t.target);
  const quick = quickFours ?? packed;
  const name = `products_${format}_${rows}x${halves * HALF_BLOCK}`;
  const all = superblocks(halves);
  const each = rows * laneBytes(t);
  const call = (way: NamedSums): string => {
    const numbers = numbersOf(t, way);
    const given = [
      `a + ${numbers.from} + s * ${SUPERBLOCK_HALVES * numbers.bytes}`,
      `b + n * ${bRow} + s * ${superblockBytes(format)}`,
      `a + ${scales} + s * ${SUPERBLOCK_HALVES * 16}`,
      `lanes + n * ${each}`,
      ...blocksOf(t),
      constantNames,
    ];
    return `${tileFunction(w, t, way)}(${given.join(", ")});`;
  };
  const asked = quick ? "quick: bool, " : "";
  return w.helper(name, (h) => {
    h.line(`/** sums[${rows},16] = a[${rows}] · b[columns]ᵀ, rows of ${format}, ${bRow} bytes long */`);
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, lanes: usize, columns: usize, together: usize, ` +
        `${asked}${constantParameters}): void`,
      () => {
        h.block(`for (let at = lanes, end = lanes + ${TASK_COLUMNS * each}; at < end; at += 64)`, () =>
          h.line(
            count(4)
              .map((i) => `v128.store(at, ZERO, ${16 * i});`)
              .join(" "),
          ),
        );
        h.block(`for (let from: usize = 0; from < ${all}; from += together)`, () =>
          h.block("for (let n: usize = 0; n < columns; n++)", () =>
            h.block(`for (let s = from, end = min<usize>(from + together, ${all}); s < end; s++)`, () => {
              h.line(quick ? `if (quick) ${call(quick)}` : call(usual));
              if (quick) h.line(`else ${call(usual)}`);
            }),
          ),
        );
        addLanes(h, t);
      },
    );
  });
}

/**
 * How many whole blocks superblock s has, and whether the half that stands alone is in it; if that varies.
 */
function blocksOf({ halves }: RowSizes): string[] {
  const blocks = halves >> 1;
  const last = superblocks(halves) - 1;
  return [
    ...(halves > 1 ? [last === 0 ? `${blocks}` : `min<usize>(${SUPERBLOCK_BLOCKS}, ${blocks} - s * 4)`] : []),
    ...(halves % 2 === 1 && last > 0 ? [`s == ${last}`] : []),
  ];
}

/**
 * A function (x, w, f, lanes, …): one superblock of rows of activations and one row of weights is added to
 * the lanes.
 */
function tileFunction(w: Writer, t: Tile, way: NamedSums): string {
  const { format, rows, halves } = t;
  const name = `tile_${format}_${rows}x${halves * HALF_BLOCK}_${way.name}`;
  const varies = isOdd(t) && superblocks(halves) > 1;
  const parameters = [
    "x: usize, w: usize, f: usize, lanes: usize",
    ...(halves > 1 ? ["blocks: usize"] : []),
    ...(varies ? ["odd: bool"] : []),
    constantParameters,
  ];
  return w.helper(name, (h) => {
    h.line(`/** lanes[${rows}] += a superblock of ${rows} rows of activations · one row of ${format} */`);
    h.block(`function ${name}(${parameters.join(", ")}): void`, () => {
      h.line(constantVectors);
      h.line(`let scale = w; w += ${SCALE_LINE};`);
      if (halves > 1)
        h.block(`for (const end = w + blocks * ${2 * HALF_BYTES[format]}; w < end;)`, () => {
          if (t.target === "wide") steps(h, t, way, [LOW, HIGH], 2);
          else {
            steps(h, t, way, [LOW], 2);
            h.line(`w -= ${2 * HALF_BYTES[format]}; x -= ${2 * numbersOf(t, way).bytes};`);
            steps(h, t, way, [HIGH], 2);
          }
          h.line(`scale += ${2 * HALF_SCALES}; f += 32;`);
        });
      if (varies) h.block("if (odd)", () => steps(h, t, way, [ALONE], 1));
      else if (isOdd(t)) steps(h, t, way, [ALONE], 1);
    });
  });
}

/** Halves of a block are added to the lanes; `w` and `x` move on. */
function steps(h: Writer, t: Tile, way: NamedSums, halves: readonly Half[], beside: 1 | 2): void {
  const { sums } = way;
  const b = blockOf(t, halves, beside, t.rows);
  const bytes = beside * HALF_BYTES[t.format];
  const step = (of: number): number => of / STEPS;
  weightScales(h, b); // before the loop, or binaryen would move the low half behind the high one
  sums.begin(h, b);
  h.block(
    `for (const stop = w + ${bytes}; w < stop; w += ${step(bytes)}, x += ` +
      `${step(beside * numbersOf(t, way).bytes)})`,
    () => sums.step(h, b, 0, false),
  );
  sums.finish(h, b);
  const at = (half: Half, m: number): number => m * laneBytes(t) + laneOffset(t, half);
  scaled(
    h,
    b,
    (half, m) => `v128.load(lanes, ${at(half, m)})`,
    (half, m, value) => `v128.store(lanes, ${value}, ${at(half, m)});`,
  );
}

/** The lanes of each element are added, four columns at a time, in the order of sum8. */
function addLanes(h: Writer, t: Tile): void {
  const { rows, halves } = t;
  const bytes = laneBytes(t);
  const column = rows * bytes;
  h.block(`for (let m: usize = 0; m < ${rows}; m++, lanes += ${bytes}, sums += ${TASK_COLUMNS * 4})`, () =>
    h.block(`for (let n: usize = 0; n < ${TASK_COLUMNS / 4}; n++)`, () => {
      h.line(`const at = lanes + n * ${4 * column};`);
      const total: string[] = [];
      const add = (name: string, vector: (n: number) => string): void => {
        transpose4(h, count(4).map(vector), name);
        total.push(`f32x4.add(f32x4.add(${name}0, ${name}1), f32x4.add(${name}2, ${name}3))`);
      };
      const load = (n: number, offset: number): string => `v128.load(at, ${n * column + offset})`;
      if (halves > 1) add("t", (n) => `f32x4.add(${load(n, 0)}, ${load(n, 16)})`);
      if (isOdd(t)) add("o", (n) => load(n, laneOffset(t, ALONE)));
      h.line(`v128.store(sums + n * 16, ${total.reduce((sum, next) => `f32x4.add(${sum}, ${next})`)});`);
    }),
  );
}

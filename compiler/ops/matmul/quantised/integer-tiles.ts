/**
 * Products of several rows of integer activations with sixteen rows of integer weights, which are a task. The
 * sums of a register tile stay in registers for one block. The f32 sums, eight lanes for each element of out,
 * wait in scratch, and are added up when the row ends.
 *
 * Every element has the same order of roundings as the one row of integer-dots.ts: blocks in ascending order,
 * lane by lane, then the lanes as sum8 does. So a row's bits do not depend on the rows beside it.
 *
 *   usually             a tile is up to eight rows of activations × one row of weights
 *   dots of four that   up to four rows × one row of weights for the first rows of a task, whose weights come
 *   are one instruction from memory, in its order; up to four × two for the others, which find them in a
 *                       cache, and for all of eight rows or more, for which the weights are touched first
 *   many rows of q4_0   the same, with nibbles that have become bytes for the whole task (opened-weights.ts)
 *
 * Where a tile's activations do not stay in L1 beside the weights, the task's weights are touched in the
 * order of memory, which brings them to this core at the speed of reading, then multiplied a few superblocks
 * at a time, whose activations stay in L1 for all sixteen.
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
import { STAY_IN_L1_BYTES, touchLines } from "../../kit/touch-rows.ts";
import { OPENED_ROWS, openFunction } from "./opened-weights.ts";
import { SIDE_BYTES } from "./activation-rows.ts";
import { ALONE, HIGH, LOW, waysOf, type Block, type Half, type NamedSums } from "./group-sums.ts";
import {
  blockOf,
  constantNames,
  constantParameters,
  constantsOf,
  constantVectors,
  numbersOf,
  rowSizes,
  scaled,
  weightScales,
  type RowSizes,
} from "./integer-dots.ts";

/** Rows of tiles: the largest as often as it fits, then each of the smaller ones at most once. */
const TILE_ROWS = { fours: [4, 2, 1], others: [8, 4, 2, 1] } as const;
/**
 * Bytes of a tile's activations that stay in L1 beside weights that pass through it. Where a dot product of
 * four takes bytes without a sign, it has 48 KiB, not 32.
 */
const L1_BYTES = { fours: 28 * 1024, others: STAY_IN_L1_BYTES } as const;
const kindOf = ({ byFours }: NamedSums) => (byFours ? "fours" : "others");
/** From so many rows of activations on, reading first costs less than one row of weights at a time. */
const TOUCHED_ROWS = 8;
/** Whole blocks of a superblock. */
const SUPERBLOCK_BLOCKS = SUPERBLOCK_HALVES / 2;

/** What a tile is made for. */
interface Tile extends RowSizes {
  readonly rows: number;
  readonly target: Target;
  readonly way: NamedSums;
  /** Rows of weights that are multiplied at once, and whether a task may have an odd number of them. */
  readonly columns: Block["columns"];
  readonly oddColumns: boolean;
}

const superblocks = (halves: number): number => Math.ceil(halves / SUPERBLOCK_HALVES);
const isOdd = ({ halves }: RowSizes): boolean => halves % 2 === 1;
/** Bytes of the lanes of one element of out: of whole blocks, and of the half that stands alone. */
const laneBytes = (t: RowSizes): number => (t.halves > 1 ? 32 : 0) + (isOdd(t) ? 16 : 0);
const laneOffset = ({ halves }: RowSizes, { name, index }: Half): number =>
  16 * index + (name === ALONE.name && halves > 1 ? 32 : 0);

/** Bytes of the lanes of a tile's elements in one column of out. */
const columnLanes = (t: Tile): number => t.rows * laneBytes(t);

const sumsBytes = (most: number): number => most * TASK_COLUMNS * 4;
const mostRows = (rows: number): number => Math.min(rows, TILE_ROWS.others[0]);
/**
 * Bytes of scratch for up to `rows` rows: the tile's sums [rows,16], the lanes of these, and opened weights.
 */
export function tilesScratch(format: IntegerFormat, target: Target, halves: number, rows: number): number {
  const opens = waysOf(format, target).opened && rows >= OPENED_ROWS;
  const opened = opens ? TASK_COLUMNS * rowSizes(format, halves, "q8_0").bRow : 0;
  return openedAt(rowSizes(format, halves), rows) + opened;
}
/** Where opened weights stand in scratch. */
function openedAt(sizes: RowSizes, rows: number): number {
  const most = mostRows(rows);
  return sumsBytes(most) + most * TASK_COLUMNS * laneBytes(sizes);
}

/** Bytes of half a block of activations: numbers, scales, starts. */
const readBytes = (sizes: RowSizes, way: NamedSums): number => numbersOf(sizes, way).bytes + SIDE_BYTES;
const stayInL1 = (sizes: RowSizes, way: NamedSums, rows: number): boolean =>
  rows * sizes.halves * readBytes(sizes, way) <= L1_BYTES[kindOf(way)];
/** So many superblocks of each row of weights are multiplied before the next ones, by so many rows. */
function superblocksTogether(t: Tile): number {
  const all = superblocks(t.halves);
  if (stayInL1(t, t.way, t.rows)) return all;
  const bytes = t.rows * SUPERBLOCK_HALVES * readBytes(t, t.way);
  return evenBlocks(all, Math.max(1, Math.floor(L1_BYTES[kindOf(t.way)] / bytes)));
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
  /** Whether `columns` may be odd. */
  readonly oddColumns: boolean;
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
  task: TileTask,
  finish: (rows: number, first: string) => void,
): void {
  const sizes = rowSizes(format, halves);
  const { usual, quick, opened } = waysOf(format, target);
  const lanes = `scratch + ${sumsBytes(mostRows(task.most))}`;
  const tiles = (way: NamedSums, of: RowSizes, weights: string): void => {
    const { a, columns, rows, oddColumns } = task;
    const [largest] = tileRows(way, task);
    for (const n of tileRows(way, task))
      w.block(`${n === largest ? "while" : "if"} (row + ${n} <= ${rows})`, () => {
        const tile = { ...of, rows: n, target, way, oddColumns };
        const from = `${a} + <usize>row * ${of.aRow}`;
        const given = [from, weights, "scratch", lanes, columns, constantsOf(format)];
        const call = (together: Block["columns"]): string =>
          `${rowsFunction(w, { ...tile, columns: together })}(${given.join(", ")});`;
        const first = way === opened && n > 1 ? 2 : 1;
        if (way === quick && n > 1 && n < task.most) {
          w.line(`if (row == 0 && ${rows} < ${TOUCHED_ROWS}) ${call(1)}`);
          w.line(`else ${call(2)}`);
        } else w.line(call(first));
        finish(n, "row");
        w.line(`row += ${n};`);
      });
  };
  const direct = (way: NamedSums): void => {
    touchFirst(w, sizes, way, task);
    tiles(way, sizes, task.b);
  };
  w.line("let row = 0;");
  if (!quick) return direct(usual);
  if (opened && task.most >= OPENED_ROWS) {
    w.block(`if (quick && ${task.rows} >= ${OPENED_ROWS})`, () => {
      const at = openedAt(sizes, task.most);
      w.line(`${openFunction(w, halves)}(${task.b}, scratch + ${at}, ${task.columns});`);
      tiles(opened, rowSizes(format, halves, "q8_0"), `scratch + ${at}`);
    });
    w.block("else if (quick)", () => direct(quick));
  } else w.block("if (quick)", () => direct(quick));
  w.block("else", () => direct(usual));
}

/** The rows of tiles, the largest first; none has more than there can be. */
const tileRows = (way: NamedSums, { most }: Pick<TileTask, "most">): number[] =>
  TILE_ROWS[kindOf(way)].filter((n) => n <= most);

/**
 * The task's weights are read first, in their order: where the rows of activations do not stay in L1, and
 * where there are so many that all of them have two rows of weights at once.
 */
function touchFirst(w: Writer, sizes: RowSizes, way: NamedSums, task: TileTask): void {
  const notInL1 = tileRows(way, task).findLast((n) => !stayInL1(sizes, way, n));
  const tooMany = Math.min(notInL1 ?? Infinity, way.byFours ? TOUCHED_ROWS : Infinity);
  if (tooMany > task.most) return;
  const lines = `${task.columns} * ${sizes.bRow / LINE_BYTES}`;
  w.line(`if (${task.rows} >= ${tooMany}) ${touchLines(w, task.b, lines)}`);
}

/** The statement for the head of a kernel that has such tiles. */
export function askMachine(w: Writer, format: IntegerFormat, target: Target): void {
  const { quick } = waysOf(format, target);
  if (quick) w.line(`const quick = ${quick.ask(w)}();`);
}

/** A function (a, b, sums, lanes, columns, …): sums[rows,16] = a[rows] · b[columns]ᵀ. */
function rowsFunction(w: Writer, t: Tile): string {
  const { format, rows, halves, bRow, way } = t;
  const shape = t.columns === 1 ? "" : t.oddColumns ? "_by2_odd" : "_by2";
  const name = `products_${format}_${rows}x${halves * HALF_BLOCK}_${way.name}${shape}`;
  const all = superblocks(halves);
  const together = superblocksTogether(t);
  return w.helper(name, (h) => {
    h.line(`/** sums[${rows},16] = a[${rows}] · b[columns]ᵀ, rows of ${format}, ${bRow} bytes long */`);
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, lanes: usize, columns: usize, ` +
        `${constantParameters}): void`,
      () => {
        h.block(
          `for (let at = lanes, end = lanes + ${TASK_COLUMNS * columnLanes(t)}; at < end; at += 64)`,
          () =>
            h.line(
              count(4)
                .map((i) => `v128.store(at, ZERO, ${16 * i});`)
                .join(" "),
            ),
        );
        if (way.byFours) h.line(constantVectors(format, way));
        h.block(`for (let from: usize = 0; from < ${all}; from += ${together})`, () => {
          h.line(`const end = min<usize>(from + ${together}, ${all});`);
          if (way.byFours) columnsTogether(h, t);
          else columnByColumn(h, t);
        });
        addLanes(h, t);
      },
    );
  });
}

/** Superblocks `from` … `end` − 1 of one row of weights after the other. */
function columnByColumn(h: Writer, t: Tile): void {
  const { bRow, scales, way } = t;
  const numbers = numbersOf(t, way);
  h.block("for (let n: usize = 0; n < columns; n++)", () =>
    h.block("for (let s = from; s < end; s++)", () => {
      const given = [
        `a + ${numbers.from} + s * ${SUPERBLOCK_HALVES * numbers.bytes}`,
        `b + n * ${bRow} + s * ${superblockBytes(t.stored)}`,
        `a + ${scales} + s * ${SUPERBLOCK_HALVES * 16}`,
        `lanes + n * ${columnLanes(t)}`,
        ...blocksOf(t),
        constantNames,
      ];
      h.line(`${tileFunction(h, t)}(${given.join(", ")});`);
    }),
  );
}

/** The same of one row or two rows of weights at once; of two, the last one may be alone. */
function columnsTogether(h: Writer, t: Tile): void {
  const together = t.columns;
  h.line("let n: usize = 0;");
  h.block(`for (; n + ${together} <= columns; n += ${together})`, () => superblocksOf(h, t, together));
  if (together > 1 && t.oddColumns) h.block("if (n < columns)", () => superblocksOf(h, t, 1));
}

/** Superblocks `from` … `end` − 1 of rows n … of weights are added to the lanes. */
function superblocksOf(h: Writer, t: Tile, columns: Block["columns"]): void {
  const { bRow, scales, way, halves } = t;
  const numbers = numbersOf(t, way);
  h.line(
    `let w = b + n * ${bRow} + from * ${superblockBytes(t.stored)}, ` +
      `x = a + ${numbers.from} + from * ${SUPERBLOCK_HALVES * numbers.bytes}, ` +
      `f = a + ${scales} + from * ${SUPERBLOCK_HALVES * 16};`,
  );
  h.line(`const to = lanes + n * ${columnLanes(t)};`);
  const [blocks, odd] = halves > 1 ? blocksOf(t) : ["0", blocksOf(t)[0]];
  h.block("for (let s = from; s < end; s++)", () => superblock(h, t, columns, blocks!, odd, "to"));
}

/** One superblock; `w`, `x`, `f` move on. `blocks`: how many it has. `odd`: whether half a block follows. */
function superblock(
  h: Writer,
  t: Tile,
  columns: Block["columns"],
  blocks: string,
  odd: string | undefined,
  lanes: string,
): void {
  const { halves, way } = t;
  const bytes = 2 * HALF_BYTES[t.stored];
  h.line(`let scale = w; w += ${SCALE_LINE};`);
  if (halves > 1)
    h.block(`for (const last = w + ${blocks} * ${bytes}; w < last;)`, () => {
      if (t.target === "wide") steps(h, t, columns, [LOW, HIGH], lanes);
      else {
        steps(h, t, columns, [LOW], lanes);
        h.line(`w -= ${bytes}; x -= ${2 * numbersOf(t, way).bytes};`);
        steps(h, t, columns, [HIGH], lanes);
      }
      h.line(`scale += ${2 * HALF_SCALES}; f += 32;`);
    });
  if (odd !== undefined) h.block(`if (${odd})`, () => steps(h, t, columns, [ALONE], lanes));
  else if (isOdd(t)) steps(h, t, columns, [ALONE], lanes);
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
function tileFunction(w: Writer, t: Tile): string {
  const { format, rows, halves, way } = t;
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
      h.line(constantVectors(format, way));
      superblock(h, t, 1, "blocks", varies ? "odd" : undefined, "lanes");
    });
  });
}

/** Halves of a block are added to the lanes; `w` and `x` move on. */
function steps(h: Writer, t: Tile, columns: Block["columns"], halves: readonly Half[], lanes: string): void {
  const { sums } = t.way;
  const beside = halves[0] === ALONE ? 1 : 2;
  const b = blockOf(t, halves, beside, t.rows, columns);
  const bytes = beside * HALF_BYTES[t.stored];
  const numbers = beside * numbersOf(t, t.way).bytes;
  weightScales(h, b); // before the loop, or binaryen would move the low half behind the high one
  sums.begin(h, b);
  h.block(
    `for (const stop = w + ${bytes}; w < stop; w += ${bytes / sums.steps}, x += ${numbers / sums.steps})`,
    () => sums.step(h, b, 0, false),
  );
  sums.finish(h, b);
  const at = (half: Half, m: number, n: number): number =>
    n * columnLanes(t) + m * laneBytes(t) + laneOffset(t, half);
  scaled(
    h,
    b,
    (half, m, n) => `v128.load(${lanes}, ${at(half, m, n)})`,
    (half, m, n, value) => `v128.store(${lanes}, ${value}, ${at(half, m, n)});`,
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

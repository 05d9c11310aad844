/**
 * Products with a few rows of a, as in decoding. Nothing is packed, and every element of b is read once, at
 * the speed of memory. A task is a group of 16 columns of out.
 *
 *   nn  rows of b, several at a time, pass over the worker's columns of out, which wait in scratch:
 *   row-tiles.ts
 *   nt  dot products with one row of b after the other, or four: dot-products.ts
 *
 * The sums in scratch then go through the same epilogue as the tiles of tile-loops.ts.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import type { DynamicTasks } from "../../kit/op.ts";
import type { Dims } from "../../kit/signature.ts";
import { LINE_BYTES } from "../../kit/row-loops.ts";
import type { Writer } from "../../kit/writer.ts";
import { FEW_ROWS, type Form, type MatmulKernel, type PerTensor } from "./cache-blocks.ts";
import { dotProducts, dotsOfRow } from "./dot-products.ts";
import { epilogueArguments, epilogueFunction } from "./epilogue.ts";
import { eachStreams, rowStream } from "./row-tiles.ts";

/** Columns of a task: a cache line of f32. */
export const TASK_COLUMNS = 16;
const TASK_BYTES = TASK_COLUMNS * 4;

export const fewRowsTasks = ({ N }: Dims): number => rowBytes(N!) / TASK_BYTES;
/**
 * The last eighth of the tasks is dynamic, in small pieces: memory may serve one worker better than another.
 */
export function fewRowsDynamic(d: Dims): DynamicTasks {
  const tasks = fewRowsTasks(d);
  const rest = Math.floor(tasks / 8);
  return { fixed: tasks - rest, grain: Math.max(8, Math.ceil(rest / 16)), least: 1 };
}
export const fewRowsScratch = (form: Form, { M, N }: Dims): number =>
  form === "nn" ? Math.min(M!, FEW_ROWS) * sumBytes(M!, N!) : M! * TASK_BYTES;

/** The number of live rows of M, an i32 expression; its tensor has the local `live`. */
export const liveRows = (k: { has(tensor: "live"): boolean }, live: string, M: number): string =>
  k.has("live") ? `min(load<i32>(${live}), ${M})` : `${M}`;

type Sizes = Readonly<Record<"M" | "N" | "K", number>>;
type Tensors = PerTensor<string>;

/** `rows`: how many of a's rows, an i32 expression. */
export function emitFewRows(
  w: Writer,
  at: Tensors,
  form: Form,
  d: Dims,
  k: MatmulKernel,
  rows: string,
): void {
  const sizes = d as Sizes;
  if (form === "nt") emitDotProducts(w, at, sizes, k, rows);
  else if (sizes.M === 1) emitRowStreams(w, at, sizes, k);
  else emitRowTiles(w, at, sizes, k, rows);
}

/** Rows of b that are read at once for a single row of a: as many streams as the prefetchers follow. */
const STREAMS = 8;
export const streamVectors = (target: Target): number => (target === "wide" ? 4 : 2);

/** nn, one row: sums[the worker's columns] in scratch, pass after pass over rows of b. */
function emitRowStreams(w: Writer, at: Tensors, { N, K }: Sizes, k: MatmulKernel): void {
  const bRow = rowBytes(N);
  const rest = K % STREAMS;
  w.line(`const bytes = <usize>(last - first) * ${TASK_BYTES}; // of the worker's columns`);
  w.line(`const from = <usize>first * ${TASK_BYTES};`);
  w.line("memory.fill(scratch, 0, bytes);");
  const pass = (rows: number): string => rowStream(w, rows, bRow, streamVectors(k.target));
  if (K >= STREAMS)
    w.block(`for (let k: usize = 0; k < ${K - rest}; k += ${STREAMS})`, () =>
      w.line(`${pass(STREAMS)}(${at.a} + k * 4, ${at.b} + k * ${bRow} + from, scratch, bytes);`),
    );
  if (rest > 0)
    w.line(
      `${pass(rest)}(${at.a} + ${(K - rest) * 4}, ${at.b} + ${(K - rest) * bRow} + from, scratch, bytes);`,
    );
  finishSums(w, at, k, { M: 1, N, K }, "1", 0);
}

/**
 * Bytes of a row of sums that wait in scratch: of many rows, so many columns at a time that they stay in L2.
 */
const MOST_SUM_BYTES = 16 * 1024;
const sumBytes = (M: number, N: number): number =>
  M === 1 ? rowBytes(N) : Math.min(rowBytes(N), MOST_SUM_BYTES);

/** nn, a few rows: the worker's columns, block after block. */
function emitRowTiles(w: Writer, at: Tensors, { M, N, K }: Sizes, k: MatmulKernel, rows: string): void {
  const b = rowBytes(N);
  const sums = sumBytes(M, N);
  w.line(`const end = <usize>last * ${TASK_BYTES};`);
  w.block(`for (let from = <usize>first * ${TASK_BYTES}; from < end; from += ${sums})`, () => {
    w.line(`const bytes = min(end - from, ${sums}); // of each row's sums in scratch`);
    w.line(`memory.fill(scratch, 0, <usize>${rows} * ${sums});`);
    eachStreams(
      w,
      k.target,
      { b, a: rowBytes(K), sums },
      K * b,
      { from: "0", to: `${K}` },
      { a: at.a, b: `${at.b} + from`, sums: "scratch", bytes: "bytes", rows },
    );
    finishSums(w, at, k, { M, N, K }, rows, sums);
  });
}

/**
 * The epilogue of `bytes` of columns from `from` on, whose sums wait in scratch, `sums` bytes from row to
 * row.
 */
function finishSums(
  w: Writer,
  at: Tensors,
  k: MatmulKernel,
  { M, N }: Sizes,
  rows: string,
  sums: number,
): void {
  const outRow = rowBytes(N);
  const epilogue = epilogueFunction(w, k, TASK_COLUMNS);
  const columns = (row: string, tile: string): void =>
    w.block(`for (let group: usize = 0; group < bytes; group += ${TASK_BYTES})`, () => {
      const place = `${row === "0" ? "" : `${row} * ${outRow} + `}from + group`;
      const line = `(from + group) * ${M} + ${row} * ${LINE_BYTES}`;
      const tensors = epilogueArguments(k, at, { column: "from + group", element: place, line });
      w.line(
        `${epilogue}(${[`${tile} + group`, 1, `${at.out} + ${place}`, outRow, ...tensors].join(", ")});`,
      );
    });
  if (rows === "1") return columns("0", "scratch");
  w.block(`for (let r: usize = 0; r < <usize>${rows}; r++)`, () => columns("r", `scratch + r * ${sums}`));
}

function emitDotProducts(w: Writer, at: Tensors, d: Sizes, k: MatmulKernel, rows: string): void {
  const bRow = rowBytes(d.K);
  const dots = d.M === 1 ? dotsOfRow(w, 1, bRow) : dotProducts(w, k.target, bRow, d.N * bRow);
  const ofRows = d.M === 1 ? "" : `, ${rows}`;
  emitDotTasks(
    w,
    at,
    d,
    bRow,
    k,
    (columns, b) => `${dots}(${at.a}, ${b}, scratch, ${columns}${ofRows}, spill)`,
    rows,
  );
}

/**
 * The tasks as groups of 16 rows of b, each `bRow` bytes long. `dots` is the call that writes
 * scratch[rows,16] from so many rows of b from an address on.
 */
export function emitDotTasks(
  w: Writer,
  at: Tensors,
  { M, N }: Readonly<Record<"M" | "N", number>>,
  bRow: number,
  k: MatmulKernel,
  dots: (columns: string, b: string) => string,
  rows = `${M}`,
): void {
  const outRow = rowBytes(N);
  const groups = outRow / TASK_BYTES;
  const valid = N - (groups - 1) * TASK_COLUMNS;
  w.block(`for (let group = first; group < last; group++)`, () => {
    w.line(`const place = <usize>group * ${TASK_BYTES};`);
    if (valid < TASK_COLUMNS)
      w.line(`if (group == ${groups - 1}) memory.fill(scratch, 0, ${M * TASK_BYTES});`);
    const columns =
      valid < TASK_COLUMNS ? `group == ${groups - 1} ? ${valid} : ${TASK_COLUMNS}` : `${TASK_COLUMNS}`;
    w.line(`${dots(columns, `${at.b} + <usize>group * ${TASK_COLUMNS * bRow}`)};`);
    const tensors = epilogueArguments(k, at, { column: "place", element: "place", line: `place * ${M}` });
    const values = ["scratch", rows, `${at.out} + place`, outRow, ...tensors];
    w.line(`${epilogueFunction(w, k, TASK_COLUMNS)}(${values.join(", ")});`);
  });
}

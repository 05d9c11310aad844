/**
 * Loops that kernels over rows share. A row consists of whole lines of 64 bytes. A line is four v128: two
 * adjacent pairs, which the target `wide` joins.
 *
 *   x + i:   | 16 floats | 16 floats | … | last line, where some lanes may be padding |
 *
 * The number of columns is known when the kernel is emitted, so the last line gets code of its own, masked by
 * constants; full lines need no mask.
 */
import { rowBytes, rowFloats } from "../../../runtime/contract/tensor-layout.ts";
import type { Writer } from "./writer.ts";

export const LINE_BYTES = 64;

/** One v128 of a line: j = 0…3. */
export interface Vector {
  readonly j: number;
  /** Loads it from a row that the loop was given. */
  load(row: string): string;
  /**
   * The value with zeros in the lanes of the padding, or with `outside` there. All four vectors of a line get
   * code of the same form, however many of their lanes are padding.
   */
  keep(value: string, outside?: string): string;
}

/**
 * `for (i …)` over the lines of a row of C columns, with a pointer into each of `rows` (names of usize
 * locals). What V8 needs to join a pair: one pointer for both halves (it compares addresses by identity),
 * loads before stores (it moves none past the other), and accumulators that start from loads.
 */
function eachLine(
  w: Writer,
  C: number,
  rows: readonly string[],
  body: (vectors: readonly Vector[]) => void,
): void {
  const full = Math.floor(C / 16) * LINE_BYTES;
  const left = C % 16;
  const line = (lanes: number): void => {
    for (const row of rows) w.line(`const ${pointer(row)} = ${row} + i;`);
    body([0, 1, 2, 3].map((j) => vector(j, lanes)));
  };
  if (full > 0) w.block(`for (let i: usize = 0; i < ${full}; i += ${LINE_BYTES})`, () => line(16));
  if (left > 0)
    w.block("", () => {
      w.line(`const i: usize = ${full}; // the last line: ${left} columns, the rest is padding`);
      line(left);
    });
}

const pointer = (row: string): string => `${row.replace(/_r$/, "")}_i`;
const half = (j: number): string => (j === 0 ? "" : `, ${16 * j}`);

function vector(j: number, columns: number): Vector {
  const mask = `i32x4(${[0, 1, 2, 3].map((lane) => (4 * j + lane < columns ? -1 : 0)).join(", ")})`;
  const masked = (value: string, outside: string): string =>
    outside === "ZERO" ? `v128.and(${value}, ${mask})` : `v128.bitselect(${value}, ${outside}, ${mask})`;
  return {
    j,
    load: (row) => `v128.load(${pointer(row)}${half(j)})`,
    keep: (value, outside = "ZERO") => (columns === 16 ? value : masked(value, outside)),
  };
}

/** Reads a row: `body` writes the code for one vector. */
export const readRow = (w: Writer, C: number, rows: readonly string[], body: (v: Vector) => void): void =>
  eachLine(w, C, rows, (vectors) => vectors.forEach(body));

/**
 * Writes the row `out`: `value` is the expression of one vector, and goes by the name y0 … y3; `then` may use
 * it.
 */
export function writeRow(
  w: Writer,
  C: number,
  rows: readonly string[],
  out: string,
  value: (v: Vector) => string,
  then?: (v: Vector) => void,
): void {
  eachLine(w, C, [...new Set([...rows, out])], (vectors) => {
    for (const v of vectors) w.line(`const y${v.j} = ${value(v)};`);
    for (const v of vectors) then?.(v);
    for (const { j } of vectors) w.line(`v128.store(${pointer(out)}, y${j}${half(j)});`);
  });
}

/**
 * `for (r …)` over the worker's rows, with the row's address in each tensor: usize locals, by convention
 * `x_r` for `x`.
 */
export function eachRow(
  w: Writer,
  rows: Readonly<Record<string, string>>,
  C: number,
  body: () => void,
): void {
  w.block("for (let r = first; r < last; r++)", () => {
    for (const [name, base] of Object.entries(rows))
      w.line(`const ${name} = ${base} + <usize>r * ${rowBytes(C)};`);
    body();
  });
}

/** The worker's rows as one piece of memory, for kernels in which columns do not matter and f(0) = 0. */
export function eachPair(
  w: Writer,
  C: number,
  tensors: readonly string[],
  out: string,
  value: (load: (tensor: string) => string) => string,
): void {
  const bytes = rowBytes(C);
  w.block(`for (let i = <usize>first * ${bytes}, end = <usize>last * ${bytes}; i < end; i += 32)`, () => {
    for (const t of new Set([...tensors, out])) w.line(`const ${pointer(t)} = ${t} + i;`);
    w.line(`const lo = ${value((t) => `v128.load(${pointer(t)})`)};`);
    w.line(`const hi = ${value((t) => `v128.load(${pointer(t)}, 16)`)};`);
    w.line(`v128.store(${pointer(out)}, lo);`);
    w.line(`v128.store(${pointer(out)}, hi, 16);`);
  });
}

/** The two halves of a pair: what their names end in, and the offset that their loads and stores have. */
export const PAIR = [
  ["lo", ""],
  ["hi", ", 16"],
] as const;

/** Four accumulators, one per vector of a line: `name0` … `name3`. */
export const accumulators = (w: Writer, name: string, start: "ZEROS" | "LOWEST" = "ZEROS"): void =>
  w.line(`let ${[0, 1, 2, 3].map((j) => `${name}${j} = v128.load(${start}${half(j % 2)})`).join(", ")};`);
/** The sum of all lanes of four accumulators, and the largest lane. */
export const sumOf = (name: string): string =>
  `sum8(f32x4.add(${name}0, ${name}2), f32x4.add(${name}1, ${name}3), spill)`;
export const maxOf = (name: string): string =>
  `max8(f32x4.pmax(${name}0, ${name}2), f32x4.pmax(${name}1, ${name}3), spill)`;

/** n · w + b, where either may be absent. */
export const affine = (n: string, w: string | undefined, b: string | undefined): string =>
  w && b ? `madd(${n}, ${w}, ${b})` : w ? `f32x4.mul(${n}, ${w})` : b ? `f32x4.add(${n}, ${b})` : n;

/**
 * Zeroes the padding of a vector [R] that is written one scalar per row. The worker that has the last row
 * does it.
 */
export function padVector(w: Writer, base: string, R: number): void {
  const padding = rowBytes(R) - 4 * R;
  if (padding > 0)
    w.line(`if (last == ${R} && first < last) memory.fill(${base} + ${4 * R}, 0, ${padding});`);
}

/**
 * Sums over rows, for gradients of vectors. A task is a line of columns. The worker walks down all rows, four
 * at a time, and along its own columns in each, so that memory is read in long pieces; the sums stay in L1.
 * The order of the additions depends on R alone.
 *
 * `head` writes locals for row r + k. `sums` gives for each gradient its term in row r + k, where load("x")
 * is a vector of x[r + k].
 */
export function columnSums(
  w: Writer,
  { R, C }: { readonly R: number; readonly C: number },
  tensors: readonly string[],
  head: (k: number) => readonly string[],
  sums: Readonly<Record<string, (k: number, load: (tensor: string) => string) => string>>,
): void {
  const bytes = rowBytes(C);
  const gradients = Object.keys(sums);
  const together = R - (R % 4);
  w.line(`const from = <usize>first * ${LINE_BYTES}, to = <usize>last * ${LINE_BYTES}; // bytes in a row`);
  for (const g of gradients) w.line(`if (!accumulate) memory.fill(${g} + from, 0, to - from);`);
  const walk = (start: number, end: number, rows: readonly number[]): void => {
    if (start >= end) return;
    w.block(`for (let r: usize = ${start}; r < ${end}; r += ${rows.length})`, () => {
      for (const t of tensors) w.line(`const ${t}_r = ${t} + r * ${bytes};`);
      for (const k of rows) for (const text of head(k)) w.line(text);
      w.block(`for (let i = from; i < to; i += 32)`, () => {
        for (const t of tensors) w.line(`const ${t}_i = ${t}_r + i;`);
        for (const g of gradients) w.line(`const ${g}_i = ${g} + i;`);
        for (const [end, offset] of [
          ["lo", 0],
          ["hi", 16],
        ] as const)
          for (const [g, term] of Object.entries(sums)) {
            const terms = rows.map((k) => term(k, (t) => `v128.load(${t}_i, ${k * bytes + offset})`));
            w.line(`const ${g}_${end} = f32x4.add(v128.load(${g}_i, ${offset}), ${sumTree(terms)});`);
          }
        for (const g of gradients)
          for (const [end, offset] of [
            ["lo", 0],
            ["hi", 16],
          ] as const)
            w.line(`v128.store(${g}_i, ${g}_${end}, ${offset});`);
      });
    });
  };
  walk(0, together, [0, 1, 2, 3]);
  walk(together, R, [0]);
}

/** a + b + c + …, as a balanced tree. */
const sumTree = (terms: readonly string[]): string =>
  terms.length === 1
    ? terms[0]!
    : `f32x4.add(${sumTree(terms.slice(0, terms.length >> 1))}, ${sumTree(terms.slice(terms.length >> 1))})`;

export const columnTasks = (C: number): number => rowFloats(C) / 16;

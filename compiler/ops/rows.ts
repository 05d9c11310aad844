/**
 * Loops that kernels over rows share. A row is whole 64-byte lines: four v128, two adjacent pairs, which `wide` joins.
 *
 *   x + i:   | 16 floats | 16 floats | … | last line, where some lanes may be padding |
 *
 * Columns are known when the kernel is emitted, so the last line gets its own code, masked by constants; full lines have no mask.
 */
import { rowFloats } from "../op.ts";
import type { Writer } from "../writer.ts";

export const LINE_BYTES = 64;
export const rowBytes = (columns: number): number => rowFloats(columns) * 4;

/** One v128 of a line: j = 0…3. `i` is a usize local, the line's byte offset in its row. */
export interface Vector {
  readonly j: number;
  /** Which of its four lanes are columns: "none" where the vector is padding. */
  readonly inside: "all" | "some" | "none";
  load(row: string): string;
  store(row: string, value: string): string;
  /** The value with zeros in the padding lanes; or with `outside` there. */
  keep(value: string, outside?: string): string;
}

/** `for (i …)` over the lines of a row of C columns; `body` writes the code of one vector, or calls it for all four itself. */
export function eachLine(w: Writer, C: number, body: (vectors: readonly Vector[]) => void): void {
  const full = Math.floor(C / 16) * LINE_BYTES, left = C % 16;
  if (full > 0) w.block(`for (let i: usize = 0; i < ${full}; i += ${LINE_BYTES})`, () => body([0, 1, 2, 3].map((j) => vector(j, 4))));
  if (left > 0) w.block("", () => {
    w.line(`const i: usize = ${full}; // the last line: ${left} columns, the rest is padding`);
    body([0, 1, 2, 3].map((j) => vector(j, Math.min(4, left - 4 * j))));
  });
}

export const eachVector = (w: Writer, C: number, body: (v: Vector) => void): void => eachLine(w, C, (vectors) => vectors.forEach(body));

function vector(j: number, lanes: number): Vector {
  const place = (row: string): string => `${row} + i`;
  const offset = j === 0 ? "" : `, ${16 * j}`;
  const mask = `i32x4(${[0, 1, 2, 3].map((lane) => (lane < lanes ? -1 : 0)).join(", ")})`;
  const inside = lanes >= 4 ? "all" : lanes > 0 ? "some" : "none";
  return {
    j,
    inside,
    load: (row) => `v128.load(${place(row)}${offset})`,
    store: (row, value) => `v128.store(${place(row)}, ${value}${offset});`,
    keep: (value, outside = "ZERO") =>
      inside === "all" ? value : inside === "none" ? outside : outside === "ZERO" ? `v128.and(${value}, ${mask})` : `v128.bitselect(${value}, ${outside}, ${mask})`,
  };
}

/** `for (r …)` over the worker's rows; names the row's address in each tensor: `x_r` for `x`. */
export function eachRow(w: Writer, rows: Readonly<Record<string, string>>, C: number, body: () => void): void {
  w.block("for (let r = first; r < last; r++)", () => {
    for (const [name, base] of Object.entries(rows)) w.line(`const ${name} = ${base} + <usize>r * ${rowBytes(C)};`);
    body();
  });
}

/** The worker's rows as one stretch of memory, in pairs: for kernels in which a column does not matter and f(0) = 0. */
export function eachPair(w: Writer, C: number, out: string, value: (load: (base: string) => string) => string): void {
  w.line(`const end = <usize>last * ${rowBytes(C)};`);
  w.block(`for (let i = <usize>first * ${rowBytes(C)}; i < end; i += 32)`, () => {
    w.line(`const lo = ${value((base) => `v128.load(${base} + i)`)};`);
    w.line(`const hi = ${value((base) => `v128.load(${base} + i, 16)`)};`);
    w.line(`v128.store(${out} + i, lo);`);
    w.line(`v128.store(${out} + i, hi, 16);`);
  });
}

/** Four accumulators, one per vector of a line: `name0` … `name3`. */
export const accumulators = (w: Writer, name: string, start = "ZERO"): void =>
  w.line(`let ${[0, 1, 2, 3].map((j) => `${name}${j} = ${start}`).join(", ")};`);
/** Their sum, or their largest lane. */
export const sumOf = (name: string): string => `sum8(f32x4.add(${name}0, ${name}2), f32x4.add(${name}1, ${name}3), spill)`;
export const maxOf = (name: string): string => `max8(f32x4.pmax(${name}0, ${name}2), f32x4.pmax(${name}1, ${name}3), spill)`;

/** Zeroes the padding of a vector [R] that is written one scalar per row: done by the worker that has the last row. */
export function padVector(w: Writer, base: string, R: number): void {
  const padding = rowBytes(R) - 4 * R;
  if (padding > 0) w.line(`if (last == ${R} && first < last) memory.fill(${base} + ${4 * R}, 0, ${padding});`);
}

/**
 * Sums over rows, for gradients of vectors: tasks are lines of columns. The worker walks down all rows, `together` at a time, and
 * along its own columns in each, so that memory is read in long stretches; the sums stay in L1. The order of the additions
 * depends on nothing but R.
 *
 * `sums`: gradient's address → the sum of its terms in `rows` rows, for the pair's half at `+ offset`.
 */
export function columnSums(
  w: Writer, R: number, together: number,
  head: (row: number) => readonly string[],
  sums: Readonly<Record<string, (rows: readonly number[], half: ", 16" | "") => string>>,
): void {
  w.line(`const from = <usize>first * ${LINE_BYTES}, to = <usize>last * ${LINE_BYTES}; // bytes in a row`);
  for (const gradient of Object.keys(sums)) w.line(`if (!accumulate) memory.fill(${gradient} + from, 0, to - from);`);
  const walk = (start: number, end: number, count: number): void => {
    if (start >= end) return;
    const rows = Array.from({ length: count }, (_, k) => k);
    w.block(`for (let r: usize = ${start}; r < ${end}; r += ${count})`, () => {
      for (const k of rows) for (const text of head(k)) w.line(text);
      w.block(`for (let i = from; i < to; i += 32)`, () => {
        for (const [gradient, sum] of Object.entries(sums)) {
          w.line(`const ${gradient}_lo = f32x4.add(v128.load(${gradient} + i), ${sum(rows, "")});`);
          w.line(`const ${gradient}_hi = f32x4.add(v128.load(${gradient} + i, 16), ${sum(rows, ", 16")});`);
          w.line(`v128.store(${gradient} + i, ${gradient}_lo);`);
          w.line(`v128.store(${gradient} + i, ${gradient}_hi, 16);`);
        }
      });
    });
  };
  walk(0, R - (R % together), together);
  walk(R - (R % together), R, 1);
}

/** a + b + c + …, as a balanced tree. */
export const sumTree = (terms: readonly string[]): string =>
  terms.length === 1 ? terms[0]! : `f32x4.add(${sumTree(terms.slice(0, terms.length >> 1))}, ${sumTree(terms.slice(terms.length >> 1))})`;

export const columnTasks = (C: number): number => rowFloats(C) / 16;

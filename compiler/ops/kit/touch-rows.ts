/**
 * Lines of memory that are asked for before they are needed. A core waits for memory some 100 ns, and the
 * little code that would come to the next line meanwhile does not fit into what it looks ahead; lines that
 * nothing but loads asks for, one after the other, arrive together.
 */
import { LINE_BYTES } from "./row-loops.ts";
import { count, type Writer } from "./writer.ts";

/**
 * Bytes of activations that stay in L1 (32 KiB) beside weights that pass through it. Measured: 18 KiB do, 20
 * do not (bench/EXPERIMENTS.md).
 */
export const STAY_IN_L1_BYTES = 19 * 1024;

/** A function (row, rows, bytes): touches so many lines of each row, rows `bytes` apart. */
export function touchFunction(w: Writer, lines = 1): string {
  const name = `touch_rows${lines === 1 ? "" : `_${lines}`}`;
  return w.helper(name, (f) => {
    f.line("/** Loads a word of each line and forgets it: the line is then on the way to this core. */");
    f.block(`function ${name}(row: usize, rows: i32, bytes: usize): void`, () => {
      f.block("for (const end = row + <usize>rows * bytes; row < end; row += bytes)", () => {
        for (const i of count(lines)) f.line(`load<i32>(row${i === 0 ? "" : `, ${LINE_BYTES * i}`});`);
      });
    });
  });
}

/** So many rows are touched side by side: each is a stream to the prefetchers. */
const SIDE_BY_SIDE = 16;
/** About so much is touched at once by those who copy it then. Twice and half as much are as good. */
export const TOUCHED_BYTES = 32 * 1024;

/** Rows to be touched at once, of so many bytes each. */
export const rowsTouchedAtOnce = (bytes: number): number =>
  Math.max(1, Math.round(TOUCHED_BYTES / bytes / SIDE_BY_SIDE)) * SIDE_BY_SIDE;

/** A function (at, rows, bytes): touches `bytes` of each row, rows `rowBytes` apart. */
export function touchPieces(w: Writer, rowBytes: number): string {
  const name = `touch_pieces_row${rowBytes}`;
  return w.helper(name, (f) => {
    f.line(`/** Touches \`bytes\` of each row, ${SIDE_BY_SIDE} rows side by side. */`);
    f.block(`function ${name}(at: usize, rows: usize, bytes: usize): void`, () => {
      for (const side of [SIDE_BY_SIDE, 1])
        f.block(`for (; rows >= ${side}; rows -= ${side}, at += ${side * rowBytes})`, () =>
          f.block(`for (let line = at, end = at + bytes; line < end; line += ${LINE_BYTES})`, () => {
            for (const i of count(side)) f.line(`load<i32>(line${i === 0 ? "" : `, ${i * rowBytes}`});`);
          }),
        );
    });
  });
}

/** A call that touches so many lines, one after the other. */
export const touchLines = (w: Writer, at: string, lines: number | string): string =>
  `${touchFunction(w)}(${at}, ${lines}, ${LINE_BYTES});`;

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

/** A call that touches so many lines, one after the other. */
export const touchLines = (w: Writer, at: string, lines: number | string): string =>
  `${touchFunction(w)}(${at}, ${lines}, ${LINE_BYTES});`;

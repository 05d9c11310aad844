/**
 * Functions that move rows between tensors and scratch. Rows need not be whole vectors here: a head's columns
 * end where the next head's begin.
 */
import type { Writer } from "./writer.ts";

/** to[rows,D] = from[rows,D], times α[rows] if `scaled`. It writes D floats per row and no more. */
export function copyRowsFunction(
  w: Writer,
  D: number,
  fromRow: number,
  toRow: number,
  scaled: boolean,
): string {
  const name = `copy_rows_${D}_f${fromRow}_t${toRow}${scaled ? "_scaled" : ""}`;
  return w.helper(name, (f) => {
    f.line(
      `/** to[rows,${D}] = from[rows,${D}]${scaled ? " · alpha[rows]" : ""}   bytes a row: from ` +
        `${fromRow}, to ${toRow} */`,
    );
    f.block(
      `function ${name}(from: usize, to: usize, rows: i32${scaled ? ", alpha: usize" : ""}): void`,
      () => {
        f.block(`for (let r = 0; r < rows; r++, from += ${fromRow}, to += ${toRow})`, () => {
          if (scaled)
            f.line(`const times = load<f32>(alpha + (<usize>r << 2)), times4 = f32x4.splat(times);`);
          const whole = D - (D % 4);
          if (whole > 0)
            f.line(
              `for (let c: usize = 0; c < ${whole * 4}; c += 16) v128.store(to + c, ` +
                `${scaled ? "f32x4.mul(v128.load(from + c), times4)" : "v128.load(from + c)"});`,
            );
          for (let c = whole; c < D; c++)
            f.line(`store<f32>(to, load<f32>(from, ${c * 4})${scaled ? " * times" : ""}, ${c * 4});`);
        });
      },
    );
  });
}

/** at[0 … count) = 0, float by float: for the ends of rows. */
export function zeroFloats(w: Writer): string {
  return w.helper("zero_floats", (f) => {
    f.line(`/** at[count] = 0 */`);
    f.block(`function zero_floats(at: usize, count: i32): void`, () =>
      f.line(`for (let i = 0; i < count; i++) store<f32>(at + (<usize>i << 2), 0);`),
    );
  });
}

/** x[rows,C] = 0 for a C that is a multiple of 4: a head's part of wider rows. */
export function zeroRowsFunction(w: Writer, C: number, rowBytes: number): string {
  const name = `zero_rows_${C}_s${rowBytes}`;
  return w.helper(name, (f) => {
    f.line(`/** x[rows,${C}] = 0, ${rowBytes} bytes a row */`);
    f.block(`function ${name}(x: usize, rows: i32): void`, () =>
      f.line(
        `for (let r = 0; r < rows; r++, x += ${rowBytes}) for (let c: usize = 0; c < ${C * 4}; c += 16) ` +
          "v128.store(x + c, ZERO);",
      ),
    );
  });
}

/** Fills so many bytes, a multiple of 16, with zeros. */
export function zeroBytes(w: Writer): string {
  return w.helper("zero_bytes", (f) => {
    f.line(`/** bytes (a multiple of 16) of zeros */`);
    f.block(`function zero_bytes(at: usize, bytes: usize): void`, () =>
      f.line(`for (let i: usize = 0; i < bytes; i += 16) v128.store(at + i, ZERO);`),
    );
  });
}

/** Zeroes the padding of `rows` rows: what lies behind their columns in rows of rowBytes. */
export function emitZeroPadding(
  w: Writer,
  at: string,
  columns: number,
  rowBytes: number,
  rows: string,
): void {
  const left = rowBytes / 4 - columns;
  if (left > 0)
    w.line(
      `for (let r = 0; r < ${rows}; r++) ${zeroFloats(w)}(${at} + <usize>r * ${rowBytes} + ` +
        `${columns * 4}, ${left});`,
    );
}

/**
 * A few rows of a with b as it lies in memory: nothing is packed, and every element of b is read once. Eight
 * rows of b at a time meet the rows of a, of which up to four have their sums in registers:
 *
 *   sums[rows, columns] += a[rows, 8] · b[8, columns]
 *
 * Where b comes from memory, its next rows are touched in order before they are multiplied. A core looks some
 * hundred instructions ahead: these are as many lines on the way if there are nothing but loads, and twenty
 * if each line brings its multiply-adds along. The tiles then read the rows from the second cache.
 *
 * One row alone has loops of its own: `rowStream`.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import { LINE_BYTES } from "../../kit/row-loops.ts";
import { touchLines } from "../../kit/touch-rows.ts";
import { count, type Writer } from "../../kit/writer.ts";

/** Rows of b that a tile's sums take up before they are stored. */
const STEPS = 8;
/**
 * What is touched at once, a multiple of STEPS rows of b: of short rows some 48 KiB, since the first lines of
 * each piece are waited for; of long rows pieces of 16 KiB, so that all of it stays in the second cache.
 */
const TOUCHED_BYTES = 48 * 1024;
const TOUCHED_ROW_BYTES = 16 * 1024;
/** Rows of a that have their sums in registers. */
const TOGETHER = 4;
/** Columns of a tile by its rows, as many as registers hold sums; the last columns come in lines of LINE. */
const widths: Readonly<Record<Target, readonly number[]>> = {
  wide: [0, 64, 32, 16, 16],
  relaxed: [0, 32, 16, 8, 8],
  simd: [0, 32, 16, 8, 8],
};
const LINE = 16;

/** Bytes from one row to the next of b, a and the sums. */
export interface RowBytes {
  readonly b: number;
  readonly a: number;
  readonly sums: number;
}

/** A smaller matrix is in a core's caches already, and nothing of it is touched. */
export const LEAST_TOUCHED_BYTES = 256 * 1024;

/**
 * The loop over rows of b: from `from` to before `to` (i32 expressions), all of which meet `rows` rows of a.
 * `a` is the address of the first element of a's first row, `b` that of b's first row and the first column.
 * b is a part of a matrix of `matrixBytes`.
 */
export function eachStreams(
  w: Writer,
  target: Target,
  strides: RowBytes,
  matrixBytes: number,
  range: { readonly from: string; readonly to: string },
  call: Readonly<Record<"a" | "b" | "sums" | "bytes" | "rows", string>>,
): void {
  const { from, to } = range;
  const { a, b, sums, bytes, rows } = call;
  const touches = matrixBytes >= LEAST_TOUCHED_BYTES;
  const [most, group] = touches
    ? [touchedRows(strides.b), touchedGroups(w, target, strides)]
    : [STEPS, rowGroups(w, target, strides)];
  w.block(`for (let k = ${from}; k < ${to}; k += ${most})`, () =>
    w.line(
      `${group}(${a} + <usize>k * 4, ${b} + <usize>k * ${strides.b}, ${sums}, ` +
        `${bytes}, min(${most}, ${to} - k), ${rows});`,
    ),
  );
}

const touchedRows = (bRow: number): number =>
  Math.max(STEPS, Math.floor(TOUCHED_BYTES / bRow / STEPS) * STEPS);

/** A function (a, b, sums, bytes, steps, rows) like `rowGroups`, for any number of steps. */
function touchedGroups(w: Writer, target: Target, strides: RowBytes): string {
  const { a, b, sums } = strides;
  const name = `touched_rows_b${b}_a${a}_s${sums}`;
  return w.helper(name, (h) => {
    const group = rowGroups(h, target, strides);
    h.line(
      "/** sums[rows] += a[rows, steps] · b[steps] over `bytes` of columns, after b is touched in order */",
    );
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, bytes: usize, steps: i32, rows: i32): void`,
      () => {
        h.line(`const last = b + <usize>steps * ${b};`);
        h.block(`for (let from: usize = 0; from < bytes; from += ${TOUCHED_ROW_BYTES})`, () => {
          h.line(`const columns = min(bytes - from, ${TOUCHED_ROW_BYTES});`);
          const lines = `<i32>(columns / ${LINE_BYTES})`;
          h.line(`for (let row = b; row < last; row += ${b}) ${touchLines(h, "row + from", lines)}`);
          h.block(`for (let k = 0; k < steps; k += ${STEPS})`, () =>
            h.line(
              `${group}(a + <usize>k * 4, b + <usize>k * ${b} + from, sums + from, columns, ` +
                `min(${STEPS}, steps - k), rows);`,
            ),
          );
        });
      },
    );
  });
}

/**
 * A function (a, b, sums, bytes, steps, rows): sums[rows] += a[rows, steps] · b[steps] over `bytes` of
 * columns.
 */
function rowGroups(w: Writer, target: Target, strides: RowBytes): string {
  const { a, b, sums } = strides;
  const name = `few_rows_b${b}_a${a}_s${sums}`;
  return w.helper(name, (h) => {
    h.line("/** sums[rows] += a[rows, steps] · b[steps] over `bytes` of columns */");
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, bytes: usize, steps: i32, rows: i32): void`,
      () => {
        const tile = (mr: number): string => `${rowTile(h, mr, target, strides)}(a, b, sums, bytes, steps);`;
        h.block(`for (; rows >= ${TOGETHER}; rows -= ${TOGETHER})`, () => {
          h.line(tile(TOGETHER));
          h.line(`a += ${TOGETHER * a}; sums += ${TOGETHER * sums};`);
        });
        for (const mr of count(TOGETHER).slice(1))
          h.line(`${mr > 1 ? "else " : ""}if (rows == ${mr}) ${tile(mr)}`);
      },
    );
  });
}

/** A function (a, b, sums, bytes, steps): the same for mr rows, tile after tile along the columns. */
function rowTile(w: Writer, mr: number, target: Target, strides: RowBytes): string {
  const width = widths[target][mr]!;
  const name = `few_rows_${mr}x${width}_b${strides.b}_a${strides.a}_s${strides.sums}`;
  return w.helper(name, (h) => {
    h.line(`/** sums[${mr}] += a[${mr}, steps] · b[steps] over \`bytes\` of columns, ${width} at a time */`);
    h.block(`function ${name}(a: usize, b: usize, sums: usize, bytes: usize, steps: i32): void`, () => {
      h.line(`const aEnd = a + <usize>steps * 4, end = b + bytes;`);
      if (width > LINE) {
        h.line(`const last = b + bytes / ${4 * width} * ${4 * width};`);
        tiles(h, mr, width, strides, "last");
      }
      tiles(h, mr, Math.min(width, LINE), strides, "end");
    });
  });
}

function tiles(h: Writer, mr: number, width: number, strides: RowBytes, end: string): void {
  const rows = count(mr);
  const vectors = count(width / 4);
  const sumAt = (m: number, j: number): string => `sums, ${m * strides.sums + 16 * j}`;
  h.block(`for (; b < ${end}; b += ${4 * width}, sums += ${4 * width})`, () => {
    for (const m of rows)
      h.line(`let ${vectors.map((j) => `s${m}_${j} = v128.load(${sumAt(m, j)})`).join(", ")};`);
    h.block(`for (let x = a, y = b; x < aEnd; x += 4, y += ${strides.b})`, () => {
      h.line(`const ${vectors.map((j) => `b${j} = v128.load(y, ${16 * j})`).join(", ")};`);
      for (const m of rows) {
        h.line(`const a${m} = v128.load32_splat(x, ${m * strides.a});`);
        h.line(vectors.map((j) => `s${m}_${j} = madd(a${m}, b${j}, s${m}_${j});`).join(" "));
      }
    });
    for (const m of rows)
      h.line(vectors.map((j) => `v128.store(sums, s${m}_${j}, ${m * strides.sums + 16 * j});`).join(" "));
  });
}

/**
 * A function (a, b, sums, bytes): so many rows of b are multiplied by one row of a and added to the sums,
 * `vectors` vectors of columns at a time.
 */
export function rowStream(w: Writer, rows: number, bRow: number, vectors: number): string {
  const name = `row_stream_${rows}x${4 * vectors}_row${bRow}`;
  const columns = count(vectors);
  return w.helper(name, (h) => {
    h.line(`/** sums += a[${rows}] · b[${rows}] over \`bytes\` of columns */`);
    h.block(`function ${name}(a: usize, b: usize, sums: usize, bytes: usize): void`, () => {
      for (const r of count(rows)) h.line(`const a${r} = v128.load32_splat(a, ${4 * r});`);
      h.block(`for (const end = b + bytes; b < end; b += ${16 * vectors}, sums += ${16 * vectors})`, () => {
        h.line(`let ${columns.map((j) => `s${j} = v128.load(sums, ${16 * j})`).join(", ")};`);
        for (const r of count(rows)) {
          h.line(
            `const ${columns.map((j) => `b${r}_${j} = v128.load(b, ${r * bRow + 16 * j})`).join(", ")};`,
          );
          h.line(columns.map((j) => `s${j} = madd(a${r}, b${r}_${j}, s${j});`).join(" "));
        }
        h.line(columns.map((j) => `v128.store(sums, s${j}, ${16 * j});`).join(" "));
      });
    });
  });
}

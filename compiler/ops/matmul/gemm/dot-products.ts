/**
 * Products of rows of a with rows of b[N,K], of any number, in one order: 16 lanes run along K, and are
 * summed at the end as `sum8` does it (8-emit/prelude.ts). Every row of b is read once.
 *
 *   up to 4 rows   one row of b after the other, as memory has them, while all rows of a stay in L1:
 *                  prefetchers follow one long stream best
 *   more           tiles of 2 × 4: four rows of b meet two rows of a after the other. A large b is touched
 *                  in order first, 16 rows at once (row-tiles.ts says why).
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import { LINE_BYTES } from "../../kit/row-loops.ts";
import { STAY_IN_L1_BYTES, touchLines } from "../../kit/touch-rows.ts";
import { transpose4 } from "../../kit/transpose.ts";
import { count, type Writer } from "../../kit/writer.ts";
import { LEAST_TOUCHED_BYTES } from "./row-tiles.ts";

/** Rows of b in a task. */
export const COLUMNS = 16;
/** Rows of a and of b in a tile. */
export const TILE = { a: 2, b: 4 } as const;
/** From one row of a tile to the next. */
export const APART = COLUMNS / TILE.b;
/** Up to so many rows of a, one row of b is at work at a time. */
export const ONE_STREAM = 4;
/** A task's rows that are longer in all do not stay in every second cache. */
const MOST_TOUCHED_BYTES = 256 * 1024;
/** Up to so many rows of a, one row of b at a time: with a large b, as many as stay in L1 beside it. */
const oneStream = (row: number, touches: boolean): number =>
  touches ? Math.min(ONE_STREAM, Math.max(TILE.a, Math.floor(STAY_IN_L1_BYTES / row))) : ONE_STREAM;

/**
 * A function (a, b, sums, columns, rows, spill): sums[rows, 16] = a[rows] · b[columns]ᵀ. Rows of a and b are
 * `row` bytes long, padding (zeros) included. b is a part of a matrix of `matrixBytes`.
 */
export function dotProducts(w: Writer, target: Target, row: number, matrixBytes: number): string {
  const touches = matrixBytes >= LEAST_TOUCHED_BYTES && COLUMNS * row <= MOST_TOUCHED_BYTES;
  const name = `dot_products_row${row}${touches ? "_touched" : ""}`;
  const ofB: TileStrides = { row, apart: APART * row, sums: COLUMNS * 4 };
  return w.helper(name, (h) => {
    h.line(`/** sums[rows, ${COLUMNS}] = a[rows] · b[columns]ᵀ, rows ${row} bytes long */`);
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, columns: i32, rows: i32, spill: usize): void`,
      () => {
        for (const mr of count(TILE.a + 1).slice(1))
          h.line(`if (rows == ${mr}) return ${dotsOfRow(h, mr, row)}(a, b, sums, columns, spill);`);
        h.block(`if (rows > ${oneStream(row, touches)} && columns == ${COLUMNS})`, () => {
          if (touches) h.line(touchLines(h, "b", (COLUMNS * row) / LINE_BYTES));
          h.block(`for (const end = b + ${APART * row}; b < end; b += ${row}, sums += 4)`, () =>
            overRows(h, (mr) => `${dotTile(h, mr, target, ofB)}(a_r, b, sums_r, spill)`, ofB),
          );
          h.line("return;");
        });
        h.block(`for (const end = b + <usize>columns * ${row}; b < end; b += ${row}, sums += 4)`, () =>
          overRows(h, (mr) => `${dotsOfRow(h, mr, row)}(a_r, b, sums_r, 1, spill)`, ofB),
        );
      },
    );
  });
}

/** Bytes of a row of a and b, from one row of b to the next in a tile, and from row to row of the sums. */
export interface TileStrides {
  readonly row: number;
  readonly apart: number;
  readonly sums: number;
}

/** Calls for two rows of a after the other, with the locals a_r and sums_r; then for one that is left. */
export function overRows(h: Writer, call: (mr: number) => string, { row, sums }: TileStrides): void {
  h.line("let a_r = a, sums_r = sums, left = rows;");
  h.block(
    `for (; left >= ${TILE.a}; left -= ${TILE.a}, a_r += ${TILE.a * row}, sums_r += ${TILE.a * sums})`,
    () => h.line(`${call(TILE.a)};`),
  );
  h.line(`if (left == 1) ${call(1)};`);
}

/**
 * A function (a, b, sums, rows, spill): mr rows of a with one row of b after the other. Two pairs of sums for
 * each row of a hide the latency.
 */
export function dotsOfRow(w: Writer, mr: number, row: number): string {
  const name = `dots_of_row_${mr}_row${row}`;
  const chains = count(2);
  const halves = [0, 16];
  return w.helper(name, (h) => {
    h.line(`/** sums[${mr},rows] = a[${mr}] · b[rows]ᵀ, rows ${row} bytes long, padding (zeros) included */`);
    h.block(`function ${name}(a: usize, b: usize, sums: usize, rows: i32, spill: usize): void`, () => {
      h.block(`for (const last = sums + <usize>rows * 4; sums < last; sums += 4)`, () => {
        h.line(
          `let ${count(mr)
            .flatMap((m) => chains.flatMap((c) => [`s${m}_${c} = ZERO`, `t${m}_${c} = ZERO`]))
            .join(", ")};`,
        );
        h.block(`for (let from = a, end = a + ${row}; from < end; from += 64)`, () => {
          for (const c of chains) {
            const loads = halves.map((half) => `${half ? "f" : "b"}${c} = v128.load(b, ${32 * c + half})`);
            h.line(`const ${loads.join(", ")};`);
            for (const m of count(mr)) {
              const x = (half: number): string => `v128.load(from, ${m * row + 32 * c + half})`;
              h.line(
                `s${m}_${c} = madd(${x(0)}, b${c}, s${m}_${c}); t${m}_${c} = madd(${x(16)}, f${c}, ` +
                  `t${m}_${c});`,
              );
            }
          }
          h.line("b += 64;");
        });
        for (const m of count(mr))
          h.line(
            `store<f32>(sums, sum8(f32x4.add(s${m}_0, s${m}_1), f32x4.add(t${m}_0, t${m}_1), spill + ` +
              `${32 * m}), ${m * COLUMNS * 4});`,
          );
      });
    });
  });
}

/**
 * The lanes, four at a time, that a pass over K sums up: bytes in a line. All at once would not fit into
 * registers, and the rows are in L1 after the first pass.
 */
const passes: Readonly<Record<Target, readonly (readonly number[])[]>> = {
  wide: [
    [0, 16],
    [32, 48],
  ],
  relaxed: [[0], [16], [32], [48]],
  simd: [[0], [16], [32], [48]],
};

/**
 * A function (a, b, sums, spill): mr rows of a with four rows of b; sums[mr, 4], columns APART from each
 * other. It has the order of `dotsOfRow`.
 */
export function dotTile(w: Writer, mr: number, target: Target, strides: TileStrides): string {
  const { row, apart, sums } = strides;
  const name = `dot_tile_${mr}x${TILE.b}_row${row}_b${apart}_s${sums}`;
  const rows = count(mr);
  const columns = count(TILE.b);
  /** Where a pair's lanes wait: eight floats, the lanes of both halves of a line added. */
  const place = (i: number, j: number, lane: number): number => 32 * (TILE.b * i + j) + (lane % 32);
  return w.helper(name, (h) => {
    h.line(`/** sums[${mr},${TILE.b}] = a[${mr}] · b[${TILE.b}]ᵀ, b's rows ${apart} bytes apart */`);
    h.block(`function ${name}(a: usize, b: usize, sums: usize, spill: usize): void`, () => {
      for (const lanes of passes[target])
        h.block("", () => {
          multiplyLanes(h, mr, lanes, strides);
          const all = rows.flatMap((i) => columns.flatMap((j) => lanes.map((l) => ({ i, j, l }))));
          const isFirst = lanes[0]! < 32;
          for (const { i, j, l } of all)
            if (!isFirst)
              h.line(`s${i}_${j}_${l} = f32x4.add(v128.load(spill, ${place(i, j, l)}), s${i}_${j}_${l});`);
          for (const { i, j, l } of all) h.line(`v128.store(spill, s${i}_${j}_${l}, ${place(i, j, l)});`);
        });
      for (const i of rows)
        h.block("", () => sumLanes(h, i * sums, (j, lane) => `spill, ${place(i, j, lane)}`));
    });
  });
}

/** Declares the sums of some lanes of each pair of rows, over all of K. */
function multiplyLanes(h: Writer, mr: number, lanes: readonly number[], { row, apart }: TileStrides): void {
  const rows = count(mr);
  const columns = count(TILE.b);
  const all = rows.flatMap((i) => columns.flatMap((j) => lanes.map((l) => `s${i}_${j}_${l} = ZERO`)));
  h.line(`let ${all.join(", ")};`);
  h.block(`for (let x = a, y = b, end = a + ${row}; x < end; x += 64, y += 64)`, () => {
    for (const j of columns)
      h.line(`const ${lanes.map((l) => `b${j}_${l} = v128.load(y, ${j * apart + l})`).join(", ")};`);
    for (const i of rows) {
      h.line(`const ${lanes.map((l) => `a${i}_${l} = v128.load(x, ${i * row + l})`).join(", ")};`);
      for (const j of columns)
        h.line(
          lanes.map((l) => `s${i}_${j}_${l} = madd(a${i}_${l}, b${j}_${l}, s${i}_${j}_${l});`).join(" "),
        );
    }
  });
}

/** The sums of four pairs' lanes, as `sum8` adds them, to row `at` (bytes) of the sums. */
function sumLanes(h: Writer, at: number, place: (j: number, lane: number) => string): void {
  const columns = count(TILE.b);
  for (const j of columns)
    h.line(`const v${j} = f32x4.add(v128.load(${place(j, 0)}), v128.load(${place(j, 16)}));`);
  transpose4(
    h,
    columns.map((j) => `v${j}`),
    "l",
  );
  h.line("const sum = f32x4.add(f32x4.add(l0, l1), f32x4.add(l2, l3));");
  for (const j of columns) h.line(`v128.store32_lane(sums, sum, ${j}, ${at + 4 * j * APART});`);
}

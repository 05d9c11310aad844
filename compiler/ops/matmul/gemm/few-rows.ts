/**
 * Products with one to four rows of a, as in decoding. Nothing is packed, and every element of b is read
 * once, at the speed of memory. A task is a group of 16 columns of out.
 *
 *   nn  several rows of b in each pass over the worker's columns of out, which wait in scratch
 *   nt  dot products with one row of b after the other, whose lanes are summed at the end, by way of `spill`
 *
 * The tile of sums in scratch then goes through the same epilogue as the tiles of tile-loops.ts.
 */
import type { DynamicTasks } from "../../kit/op.ts";
import type { Dims } from "../../kit/signature.ts";
import { count, type Writer } from "../../kit/writer.ts";
import { epilogueFunction, epilogueTensors } from "./epilogue.ts";
import { type Form, type MatmulKernel, type MatmulTensor } from "./cache-blocks.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";

/** Columns of a task: a cache line of f32. */
export const TASK_COLUMNS = 16;

export const fewRowsTasks = ({ N }: Dims): number => rowBytes(N!) / (TASK_COLUMNS * 4);
/**
 * The last eighth of the tasks is dynamic, in small pieces: memory may serve one worker better than another.
 */
export function fewRowsDynamic(d: Dims): DynamicTasks {
  const tasks = fewRowsTasks(d);
  const rest = Math.floor(tasks / 8);
  return { fixed: tasks - rest, grain: Math.max(8, Math.ceil(rest / 16)) };
}
export const fewRowsScratch = (form: Form, { M, N }: Dims): number =>
  form === "nn" ? M! * rowBytes(N!) : M! * TASK_COLUMNS * 4;

export function emitFewRows(
  w: Writer,
  at: Record<MatmulTensor, string>,
  form: Form,
  d: Dims,
  k: MatmulKernel,
): void {
  const sizes = d as Record<"M" | "N" | "K", number>;
  if (form === "nn") emitRowStreams(w, at, sizes, k);
  else emitDotProducts(w, at, sizes, k);
}

type Sizes = Readonly<Record<"M" | "N" | "K", number>>;

/**
 * Rows of b that are read at once: as many streams as the prefetchers follow. With four rows of a, sums that
 * spill cost more than streams gain.
 */
const STREAMS = 8;

/** nn: sums[M, the worker's columns] in scratch, pass after pass over rows of b. */
function emitRowStreams(
  w: Writer,
  at: Record<MatmulTensor, string>,
  { M, N, K }: Sizes,
  k: MatmulKernel,
): void {
  const bRow = rowBytes(N);
  const aRow = rowBytes(K);
  const rest = K % STREAMS;
  const vectors = k.target === "wide" ? 4 : 2;
  w.line(
    `const bytes = <usize>(last - first) * ${TASK_COLUMNS * 4}; ` +
      `// of the worker's columns; sums[${M}] of them in scratch`,
  );
  w.line(`const from = <usize>first * ${TASK_COLUMNS * 4};`);
  w.line(`memory.fill(scratch, 0, bytes * ${M});`);
  const pass = (rows: number): string => rowStream(w, M, rows, bRow, aRow, vectors);
  if (K >= STREAMS)
    w.block(`for (let k: usize = 0; k < ${K - rest}; k += ${STREAMS})`, () =>
      w.line(`${pass(STREAMS)}(${at.a} + k * 4, ${at.b} + k * ${bRow} + from, scratch, bytes);`),
    );
  if (rest > 0)
    w.line(
      `${pass(rest)}(${at.a} + ${(K - rest) * 4}, ${at.b} + ${(K - rest) * bRow} + from, scratch, bytes);`,
    );
  w.block(`for (let group: usize = 0; group < bytes; group += ${TASK_COLUMNS * 4})`, () => {
    const epilogue = epilogueFunction(w, k, TASK_COLUMNS);
    for (const m of count(M)) {
      const place = `from + group${m ? ` + ${m * bRow}` : ""}`;
      const tensors = epilogueTensors(k).map((t) =>
        t === "bias" ? `${at.bias} + from + group` : `${at[t]} + ${place}`,
      );
      const sums = `scratch${m ? ` + bytes * ${m}` : ""} + group`;
      w.line(`${epilogue}(${[sums, 1, `${at.out} + ${place}`, bRow, ...tensors].join(", ")});`);
    }
  });
}

/**
 * A function (a, b, sums, bytes): so many rows of b are multiplied and added to the sums, `vectors` vectors
 * of columns at a time. The splats of a single row of a stay in registers; those of several rows are loaded
 * again.
 */
export function rowStream(
  w: Writer,
  M: number,
  rows: number,
  bRow: number,
  aRow: number,
  vectors: number,
): string {
  const name = `row_stream_${M}x${rows}x${4 * vectors}_row${bRow}${M > 1 ? `_row${aRow}` : ""}`;
  const columns = count(vectors);
  const splat = (m: number, r: number): string =>
    `const a${m}_${r} = v128.load32_splat(a, ${m * aRow + 4 * r});`;
  return w.helper(name, (h) => {
    h.line(`/** sums[${M}] += a[${M},${rows}] · b[${rows}] over \`bytes\` of columns */`);
    h.block(`function ${name}(a: usize, b: usize, sums: usize, bytes: usize): void`, () => {
      if (M === 1) for (const r of count(rows)) h.line(splat(0, r));
      for (const m of count(M).slice(1)) h.line(`let sums${m} = sums + bytes * ${m};`);
      h.block(`for (const end = b + bytes; b < end; b += ${16 * vectors})`, () => {
        for (const m of count(M))
          h.line(
            `let ${columns.map((j) => `s${m}_${j} = v128.load(sums${m || ""}, ${16 * j})`).join(", ")};`,
          );
        for (const r of count(rows)) {
          h.line(
            `const ${columns.map((j) => `b${r}_${j} = v128.load(b, ${r * bRow + 16 * j})`).join(", ")};`,
          );
          for (const m of count(M))
            h.line(
              [
                ...(M > 1 ? [splat(m, r)] : []),
                ...columns.map((j) => `s${m}_${j} = madd(a${m}_${r}, b${r}_${j}, s${m}_${j});`),
              ].join(" "),
            );
        }
        for (const m of count(M))
          h.line(
            [
              ...columns.map((j) => `v128.store(sums${m || ""}, s${m}_${j}, ${16 * j});`),
              `sums${m || ""} += ${16 * vectors};`,
            ].join(" "),
          );
      });
    });
  });
}

function emitDotProducts(w: Writer, at: Record<MatmulTensor, string>, d: Sizes, k: MatmulKernel): void {
  const bRow = rowBytes(d.K);
  const dots = dotProducts(w, d.M, bRow);
  emitDotTasks(w, at, d, bRow, k, (rows, b) => `${dots}(${at.a}, ${b}, scratch, ${rows}, spill)`);
}

/**
 * The tasks as groups of 16 rows of b, each `bRow` bytes long. `dots` is the call that writes scratch[M,16]
 * from so many rows of b from an address on.
 */
export function emitDotTasks(
  w: Writer,
  at: Record<MatmulTensor, string>,
  { M, N }: Readonly<Record<"M" | "N", number>>,
  bRow: number,
  k: MatmulKernel,
  dots: (rows: string, b: string) => string,
): void {
  const outRow = rowBytes(N);
  const groups = outRow / (TASK_COLUMNS * 4);
  const valid = N - (groups - 1) * TASK_COLUMNS;
  w.block(`for (let group = first; group < last; group++)`, () => {
    w.line(`const place = <usize>group * ${TASK_COLUMNS * 4};`);
    if (valid < TASK_COLUMNS)
      w.line(`if (group == ${groups - 1}) memory.fill(scratch, 0, ${M * TASK_COLUMNS * 4});`);
    const rows =
      valid < TASK_COLUMNS ? `group == ${groups - 1} ? ${valid} : ${TASK_COLUMNS}` : `${TASK_COLUMNS}`;
    w.line(`${dots(rows, `${at.b} + <usize>group * ${TASK_COLUMNS * bRow}`)};`);
    const tensors = epilogueTensors(k).map((t) => `${at[t]} + place`);
    const values = ["scratch", M, `${at.out} + place`, outRow, ...tensors];
    w.line(`${epilogueFunction(w, k, TASK_COLUMNS)}(${values.join(", ")});`);
  });
}

/**
 * A function (a, b, sums, rows, spill). It takes one row of b after the other, as memory has them, because
 * prefetchers follow one long stream best. Two pairs of sums for each row of a hide the latency.
 */
function dotProducts(w: Writer, M: number, bRow: number): string {
  const name = `dot_products_${M}_row${bRow}`;
  const chains = count(2);
  const halves = [0, 16];
  return w.helper(name, (h) => {
    h.line(`/** sums[${M},rows] = a[${M}] · b[rows]ᵀ, rows ${bRow} bytes long, padding (zeros) included */`);
    h.block(`function ${name}(a: usize, b: usize, sums: usize, rows: i32, spill: usize): void`, () => {
      h.block(`for (const last = sums + <usize>rows * 4; sums < last; sums += 4)`, () => {
        h.line(
          `let ${count(M)
            .flatMap((m) => chains.flatMap((c) => [`s${m}_${c} = ZERO`, `t${m}_${c} = ZERO`]))
            .join(", ")};`,
        );
        h.block(`for (let from = a, end = a + ${bRow}; from < end; from += 64)`, () => {
          for (const c of chains) {
            const loads = halves.map((half) => `${half ? "f" : "b"}${c} = v128.load(b, ${32 * c + half})`);
            h.line(`const ${loads.join(", ")};`);
            for (const m of count(M)) {
              const x = (half: number): string => `v128.load(from, ${m * bRow + 32 * c + half})`;
              h.line(
                `s${m}_${c} = madd(${x(0)}, b${c}, s${m}_${c}); t${m}_${c} = madd(${x(16)}, f${c}, ` +
                  `t${m}_${c});`,
              );
            }
          }
          h.line("b += 64;");
        });
        for (const m of count(M))
          h.line(
            `store<f32>(sums, sum8(f32x4.add(s${m}_0, s${m}_1), f32x4.add(t${m}_0, t${m}_1), spill + ` +
              `${32 * m}), ${m * TASK_COLUMNS * 4});`,
          );
      });
    });
  });
}

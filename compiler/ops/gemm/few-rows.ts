/**
 * Products with one to four rows of a (decoding): nothing is packed, every element of b is read once, at the speed of memory.
 * A task is a group of 16 columns of out.
 *
 *   nn:  several rows of b per pass over the worker's columns of out, which wait in scratch
 *   nt:  dot products with several rows of b at once; the lanes are summed at the end, by way of `spill`
 *
 * tile[M,W] in scratch then goes through the same epilogue as the tiles of blocks.ts.
 */
import type { Dims, Kernel } from "../../op.ts";
import type { Writer } from "../../writer.ts";
import { epilogueFunction, epilogueTensors } from "./epilogue.ts";
import { rowBytes, type Form, type MatmulTensor } from "./shape.ts";

const GROUP = 16;
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export const fewRowsTasks = ({ N }: Dims): number => rowBytes(N!) / (GROUP * 4);
export const fewRowsScratch = (form: Form, { M, N }: Dims): number => (form === "nn" ? M! * rowBytes(N!) : M! * GROUP * 4);

export function emitFewRows(w: Writer, at: Record<MatmulTensor, string>, form: Form, d: Dims, k: Kernel<MatmulTensor>): void {
  const sizes = d as Record<"M" | "N" | "K", number>;
  if (form === "nn") emitRowStreams(w, at, sizes, k);
  else emitDotProducts(w, at, sizes, k);
}

type Sizes = Readonly<Record<"M" | "N" | "K", number>>;

/** Rows of b at once: as many streams as the prefetchers follow. With four rows of a, spilled sums cost more than streams gain. */
const STREAMS = 8;

/** sums[M, the worker's columns] in scratch. */
function emitRowStreams(w: Writer, at: Record<MatmulTensor, string>, { M, N, K }: Sizes, k: Kernel<MatmulTensor>): void {
  const bRow = rowBytes(N), aRow = rowBytes(K), rest = K % STREAMS, vectors = k.target === "wide" ? 4 : 2;
  w.line(`const bytes = <usize>(last - first) * ${GROUP * 4}; // of the worker's columns; sums[${M}] of them in scratch`);
  w.line(`const from = <usize>first * ${GROUP * 4};`);
  w.line(`memory.fill(scratch, 0, bytes * ${M});`);
  const pass = (rows: number): string => rowStream(w, M, rows, bRow, aRow, vectors);
  if (K >= STREAMS) w.block(`for (let k: usize = 0; k < ${K - rest}; k += ${STREAMS})`, () => w.line(`${pass(STREAMS)}(${at.a} + k * 4, ${at.b} + k * ${bRow} + from, scratch, bytes);`));
  if (rest > 0) w.line(`${pass(rest)}(${at.a} + ${(K - rest) * 4}, ${at.b} + ${(K - rest) * bRow} + from, scratch, bytes);`);
  w.block(`for (let group: usize = 0; group < bytes; group += ${GROUP * 4})`, () => {
    const epilogue = epilogueFunction(w, k, GROUP);
    for (const m of count(M)) {
      const place = `from + group${m ? ` + ${m * bRow}` : ""}`;
      const tensors = epilogueTensors(k).map((t) => (t === "bias" ? `${at.bias} + from + group` : `${at[t]} + ${place}`));
      w.line(`${epilogue}(${[`scratch${m ? ` + bytes * ${m}` : ""} + group`, 1, `${at.out} + ${place}`, bRow, ...tensors].join(", ")});`);
    }
  });
}

/** `vectors` = columns of the register tile, in vectors. A single row's splats stay in registers; those of several are loaded again. */
function rowStream(w: Writer, M: number, rows: number, bRow: number, aRow: number, vectors: number): string {
  const name = `row_stream_${M}x${rows}_row${bRow}${M > 1 ? `_row${aRow}` : ""}`, columns = count(vectors);
  const splat = (m: number, r: number): string => `const a${m}_${r} = v128.load32_splat(a, ${m * aRow + 4 * r});`;
  return w.helper(name, (h) => {
    h.line(`/** sums[${M}] += a[${M},${rows}] · b[${rows}] over \`bytes\` of columns */`);
    h.block(`function ${name}(a: usize, b: usize, sums: usize, bytes: usize): void`, () => {
      if (M === 1) for (const r of count(rows)) h.line(splat(0, r));
      for (const m of count(M).slice(1)) h.line(`let sums${m} = sums + bytes * ${m};`);
      h.block(`for (const end = b + bytes; b < end; b += ${16 * vectors})`, () => {
        for (const m of count(M)) h.line(`let ${columns.map((j) => `s${m}_${j} = v128.load(sums${m || ""}, ${16 * j})`).join(", ")};`);
        for (const r of count(rows)) {
          h.line(`const ${columns.map((j) => `b${r}_${j} = v128.load(b, ${r * bRow + 16 * j})`).join(", ")};`);
          for (const m of count(M)) h.line(`${M > 1 ? `${splat(m, r)} ` : ""}${columns.map((j) => `s${m}_${j} = madd(a${m}_${r}, b${r}_${j}, s${m}_${j});`).join(" ")}`);
        }
        for (const m of count(M)) h.line(`${columns.map((j) => `v128.store(sums${m || ""}, s${m}_${j}, ${16 * j});`).join(" ")} sums${m || ""} += ${16 * vectors};`);
      });
    });
  });
}

function emitDotProducts(w: Writer, at: Record<MatmulTensor, string>, { M, N, K }: Sizes, k: Kernel<MatmulTensor>): void {
  const RN = M <= 2 ? STREAMS : STREAMS / 2, bRow = rowBytes(K), outRow = rowBytes(N), groups = outRow / (GROUP * 4), valid = N - (groups - 1) * GROUP;
  const dots = (rows: number, from: number): string => `${dotProducts(w, M, rows, bRow)}(${at.a}, rows + ${from * bRow}, scratch + ${from * 4}, spill);`;
  const all = (rows: number): void => {
    for (let from = 0; from < rows; from += RN) w.line(dots(Math.min(RN, rows - from), from));
  };
  w.block(`for (let group = first; group < last; group++)`, () => {
    w.line(`const rows = ${at.b} + <usize>group * ${GROUP * bRow}, place = <usize>group * ${GROUP * 4};`);
    if (valid === GROUP) all(GROUP);
    else {
      if (groups > 1) w.block(`if (group < ${groups - 1})`, () => all(GROUP));
      w.block(groups > 1 ? "else" : "", () => {
        w.line(`memory.fill(scratch, 0, ${M * GROUP * 4});`);
        all(valid);
      });
    }
    const tensors = epilogueTensors(k).map((t) => `${at[t]} + place`);
    w.line(`${epilogueFunction(w, k, GROUP)}(${["scratch", M, `${at.out} + place`, outRow, ...tensors].join(", ")});`);
  });
}

/** Sums of several rows of a with several rows of b at once: M · rows pairs of registers. */
function dotProducts(w: Writer, M: number, RN: number, bRow: number): string {
  const name = `dot_products_${M}x${RN}_row${bRow}`, pairs = count(M).flatMap((m) => count(RN).map((n) => `${m}_${n}`));
  return w.helper(name, (h) => {
    h.line(`/** sums[${M},${RN}] = a[${M}] · b[${RN}]ᵀ, rows ${bRow} bytes long, padding (zeros) included */`);
    h.block(`function ${name}(a: usize, b: usize, sums: usize, spill: usize): void`, () => {
      h.line(`let ${pairs.map((p) => `s${p} = ZERO, t${p} = ZERO`).join(", ")};`);
      h.block(`for (const end = a + ${bRow}; a < end; a += 32)`, () => {
        for (const m of count(M)) h.line(`const a${m} = v128.load(a, ${m * bRow}), e${m} = v128.load(a, ${m * bRow + 16});`);
        for (const n of count(RN)) {
          h.line(`const b${n} = v128.load(b, ${n * bRow}), f${n} = v128.load(b, ${n * bRow + 16});`);
          for (const m of count(M)) h.line(`s${m}_${n} = madd(a${m}, b${n}, s${m}_${n}); t${m}_${n} = madd(e${m}, f${n}, t${m}_${n});`);
        }
        h.line("b += 32;");
      });
      for (const m of count(M)) for (const n of count(RN)) h.line(`store<f32>(sums, sum8(s${m}_${n}, t${m}_${n}, spill + ${32 * n}), ${m * GROUP * 4 + 4 * n});`);
    });
  });
}

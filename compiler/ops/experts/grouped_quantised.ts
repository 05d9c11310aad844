/**
 * Products of a mixture of experts whose weights are stored in fewer bits (runtime/contract/weight-rows.ts).
 * The matrix b[e] of expert e consists of rows of words, one row for each column of out; starts has F = E + 1
 * entries. 5-fuse/quantise-weights.ts chooses between the two:
 *
 *   grouped_quantised   rows of a are f32. With many slots a panel of an expert's matrix is decoded, and all
 *                       rows of that expert meet it; with few slots (bf16 only) elements of out are dot
 *                       products.
 *   grouped_integer     the slots of a few tokens, which quantise_rows has turned into integers; sums are
 *                       exact.
 *
 * With few slots a task is a panel of sixteen columns, slot by slot: two workers and two experts per token
 * then read one long piece of memory each. With many slots tasks are those of grouped-panels.ts.
 */
import { defineOp, type Kernel, type DynamicTasks } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { fewRowsDynamic } from "../matmul/gemm/few-rows.ts";
import { ceilTo, PANEL, PANEL_BYTES } from "../kit/panels.ts";
import {
  eachTask,
  emitRows,
  FEW_SLOTS,
  groupedFlops,
  groupedReference,
  groupedTasks,
  groupedDynamic,
  matricesRead,
  panels,
  sampleStarts,
  shareRead,
} from "./grouped-panels.ts";
import { sampleActivation, sampleWeight } from "../matmul/quantised/samples.ts";
import { bf16Constants, bf16Products, bf16Scratch } from "../matmul/quantised/bf16-dots.ts";
import { integerDots } from "../matmul/quantised/integer-dots.ts";
import type { QuantisedFormat } from "../../../runtime/contract/memory-formats.ts";
import {
  HALF_BLOCK,
  halvesOf,
  weightWords,
  type IntegerFormat,
} from "../../../runtime/contract/weight-rows.ts";
import {
  activationWords,
  decodeActivations,
  weightsIn,
  elementsOf,
  formatAttrs,
  integerAttrs,
} from "../matmul/quantised/activation-rows.ts";
import { panelSource } from "../matmul/quantised/decode-panels.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

type Sizes = Readonly<Record<"S" | "E" | "N", number>>;

const few = ({ S }: Pick<Sizes, "S">): boolean => S <= FEW_SLOTS;
const fewTasks = ({ S, N }: Pick<Sizes, "S" | "N">): number => S * panels(N);
const fewDynamic = (d: Pick<Sizes, "S" | "N">): DynamicTasks => fewRowsDynamic({ N: fewTasks(d) * PANEL });

/** Writes, for each slot, the worker's columns of out; `dots` is the call that computes them. */
function emitFew(
  w: Writer,
  at: Readonly<Record<"a" | "b" | "starts" | "out", string>>,
  { E, N }: Sizes,
  aRow: number,
  bRow: number,
  dots: (a: string, b: string, out: string) => string,
): void {
  const each = panels(N);
  const outRow = rowBytes(N);
  w.block(`for (let e: usize = 0; e < ${E}; e++)`, () => {
    w.block(
      `for (let s = load<i32>(${at.starts} + (e << 2)); s < load<i32>(${at.starts} + (e << 2), 4); s++)`,
      () => {
        w.line(
          `const begin = max(first - s * ${each}, 0) * ${PANEL}, end = min((last - s * ${each}) * ` +
            `${PANEL}, ${N}), rows = end - begin;`,
        );
        w.line("if (rows <= 0) continue;");
        w.line(`const out_s = ${at.out} + <usize>s * ${outRow};`);
        const a = `${at.a} + <usize>s * ${aRow}`;
        const b = `${at.b} + e * ${N * bRow} + <usize>begin * ${bRow}`;
        w.line(`${dots(a, b, "out_s + <usize>begin * 4")};`);
        if (outRow > 4 * N) w.line(`if (end == ${N}) memory.fill(out_s + ${4 * N}, 0, ${outRow - 4 * N});`);
      },
    );
  });
}

/** bf16: each task's columns, as dot products with all rows of the expert. */
function emitProducts(
  w: Writer,
  at: Readonly<Record<"a" | "b" | "starts" | "out", string>>,
  { E, N, K, W }: Sizes & Readonly<Record<"K" | "W", number>>,
  k: Pick<Kernel, "target">,
): void {
  const outRow = rowBytes(N);
  const bRow = rowBytes(W);
  const products = bf16Products(w, k.target, K, outRow);
  eachTask(w, at.starts, E, () => {
    w.line("if (rows == 0) continue;");
    w.line(`const place = <usize>panel * ${PANEL_BYTES}, columns = min(${PANEL}, ${N} - panel * ${PANEL});`);
    w.line(
      `const a_e = ${at.a} + <usize>from * ${rowBytes(K)}, out_e = ${at.out} + <usize>from * ${outRow} + place;`,
    );
    if (N % PANEL > 0)
      w.line(
        `if (columns < ${PANEL}) for (let r: usize = 0; r < <usize>rows; r++) memory.fill(out_e + r * ` +
          `${outRow}, 0, ${PANEL_BYTES});`,
      );
    w.line(
      `${products}(a_e, ${at.b} + <usize>e * ${N * bRow} + <usize>panel * ${PANEL * bRow}, out_e, columns, ` +
        `rows, scratch, spill, ${bf16Constants});`,
    );
  });
}

function emitDecoded(
  w: Writer,
  at: Readonly<Record<"a" | "b" | "starts" | "out", string>>,
  d: Sizes & { readonly K: number },
  k: Kernel<string, { readonly format: QuantisedFormat }>,
): void {
  const { E, N, K } = d;
  const { rowBytes: bRow, pack } = panelSource(k.attrs.format, K);
  const whole = Math.floor(N / PANEL);
  const rest = N % PANEL;
  eachTask(w, at.starts, E, () => {
    w.line("if (rows == 0) continue;");
    w.line(
      `const a_e = ${at.a} + <usize>from * ${rowBytes(K)}, out_e = ${at.out} + <usize>from * ` +
        `${rowBytes(N)} + <usize>panel * ${PANEL_BYTES};`,
    );
    const call = (valid: number): string =>
      `${pack(w, PANEL, valid)}(${at.b} + <usize>e * ${N * bRow} + <usize>panel * ${PANEL * bRow}, ` +
      `scratch, 0, ${K});`;
    if (rest === 0) w.line(call(PANEL));
    else {
      if (whole > 0) w.line(`if (panel < ${whole}) ${call(PANEL)}`);
      w.line(`${whole > 0 ? "else " : ""}${call(rest)}`);
    }
    emitRows(w, k, d, "scratch", PANEL_BYTES);
  });
}

/** Bytes that move at least: the matrices that are read, rows of a with so many words, and rows of out. */
const wordBytes = (d: Sizes & { readonly W: number }, aWords: number): number =>
  4 * (d.S * (aWords + d.N) + matricesRead(d) * d.N * d.W);

const sizes = (format: QuantisedFormat, S: number, E: number, K: number, N: number) => ({
  d: { S, E, F: E + 1, K, N, W: weightWords(format, K) },
  attrs: { format },
});
const cases = (format: QuantisedFormat) => [
  sizes(format, 50, 3, 17, 40),
  sizes(format, 17, 4, 161, 15),
  sizes(format, 64, 2, 300, 33),
  sizes(format, 19, 3, 1100, 16),
  sizes(format, 256, 8, 512, 1024),
];

export const grouped_quantised = defineOp("a[S,K] b[E,N,W]:i32 starts[F]:i32 -> out[S,N]", {
  doc: "out[s,:] = b[e] · a[s,:],  starts[e] ≤ s < starts[e+1];  rows of b[e] in bf16, q8_0 or q4_0",
  attrs: formatAttrs,
  flops: groupedFlops,
  bytes: (d) => wordBytes(d, d.K),
  share: { b: shareRead },
  reference(t, d, attrs) {
    const b = elementsOf(t.b, d.E * d.N, (row) => weightsIn(attrs.format, row, d.K));
    groupedReference(
      t,
      d,
      (s, k) => t.a[s * d.K + k]!,
      (e, k, n) => b(e * d.N + n, k),
    );
  },
  tasks: (d) => (few(d) ? fewTasks(d) : groupedTasks(d)),
  dynamic: (d) => (few(d) ? fewDynamic(d) : groupedDynamic(d)),
  scratch: (d, k) =>
    k.attrs.format === "bf16"
      ? bf16Scratch(d.K)
      : few(d)
        ? 0
        : ceilTo(d.K, panelSource(k.attrs.format, d.K).steps) * PANEL_BYTES,
  emit(w, at, d, k) {
    if (!few(d)) return k.attrs.format === "bf16" ? emitProducts(w, at, d, k) : emitDecoded(w, at, d, k);
    if (k.attrs.format !== "bf16") throw new Error(`few slots of ${k.attrs.format} are integer products`);
    const products = bf16Products(w, k.target, d.K, rowBytes(d.N));
    emitFew(
      w,
      at,
      d,
      rowBytes(d.K),
      rowBytes(d.W),
      (a, b, out) => `${products}(${a}, ${b}, ${out}, rows, 1, scratch, spill, ${bf16Constants})`,
    );
  },
  sample: (tensor, d, noise, i, attrs) =>
    tensor === "starts"
      ? sampleStarts(d, i)
      : tensor === "b"
        ? sampleWeight(attrs.format, d.W, noise, i)
        : noise(),
  cases: [
    ...(["q8_0", "q4_0", "bf16"] as const).flatMap(cases),
    sizes("bf16", 1, 3, 61, 40),
    sizes("bf16", 4, 2, 144, 33),
    sizes("bf16", 2, 8, 512, 1024),
  ],
});

const integers = (format: IntegerFormat, S: number, E: number, K: number, N: number) => ({
  d: { S, E, F: E + 1, A: activationWords(format, K), N, W: weightWords(format, K) },
  attrs: { format },
});

export const grouped_integer = defineOp("a[S,A]:i32 b[E,N,W]:i32 starts[F]:i32 -> out[S,N]", {
  doc:
    "out[s,:] = b[e] · a[s,:],  starts[e] ≤ s < starts[e+1];  a from quantise_rows, rows of b[e] in q8_0 " +
    "or q4_0",
  attrs: integerAttrs,
  flops: ({ S, N, W }, attrs) => 2 * S * N * HALF_BLOCK * halvesOf(attrs.format, W),
  bytes: (d) => wordBytes(d, d.A),
  share: { b: shareRead },
  reference(t, d, attrs) {
    const format = attrs.format;
    const halves = halvesOf(format, d.W);
    const K = halves * HALF_BLOCK;
    const a = elementsOf(t.a, d.S, (row) => decodeActivations(format, row, halves));
    const b = elementsOf(t.b, d.E * d.N, (row) => weightsIn(format, row, K));
    groupedReference(t, { ...d, K }, a, (e, k, n) => b(e * d.N + n, k));
  },
  tasks: fewTasks,
  dynamic: fewDynamic,
  emit(w, at, d, k) {
    const format = k.attrs.format;
    const dots = integerDots(w, format, k.target, halvesOf(format, d.W));
    if (dots.ask) w.line(dots.ask);
    emitFew(w, at, d, rowBytes(d.A), rowBytes(d.W), (a, b, out) => dots.call(a, b, out, "rows"));
  },
  sample(tensor, d, noise, i, attrs) {
    const format = attrs.format;
    if (tensor === "starts") return sampleStarts(d, i);
    return tensor === "b"
      ? sampleWeight(format, d.W, noise, i)
      : sampleActivation(format, d.A, halvesOf(format, d.W), noise, i);
  },
  cases: (["q8_0", "q4_0"] as const).flatMap((format) => [
    integers(format, 1, 3, 7, 16),
    integers(format, 2, 4, 300, 33),
    integers(format, 16, 3, 600, 15),
    integers(format, 3, 2, 1100, 40),
    integers(format, 2, 8, 512, 1024),
  ]),
});

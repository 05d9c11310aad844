/**
 * Products of a mixture of experts, rows of f32 with weights that are stored in fewer bits
 * (runtime/contract/weight-rows.ts). The matrix b[e] of expert e consists of rows of words, one row for each
 * column of out; starts has F = E + 1 entries. With many slots a panel of an expert's matrix is decoded, and
 * all rows of that expert meet it; with few slots (bf16 only) elements of out are dot products
 * (few-slots.ts). grouped_integer.ts multiplies integers instead.
 */
import { defineOp, type Kernel } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { ceilTo, PANEL, PANEL_BYTES } from "../kit/panels.ts";
import { emitFew, fewDynamic, fewTasks, isFew, wordBytes } from "./few-slots.ts";
import {
  eachTask,
  emitPack,
  emitRows,
  groupedDynamic,
  groupedFlops,
  groupedReference,
  groupedTasks,
  sampleStarts,
  shareRead,
} from "./grouped-panels.ts";
import { sampleWeight } from "../matmul/quantised/samples.ts";
import { bf16Constants, bf16Products, bf16Scratch } from "../matmul/quantised/bf16-dots.ts";
import type { QuantisedFormat } from "../../../runtime/contract/memory-formats.ts";
import { weightWords } from "../../../runtime/contract/weight-rows.ts";
import { weightsIn, elementsOf, formatAttrs } from "../matmul/quantised/activation-rows.ts";
import { panelSource } from "../matmul/quantised/decode-panels.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

type Sizes = Readonly<Record<"S" | "E" | "N", number>>;

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
      `const a_e = ${at.a} + <usize>from * ${rowBytes(K)}, ` +
        `out_e = ${at.out} + <usize>from * ${outRow} + place;`,
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
  eachTask(w, at.starts, E, () => {
    w.line("if (rows == 0) continue;");
    w.line(
      `const a_e = ${at.a} + <usize>from * ${rowBytes(K)}, out_e = ${at.out} + <usize>from * ` +
        `${rowBytes(N)} + <usize>panel * ${PANEL_BYTES};`,
    );
    const call = (valid: number): string =>
      `${pack(w, PANEL, valid)}(${at.b} + <usize>e * ${N * bRow} + <usize>panel * ${PANEL * bRow}, ` +
      `scratch, 0, ${K});`;
    emitPack(w, N, call);
    emitRows(w, k, d, "scratch", PANEL_BYTES);
  });
}

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
  tasks: (d) => (isFew(d) ? fewTasks(d) : groupedTasks(d)),
  dynamic: (d) => (isFew(d) ? fewDynamic(d) : groupedDynamic(d)),
  scratch: (d, k) =>
    k.attrs.format === "bf16"
      ? bf16Scratch(d.K)
      : isFew(d)
        ? 0
        : ceilTo(d.K, panelSource(k.attrs.format, d.K).steps) * PANEL_BYTES,
  emit(w, at, d, k) {
    if (!isFew(d)) return k.attrs.format === "bf16" ? emitProducts(w, at, d, k) : emitDecoded(w, at, d, k);
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

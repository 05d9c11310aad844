/**
 * Products of rows of f32 with weights that are stored in fewer bits (contract/weight-rows.ts), with the same
 * epilogues as `matmul` has. With many rows the weights are decoded while panels are packed. In bf16, where a
 * few rows are there or rows may be dead, every element of out is a dot product, so that a row has the same
 * bits among few and many. matmul_integer.ts multiplies integers instead.
 */
import { defineOp, type AttrTypes, type Kernel } from "../kit/op.ts";
import { gemmDynamic, gemmScratch, gemmTasks, planOf } from "./gemm/product-plan.ts";
import { emitGemm } from "./gemm/tile-loops.ts";
import { matmulAttrs, matmulFlops, matmulReference } from "./gemm/matmul-op.ts";
import {
  emitDotTasks,
  fewRowsScratch,
  fewRowsTasks,
  fewRowsDynamic,
  liveRows,
  TASK_COLUMNS,
} from "./gemm/few-rows.ts";
import { blockTiles, usesFewRows, type MatmulTensor } from "./gemm/cache-blocks.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { bf16Constants, bf16Products, bf16Scratch } from "./quantised/bf16-dots.ts";
import { sampleWeight } from "./quantised/samples.ts";
import { panelSource } from "./quantised/decode-panels.ts";
import type { QuantisedFormat } from "../../../runtime/contract/memory-formats.ts";
import { HALF_BLOCK, weightWords } from "../../../runtime/contract/weight-rows.ts";
import { weightsIn, elementsOf, formatAttrs } from "./quantised/activation-rows.ts";

type Sizes = Record<"M" | "K" | "N", number>;
const quantisedAttrs = { ...matmulAttrs, ...formatAttrs };
type Attrs = AttrTypes<typeof quantisedAttrs>;
type QuantisedKernel = Kernel<MatmulTensor | "live", Attrs>;
const asDots = (d: Sizes, k: QuantisedKernel): boolean =>
  k.attrs.format === "bf16" && (k.has("live") || usesFewRows("nt", d.M));
const plan = (d: Sizes, k: QuantisedKernel) =>
  planOf("nt", d, k, { source: panelSource(k.attrs.format, d.K) });

const sizes = (format: QuantisedFormat, M: number, K: number, N: number) => ({
  d: { M, K, N, W: weightWords(format, K) } as Record<"M" | "K" | "N" | "W" | "L", number>, // no gate, no L
  attrs: { format },
});
const cases = (format: QuantisedFormat) => [
  sizes(format, 5, 7, 16),
  { ...sizes(format, 17, 161, 65), with: ["bias", "add"] },
  sizes(format, 7, 300, 33),
  sizes(format, 5, 1100, 16),
  sizes(format, 6, 4400, 17),
  { ...sizes(format, 9, 64, 40), attrs: { format, activation: "gelu_tanh" }, with: ["bias"] },
  sizes(format, 128, 768, 2304),
  sizes(format, 128, 8192, 2048),
];

export const matmul_quantised = defineOp(
  "a[M,K] b[N,W]:i32 bias[N]? gate[L,M,16]? add[M,N]? live[1]?:i32 -> out[M,N] bend[L,M,16]?",
  {
    doc:
      "v = a·bᵀ + bias,  out = act(v) · (gate + act'(0)) + add,  bend = act'(v) − act'(0);  rows of b in " +
      "bf16, q8_0 or q4_0",
    attrs: quantisedAttrs,
    flops: matmulFlops,
    independent: "M",
    rows: "M",
    inPlace: { out: "add" },
    reference(t, d, attrs) {
      const b = elementsOf(t.b, d.N, (row) => weightsIn(attrs.format, row, d.K));
      matmulReference(
        t,
        d,
        attrs,
        (m, k) => t.a[m * d.K + k]!,
        (k, n) => b(n, k),
      );
    },
    tiles: (d, attrs, target) =>
      attrs.format === "bf16" && usesFewRows("nt", d.M)
        ? {}
        : blockTiles("nt", d, target, { multiple: 2 * HALF_BLOCK }),
    tasks: (d, k) => (asDots(d, k) ? fewRowsTasks(d) : gemmTasks(plan(d, k))),
    dynamic: (d, k) => (asDots(d, k) ? fewRowsDynamic(d) : gemmDynamic(plan(d, k))),
    scratch: (d, k) => (asDots(d, k) ? fewRowsScratch("nt", d) + bf16Scratch(d.K) : gemmScratch(plan(d, k))),
    emit(w, at, d, k) {
      if (asDots(d, k) || k.has("live")) w.line(`const rows = ${liveRows(k, at.live, d.M)};`);
      if (!asDots(d, k)) return emitGemm(w, at, plan(d, k), k);
      const products = bf16Products(w, k.target, d.K, TASK_COLUMNS * 4);
      const decoded = `scratch + ${fewRowsScratch("nt", d)}`;
      emitDotTasks(
        w,
        at,
        d,
        rowBytes(d.W),
        k,
        (columns, b) =>
          `${products}(${at.a}, ${b}, scratch, ${columns}, rows, ${decoded}, spill, ${bf16Constants})`,
        "rows",
      );
    },
    sample: (tensor, d, noise, i, attrs) =>
      tensor === "b" ? sampleWeight(attrs.format, d.W, noise, i) : noise(),
    cases: [
      ...(["q8_0", "q4_0", "bf16"] as const).flatMap(cases),
      sizes("bf16", 1, 61, 40),
      { ...sizes("bf16", 4, 144, 33), with: ["bias"] },
      { ...sizes("bf16", 23, 144, 33), with: ["bias", "live"] },
      { ...sizes("q8_0", 23, 144, 33), with: ["add", "live"] },
      sizes("bf16", 1, 768, 2304),
    ],
  },
);

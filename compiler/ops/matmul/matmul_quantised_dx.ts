/**
 * Products that sum over the rows of weights in fewer bits (contract/weight-rows.ts): the cotangent of what
 * matmul_quantised multiplied, in f32. Weights are decoded while panels are packed.
 */
import { linesOf } from "../kit/lines.ts";
import { defineOp, type AttrTypes, type Kernel } from "../kit/op.ts";
import type { QuantisedFormat } from "../../../runtime/contract/memory-formats.ts";
import { weightWords } from "../../../runtime/contract/weight-rows.ts";
import { blockTiles, type MatmulTensor } from "./gemm/cache-blocks.ts";
import { gemmDynamic, gemmScratch, gemmTasks, planOf } from "./gemm/product-plan.ts";
import { emitGemm } from "./gemm/tile-loops.ts";
import { matmulAttrs, matmulFlops, matmulReference } from "./gemm/matmul-op.ts";
import { elementsOf, formatAttrs, weightsIn } from "./quantised/activation-rows.ts";
import { rowSource } from "./quantised/decode-rows.ts";
import { sampleRow } from "./quantised/samples.ts";

type Sizes = Record<"M" | "K" | "N", number>;
const dxAttrs = { ...matmulAttrs, ...formatAttrs };

const plan = (d: Sizes, k: Kernel<MatmulTensor, AttrTypes<typeof dxAttrs>>) =>
  planOf("nn", d, k, { rows: rowSource(k.attrs.format, d.N) });

const sizes = (format: QuantisedFormat, M: number, K: number, N: number) => ({
  d: { M, K, N, W: weightWords(format, N) } as Record<"M" | "K" | "N" | "W" | "L", number>, // no gate, no L
  attrs: { format },
});
const cases = (format: QuantisedFormat) => [
  sizes(format, 5, 7, 16),
  { ...sizes(format, 17, 61, 161), with: ["add"] as const },
  {
    ...sizes(format, 9, 40, 300),
    d: { ...sizes(format, 9, 40, 300).d, L: linesOf(300) },
    attrs: { format, derivative: "gelu_tanh" } as const,
    with: ["gate"] as const,
  },
  sizes(format, 1, 33, 1100),
  sizes(format, 3, 4112, 16),
  sizes(format, 520, 16, 48),
  sizes(format, 1024, 2304, 768),
  sizes(format, 1024, 768, 3072),
];

export const matmul_quantised_dx = defineOp(
  "a[M,K] b[K,W]:i32 bias[N]? gate[L,M,16]? add[M,N]? -> out[M,N] bend[L,M,16]?",
  {
    doc:
      "v = a·b + bias,  out = act(v) · (gate + act'(0)) + add,  bend = act'(v) − act'(0);  rows of b in " +
      "bf16, q8_0 or q4_0",
    attrs: dxAttrs,
    flops: matmulFlops,
    independent: "M",
    inPlace: { out: "add" },
    reference(t, d, attrs) {
      const b = elementsOf(t.b, d.K, (row) => weightsIn(attrs.format, row, d.N));
      matmulReference(t, d, attrs, (m, k) => t.a[m * d.K + k]!, b);
    },
    tiles: (d, _attrs, target) => blockTiles("nn", d, target),
    tasks: (d, k) => gemmTasks(plan(d, k)),
    dynamic: (d, k) => gemmDynamic(plan(d, k)),
    scratch: (d, k) => gemmScratch(plan(d, k)),
    emit(w, at, d, k) {
      emitGemm(w, at, plan(d, k), k);
    },
    sample: (tensor, d, noise, i, attrs) =>
      tensor === "b" ? sampleRow(attrs.format, d.N, noise, i) : noise(),
    cases: (["q8_0", "q4_0", "bf16"] as const).flatMap(cases),
  },
);

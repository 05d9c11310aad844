/**
 * Products whose weights are stored in fewer bits (contract/weight-rows.ts), with the same epilogues as
 * `matmul` has. 5-fuse/quantise-weights.ts chooses between the two:
 *
 *   matmul_quantised   rows of a are f32. With many rows the weights are decoded while panels are packed;
 *                      with a few rows (bf16 only) every element of out is a dot product.
 *   matmul_integer     a few rows of a that quantise_rows has turned into integers; sums of groups are exact.
 *
 * The integer form's K is what its words have room for; elements beyond the model's K are zero.
 */
import { defineOp, type AttrTypes, type Kernel } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { gemmDynamic, gemmScratch, gemmTasks, planOf } from "./gemm/product-plan.ts";
import { emitGemm } from "./gemm/tile-loops.ts";
import { matmulAttrs, matmulFlops, matmulReference } from "./gemm/matmul-op.ts";
import { emitDotTasks, fewRowsScratch, fewRowsTasks, fewRowsDynamic } from "./gemm/few-rows.ts";
import { blockTiles, usesFewRows, type MatmulTensor } from "./gemm/cache-blocks.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { bf16Constants, bf16Dots } from "./quantised/bf16-dots.ts";
import { integerConstants, integerDots } from "./quantised/integer-dots.ts";
import { sampleActivation, sampleWeight } from "./quantised/samples.ts";
import { panelSource } from "./quantised/decode-panels.ts";
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
} from "./quantised/activation-rows.ts";

type Sizes = Record<"M" | "K" | "N", number>;
const quantisedAttrs = { ...matmulAttrs, ...formatAttrs };
type Attrs = AttrTypes<typeof quantisedAttrs>;
const asDots = (d: Sizes, attrs: Attrs): boolean => attrs.format === "bf16" && usesFewRows("nt", d.M);
const plan = (d: Sizes, k: Kernel<MatmulTensor, Attrs>) =>
  planOf("nt", d, k, panelSource(k.attrs.format, d.K));

const sizes = (format: QuantisedFormat, M: number, K: number, N: number) => ({
  d: { M, K, N, W: weightWords(format, K) },
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
  "a[M,K] b[N,W]:i32 bias[N]? gate[M,N]? add[M,N]? -> out[M,N] pre[M,N]?",
  {
    doc: "pre = a·bᵀ + bias,  out = act(pre) · act'(gate) + add;  rows of b in bf16, q8_0 or q4_0",
    attrs: quantisedAttrs,
    flops: matmulFlops,
    independent: "M",
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
    tiles: (d, attrs, target) => (asDots(d, attrs) ? {} : blockTiles("nt", d, target, 2 * HALF_BLOCK)),
    tasks: (d, k) => (asDots(d, k.attrs) ? fewRowsTasks(d) : gemmTasks(plan(d, k))),
    dynamic: (d, k) => (asDots(d, k.attrs) ? fewRowsDynamic(d) : gemmDynamic(plan(d, k))),
    scratch: (d, k) => (asDots(d, k.attrs) ? fewRowsScratch("nt", d) : gemmScratch(plan(d, k))),
    emit(w, at, d, k) {
      if (!asDots(d, k.attrs)) return emitGemm(w, at, plan(d, k), k);
      const dots = bf16Dots(w, d.M, d.K);
      emitDotTasks(
        w,
        at,
        d,
        rowBytes(d.W),
        k,
        (rows, b) => `${dots}(${at.a}, ${b}, scratch, ${rows}, spill, ${bf16Constants})`,
      );
    },
    sample: (tensor, d, noise, i, attrs) =>
      tensor === "b" ? sampleWeight(attrs.format, d.W, noise, i) : noise(),
    cases: [
      ...(["q8_0", "q4_0", "bf16"] as const).flatMap(cases),
      sizes("bf16", 1, 61, 40),
      { ...sizes("bf16", 4, 144, 33), with: ["bias"] },
      sizes("bf16", 1, 768, 2304),
    ],
  },
);

const integers = (format: IntegerFormat, M: number, K: number, N: number) => ({
  d: { M, A: activationWords(format, K), N, W: weightWords(format, K) },
  attrs: { format },
});
const integerCases = (format: IntegerFormat) => [
  integers(format, 1, 7, 16),
  { ...integers(format, 1, 300, 33), with: ["bias", "add"] },
  { ...integers(format, 2, 600, 65), attrs: { format, activation: "silu" } },
  integers(format, 4, 256, 40),
  integers(format, 3, 129, 15),
  integers(format, 1, 1100, 17),
  integers(format, 2, 2400, 5),
  integers(format, 1, 768, 2304),
  integers(format, 1, 2048, 8192),
];

export const matmul_integer = defineOp(
  "a[M,A]:i32 b[N,W]:i32 bias[N]? gate[M,N]? add[M,N]? -> out[M,N] pre[M,N]?",
  {
    doc:
      "pre = Σ over groups of 32 of d_a · d_b · Σ a·b, + bias,  out = act(pre) · act'(gate) + add;  a " +
      "from quantise_rows, rows of b in q8_0 or q4_0",
    attrs: { ...matmulAttrs, ...integerAttrs },
    flops: ({ M, N, W }, attrs) => 2 * M * N * HALF_BLOCK * halvesOf(attrs.format, W),
    independent: "M",
    inPlace: { out: "add" },
    reference(t, { M, N, W }, attrs) {
      const format = attrs.format;
      const halves = halvesOf(format, W);
      const K = halves * HALF_BLOCK;
      const a = elementsOf(t.a, M, (row) => decodeActivations(format, row, halves));
      const b = elementsOf(t.b, N, (row) => weightsIn(format, row, K));
      matmulReference(t, { M, N, K }, attrs, a, (k, n) => b(n, k));
    },
    tasks: (d) => fewRowsTasks(d),
    dynamic: (d) => fewRowsDynamic(d),
    scratch: (d) => fewRowsScratch("nt", d),
    emit(w, at, d, k) {
      const format = k.attrs.format;
      const dots = integerDots(w, format, k.target, d.M, halvesOf(format, d.W));
      emitDotTasks(
        w as Writer,
        at,
        d,
        rowBytes(d.W),
        k,
        (rows, b) => `${dots}(${at.a}, ${b}, scratch, ${rows}, spill, ${integerConstants})`,
      );
    },
    sample(tensor, { W, A }, noise, i, attrs) {
      const format = attrs.format;
      if (tensor === "b") return sampleWeight(format, W, noise, i);
      return tensor === "a" ? sampleActivation(format, A, halvesOf(format, W), noise, i) : noise();
    },
    cases: [...integerCases("q8_0"), ...integerCases("q4_0")],
  },
);

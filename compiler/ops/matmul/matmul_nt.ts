/**
 * Matrix product with b transposed and an epilogue: tied output layers, and the cotangent of x through
 * weights stored [in,out]. See gemm/.
 */
import { defineOp } from "../kit/op.ts";
import { forwardCases } from "./gemm/cases.ts";
import { emitter, matmulAttrs, matmulFlops, matmulReference } from "./gemm/matmul-op.ts";

export const matmul_nt = defineOp("a[M,K] b[N,K] bias[N]? gate[M,N]? add[M,N]? -> out[M,N] pre[M,N]?", {
  doc: "pre = a·bᵀ + bias,  out = act(pre) · act'(gate) + add",
  kind: "contract",
  attrs: matmulAttrs,
  flops: matmulFlops,
  inPlace: { out: "add" },
  reference: (t, d, attrs) =>
    matmulReference(
      t,
      d,
      attrs,
      (m, k) => t.a[m * d.K + k]!,
      (k, n) => t.b[n * d.K + k]!,
    ),
  backward: () => [
    { op: "matmul", ins: { a: "d_out", b: "b" }, outs: { out: "d_a" } }, // [M,N]·[N,K]
    { op: "matmul_tn", ins: { a: "d_out", b: "a" }, outs: { out: "d_b" } }, // [M,N]ᵀ·[M,K]
  ],
  ...emitter("nt"),
  cases: forwardCases,
});

/**
 * Matrix product with an epilogue: linear layers forward, and the cotangent of x through weights stored
 * [out,in]. See gemm/.
 */
import { defineOp } from "../kit/op.ts";
import { forwardCases } from "./gemm/cases.ts";
import { emitter, matmulAttrs, matmulFlops, matmulReference } from "./gemm/matmul-op.ts";

export const matmul = defineOp("a[M,K] b[K,N] bias[N]? gate[M,N]? add[M,N]? -> out[M,N] pre[M,N]?", {
  doc: "pre = a·b + bias,  out = act(pre) · act'(gate) + add",
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
      (k, n) => t.b[k * d.N + n]!,
    ),
  backward: () => [
    { op: "matmul_nt", ins: { a: "d_out", b: "b" }, outs: { out: "d_a" } }, // [M,N]·[K,N]ᵀ
    { op: "matmul_tn", ins: { a: "a", b: "d_out" }, outs: { out: "d_b" } }, // [M,K]ᵀ·[M,N]
  ],
  ...emitter("nn"),
  cases: forwardCases,
});

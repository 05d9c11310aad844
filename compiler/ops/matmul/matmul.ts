/**
 * Matrix product with an epilogue: linear layers forward, and the cotangent of x through weights stored
 * [out,in]. See gemm/.
 */
import { defineOp } from "../kit/op.ts";
import { FEW_ROWS } from "./gemm/cache-blocks.ts";
import { forwardProduct, matmulReference } from "./gemm/matmul-op.ts";
import { isSplit } from "./gemm/stretches.ts";

export const matmul = defineOp(
  "a[M,K] b[K,N] bias[N]? gate[L,M,16]? add[M,N]? live[1]?:i32 -> out[M,N] bend[L,M,16]?",
  {
    doc: "v = a·b + bias,  out = act(v) · (gate + act'(0)) + add,  bend = act'(v) − act'(0)",
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
    quantised: {
      by: "matmul_quantised",
      weights: "b",
      transposed: true,
      across: "matmul_quantised_dx",
      integers: { by: "matmul_integer", of: "a", most: FEW_ROWS },
    },
    split: {
      parts: "matmul_split",
      merge: "matmul_sum",
      isWorthIt: (d, leastBytes, has) => (d.M === 1 || has("live")) && isSplit(d, leastBytes),
      without: ({ M }) => (M <= FEW_ROWS ? ["a", "b"] : []),
      between: ({ M, N }, _attrs, parts) => ({ sums: [parts, Math.min(M, FEW_ROWS), N] }),
    },
    ...forwardProduct("nn"),
  },
);

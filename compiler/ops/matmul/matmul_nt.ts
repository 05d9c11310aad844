/**
 * Matrix product with b transposed and an epilogue: tied output layers, and the cotangent of x through
 * weights stored [in,out]. See gemm/.
 */
import { defineOp } from "../kit/op.ts";
import { FEW_ROWS } from "./gemm/cache-blocks.ts";
import { forwardProduct, matmulReference } from "./gemm/matmul-op.ts";

export const matmul_nt = defineOp(
  "a[M,K] b[N,K] bias[N]? gate[L,M,16]? add[M,N]? live[1]?:i32 -> out[M,N] bend[L,M,16]?",
  {
    doc: "v = a·bᵀ + bias,  out = act(v) · (gate + act'(0)) + add,  bend = act'(v) − act'(0)",
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
    quantised: {
      by: "matmul_quantised",
      weights: "b",
      transposed: false,
      across: "matmul_quantised_dx",
      integers: { by: "matmul_integer", of: "a", most: FEW_ROWS },
    },
    ...forwardProduct("nt"),
  },
);

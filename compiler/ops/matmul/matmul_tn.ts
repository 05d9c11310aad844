/**
 * Matrix product with a transposed, added to what is there: gradients of weights. K = rows = batch · time.
 * See gemm/.
 */
import { defineOp } from "../kit/op.ts";
import { gradientCases } from "./gemm/cases.ts";
import { emitter, matmulFlops } from "./gemm/matmul-op.ts";

export const matmul_tn = defineOp("a[K,M] b[K,N] -> out[M,N]", {
  doc: "out (+)= aᵀ·b",
  flops: matmulFlops,
  independent: "M",
  accumulates: ["out"],
  reference({ a, b, out }, { M, N, K }, _attrs, accumulate) {
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++) {
        let v = accumulate ? out[m * N + n]! : 0;
        for (let k = 0; k < K; k++) v += a[k * M + m]! * b[k * N + n]!;
        out[m * N + n] = v;
      }
  },
  ...emitter("tn"),
  cases: gradientCases,
});

/** A vector that is added to every row, and its gradient, which is a sum over rows. */
import { defineOp } from "../kit/op.ts";
import { columnSums, columnTasks, eachRow, writeRow } from "../kit/row-loops.ts";

export const bias = defineOp("x[R,N] bias[N] live[1]?:i32 -> out[R,N]", {
  doc: "out[r,n] = x[r,n] + bias[n]",
  flops: ({ R, N }) => R * N,
  inPlace: { out: "x" },
  reference({ x, bias, out }, { N }) {
    for (let i = 0; i < out.length; i++) out[i] = x[i]! + bias[i % N]!;
  },
  backward: () => [
    { cotangent: "d_x", equals: "d_out" },
    { op: "bias_backward", ins: { d_out: "d_out" }, outs: { d_bias: "d_bias" } },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { N }) {
    eachRow(w, { x_r: at.x, out_r: at.out }, N, () =>
      writeRow(w, N, ["x_r", at.bias], "out_r", (v) => `f32x4.add(${v.load("x_r")}, ${v.load(at.bias)})`),
    );
  },
  cases: [
    { d: { R: 5, N: 61 } },
    { d: { R: 3, N: 48 } },
    { d: { R: 1, N: 1 } },
    { d: { R: 4, N: 17 } },
    { d: { R: 2048, N: 384 } },
  ],
});

export const bias_backward = defineOp("d_out[R,N] -> d_bias[N]", {
  doc: "d_bias[n] = Σ_r d_out[r,n]",
  flops: ({ R, N }) => R * N,
  accumulates: ["d_bias"],
  reference({ d_out, d_bias }, { R, N }, _attrs, accumulate) {
    for (let n = 0; n < N; n++) {
      let sum = accumulate ? d_bias[n]! : 0;
      for (let r = 0; r < R; r++) sum += d_out[r * N + n]!;
      d_bias[n] = sum;
    }
  },
  tasks: ({ N }) => columnTasks(N),
  emit(w, at, { R, N }) {
    columnSums(w, { R, C: N }, [at.d_out], () => [], { [at.d_bias]: (_k, load) => load(at.d_out) });
  },
  cases: [
    { d: { R: 5, N: 61 } },
    { d: { R: 8, N: 48 } },
    { d: { R: 1, N: 1 } },
    { d: { R: 3, N: 17 } },
    { d: { R: 2048, N: 1536 } },
  ],
});

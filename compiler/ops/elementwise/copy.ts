/**
 * The same values at another place in memory, where two values cannot share one: at the end of an iteration,
 * and between the segments of a model that several memories hold.
 */
import { defineOp } from "../kit/op.ts";
import { eachPair } from "../kit/row-loops.ts";

export const copy = defineOp("x[R,C] live[1]?:i32 -> out[R,C]", {
  doc: "out = x",
  flops: () => 0,
  inPlace: { out: "x" },
  reference({ x, out }) {
    out.set(x);
  },
  backward: () => [{ cotangent: "d_x", equals: "d_out" }],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { C }) {
    eachPair(w, C, [at.x], at.out, (load) => load(at.x));
  },
  cases: [{ d: { R: 7, C: 61 } }, { d: { R: 8, C: 64 } }, { d: { R: 1, C: 1 } }, { d: { R: 2048, C: 384 } }],
});

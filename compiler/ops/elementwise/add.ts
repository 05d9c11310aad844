/** Sums, element by element: residual connections, and cotangents of a value that is used twice. */
import { defineOp } from "../kit/op.ts";
import { eachPair, LINE_BYTES } from "../kit/row-loops.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

export const add = defineOp("a[R,C] b[R,C] live[1]?:i32 -> out[R,C]", {
  doc: "out = a + b",
  flops: ({ R, C }) => R * C,
  inPlace: { out: "a" },
  reference({ a, b, out }) {
    for (let i = 0; i < out.length; i++) out[i] = a[i]! + b[i]!;
  },
  backward: () => [
    { cotangent: "d_a", equals: "d_out" },
    { cotangent: "d_b", equals: "d_out" },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { C }) {
    eachPair(w, C, [at.a, at.b], at.out, (load) => `f32x4.add(${load(at.a)}, ${load(at.b)})`);
  },
  cases: [
    { d: { R: 8, C: 64 } },
    { d: { R: 5, C: 40 } },
    { d: { R: 1, C: 1 } },
    { d: { R: 7, C: 61 } },
    { d: { R: 768, C: 512 } },
  ],
});

export const add_vector = defineOp("a[R] b[R] -> out[R]", {
  doc: "out = a + b",
  flops: ({ R }) => R,
  inPlace: { out: "a" },
  reference({ a, b, out }) {
    for (let i = 0; i < out.length; i++) out[i] = a[i]! + b[i]!;
  },
  backward: () => [
    { cotangent: "d_a", equals: "d_out" },
    { cotangent: "d_b", equals: "d_out" },
  ],
  tasks: ({ R }) => rowBytes(R) / LINE_BYTES,
  emit(w, at) {
    eachPair(w, LINE_BYTES / 4, [at.a, at.b], at.out, (load) => `f32x4.add(${load(at.a)}, ${load(at.b)})`);
  },
  cases: [{ d: { R: 61 } }, { d: { R: 64 } }, { d: { R: 1 } }, { d: { R: 2048 } }],
});

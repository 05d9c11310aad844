/** Elementwise sum: residual connections, and cotangents of a value that is used twice. */
import { defineOp, rowFloats } from "../op.ts";

export const add = defineOp("a[R,C] b[R,C] -> out[R,C]", {
  doc: "out = a + b",
  kind: "map",
  flops: ({ R, C }) => R * C,
  inPlace: { out: "a" },
  reference({ a, b, out }) {
    for (let i = 0; i < out.length; i++) out[i] = a[i]! + b[i]!;
  },
  backward: () => [
    { op: "copy", ins: { x: "d_out" }, outs: { out: "d_a" } },
    { op: "copy", ins: { x: "d_out" }, outs: { out: "d_b" } },
  ],
  tasks: ({ R }) => R,
  emit(w, at, { C }) {
    const rowBytes = rowFloats(C) * 4;
    w.line(`const end = <usize>last * ${rowBytes};`);
    w.block(`for (let i = <usize>first * ${rowBytes}; i < end; i += 32)`, () => {
      w.line(`const lo = f32x4.add(v128.load(${at.a} + i), v128.load(${at.b} + i));`);
      w.line(`const hi = f32x4.add(v128.load(${at.a} + i, 16), v128.load(${at.b} + i, 16));`);
      w.line(`v128.store(${at.out} + i, lo);`);
      w.line(`v128.store(${at.out} + i, hi, 16);`);
    });
  },
  cases: [{ d: { R: 8, C: 64 } }, { d: { R: 5, C: 40 } }, { d: { R: 1, C: 1 } }, { d: { R: 7, C: 61 } }, { d: { R: 768, C: 512 } }],
});

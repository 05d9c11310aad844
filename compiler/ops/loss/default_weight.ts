/**
 * The cotangent with which differentiation begins where nobody gives another: each element of an objective
 * weighs hyper.scale. Operations that read such a cotangent take the number itself (5-fuse/rules.ts).
 */
import { hyper as hyperIndex } from "../../../runtime/contract/control.ts";
import { loadHyper } from "../kit/hyper.ts";
import { defineOp } from "../kit/op.ts";
import { padVector } from "../kit/row-loops.ts";

export const default_weight = defineOp("hyper[Z] -> weights[R]", {
  doc: "weights[r] = hyper.scale",
  flops: () => 0,
  reference({ hyper, weights }) {
    weights.fill(hyper[hyperIndex.scale]!);
  },
  tasks: ({ R }) => R,
  emit(w, at, { R }) {
    w.line(`const scale = ${loadHyper(at.hyper, "scale")};`);
    w.line(`for (let r = first; r < last; r++) store<f32>(${at.weights} + (<usize>r << 2), scale);`);
    padVector(w, at.weights, R);
  },
  cases: [1, 16, 61].map((R) => ({ d: { R, Z: 16 } })),
});

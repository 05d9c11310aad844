/**
 * The nonlinearity of an mlp as a kernel of its own. Fusion usually moves it into the product before it, and
 * its slope into the product before the cotangent. kit/activations.ts has the equations.
 */
import { activationCases, activations } from "../kit/activations.ts";
import type { Activation } from "../../../runtime/contract/model.ts";
import { defineOp, oneOf } from "../kit/op.ts";
import { eachPair } from "../kit/row-loops.ts";

const attrs = { activation: oneOf<Activation>("gelu") };

/** Noise in −4 … 4 for x, so that both tails are tested and what lies between. */
const spread = (tensor: string, noise: () => number): number => (tensor === "x" ? 4 * noise() : noise());

export const activate = defineOp("x[R,C] live[1]?:i32 -> out[R,C]", {
  doc: "out = f(x),  f = activation",
  attrs,
  flops: ({ R, C }) => 16 * R * C,
  inPlace: { out: "x" },
  reference({ x, out }, _d, { activation }) {
    for (let i = 0; i < out.length; i++) out[i] = activations[activation].value(x[i]!);
  },
  backward: (_has, attrs) => [
    { op: "activate_backward", ins: { x: "x", d_out: "d_out" }, outs: { d_x: "d_x" }, attrs },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { C }, { attrs: { activation } }) {
    eachPair(w, C, [at.x], at.out, (load) => activations[activation].emitValue(load(at.x)));
  },
  sample: (tensor, _d, noise) => spread(tensor, noise),
  cases: [
    ...activationCases({ R: 5, C: 61 }),
    { d: { R: 3, C: 1 } },
    { d: { R: 768, C: 512 }, attrs: { activation: "gelu" } },
    { d: { R: 256, C: 3072 }, attrs: { activation: "gelu_tanh" } },
  ],
});

export const activate_backward = defineOp("x[R,C] d_out[R,C] -> d_x[R,C]", {
  doc: "d_x = f′(x) · d_out,  f = activation",
  attrs,
  flops: ({ R, C }) => 18 * R * C,
  inPlace: { d_x: ["d_out", "x"] },
  reference({ x, d_out, d_x }, _d, { activation }) {
    for (let i = 0; i < d_x.length; i++) d_x[i] = activations[activation].slope(x[i]!) * d_out[i]!;
  },
  tasks: ({ R }) => R,
  emit(w, at, { C }, { attrs: { activation } }) {
    eachPair(
      w,
      C,
      [at.x, at.d_out],
      at.d_x,
      (load) => `f32x4.mul(${activations[activation].emitSlope(load(at.x))}, ${load(at.d_out)})`,
    );
  },
  sample: (tensor, _d, noise) => spread(tensor, noise),
  cases: [
    ...activationCases({ R: 5, C: 61 }),
    { d: { R: 3, C: 1 } },
    { d: { R: 768, C: 512 }, attrs: { activation: "gelu" } },
    { d: { R: 256, C: 3072 }, attrs: { activation: "gelu_tanh" } },
  ],
});

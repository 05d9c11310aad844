/**
 * Gated linear units (Shazeer 2020, arXiv:2002.05202), between the two products before them and the one
 * after: swiglu is f = silu, geglu f = gelu.
 *
 *   out = f(gate) · up        d_gate = f′(gate) · up · d_out        d_up = f(gate) · d_out
 */
import { activationCases, activations, emitTimesSlope } from "../kit/activations.ts";
import type { Activation } from "../../../runtime/contract/model.ts";
import { defineOp, oneOf } from "../kit/op.ts";
import { eachPair, PAIR } from "../kit/row-loops.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

const attrs = { activation: oneOf<Activation>("silu") };
/** Noise in −4 … 4 for the gate, so that both tails are tested and what lies between. */
const spread = (tensor: string, noise: () => number): number => (tensor === "gate" ? 4 * noise() : noise());
const cases = [
  ...activationCases({ R: 5, C: 61 }),
  { d: { R: 3, C: 1 } },
  { d: { R: 768, C: 344 } },
  { d: { R: 256, C: 2048 } },
];

export const gated = defineOp("gate[R,C] up[R,C] live[1]?:i32 -> out[R,C]", {
  doc: "out = f(gate) · up,  f = activation   (Shazeer 2020)",
  attrs,
  flops: ({ R, C }) => 17 * R * C,
  inPlace: { out: ["up", "gate"] },
  reference({ gate, up, out }, _d, { activation }) {
    for (let i = 0; i < out.length; i++) out[i] = activations[activation].value(gate[i]!) * up[i]!;
  },
  backward: (_has, attrs) => [
    {
      op: "gated_backward",
      ins: { gate: "gate", up: "up", d_out: "d_out" },
      outs: { d_gate: "d_gate", d_up: "d_up" },
      attrs,
    },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { C }, { attrs: { activation } }) {
    const { emitCommon, emitValue } = activations[activation];
    eachPair(w, C, [at.gate, at.up], at.out, (load) => {
      const gate = load(at.gate);
      return `f32x4.mul(${emitValue(gate, emitCommon(gate))}, ${load(at.up)})`;
    });
  },
  sample: (tensor, _d, noise) => spread(tensor, noise),
  cases,
});

export const gated_backward = defineOp("gate[R,C] up[R,C] d_out[R,C] -> d_gate[R,C] d_up[R,C]", {
  doc: "d_gate = f′(gate) · up · d_out,  d_up = f(gate) · d_out,  f = activation",
  attrs,
  flops: ({ R, C }) => 36 * R * C,
  inPlace: { d_gate: ["gate", "up", "d_out"], d_up: ["d_out", "up", "gate"] },
  reference({ gate, up, d_out, d_gate, d_up }, _d, { activation }) {
    for (let i = 0; i < d_up.length; i++) {
      const g = gate[i]!;
      const u = up[i]!;
      const d = d_out[i]!; // all are read first, because an output may share an input's memory
      d_gate[i] = activations[activation].slope(g) * u * d;
      d_up[i] = activations[activation].value(g) * d;
    }
  },
  tasks: ({ R }) => R,
  emit(w, at, { C }, { attrs: { activation } }) {
    const bytes = rowBytes(C);
    const { emitCommon, emitValue, emitBend } = activations[activation];
    w.block(`for (let i = <usize>first * ${bytes}, end = <usize>last * ${bytes}; i < end; i += 32)`, () => {
      for (const t of ["gate", "up", "d_out", "d_gate", "d_up"] as const)
        w.line(`const ${t}_i = ${at[t]} + i;`);
      for (const [half, offset] of PAIR) {
        w.line(
          `const gate_${half} = v128.load(gate_i${offset}), up_${half} = v128.load(up_i${offset}), ` +
            `d_${half} = v128.load(d_out_i${offset});`,
        );
        const [gate, up, d] = [`gate_${half}`, `up_${half}`, `d_${half}`];
        const common = `common_${half}`;
        w.line(`const ${common} = ${emitCommon(gate)};`);
        const slope = emitTimesSlope(activations[activation], up, emitBend(gate, common));
        w.line(
          `const slope_${half} = f32x4.mul(${slope}, ${d}), value_${half} = ` +
            `f32x4.mul(${emitValue(gate, common)}, ${d});`,
        );
      }
      for (const [t, value] of [
        ["d_gate", "slope"],
        ["d_up", "value"],
      ] as const)
        for (const [half, offset] of PAIR) w.line(`v128.store(${t}_i, ${value}_${half}${offset});`);
    });
  },
  sample: (tensor, _d, noise) => spread(tensor, noise),
  cases,
});

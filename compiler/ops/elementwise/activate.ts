/**
 * The nonlinearity of an mlp as a kernel of its own. Fusion usually moves it into the product before it, and
 * its slope into the product before the cotangent. kit/activations.ts has the equations.
 */
import { activationCases, activations, bendOf, emitTimesSlope } from "../kit/activations.ts";
import type { Activation } from "../../../runtime/contract/model.ts";
import { defineOp, oneOf } from "../kit/op.ts";
import { eachPair, LINE_BYTES } from "../kit/row-loops.ts";
import { linesOf, placeInLines } from "../kit/lines.ts";
import type { Writer } from "../kit/writer.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

const attrs = { activation: oneOf<Activation>("gelu") };

/** Noise in −4 … 4 for x, so that both tails are tested and what lies between. */
const spread = (tensor: string, noise: () => number): number => (tensor === "x" ? 4 * noise() : noise());

/** Cases that have a bend say how many lines of 16 columns it has. */
const withLines = { d: { R: 5, C: 61, L: linesOf(61) } };

export const activate = defineOp("x[R,C] live[1]?:i32 -> out[R,C] bend[L,R,16]?", {
  doc: "out = f(x),  bend = f′(x) − f′(0) in lines of 16 columns,  f = activation",
  attrs,
  flops: ({ R, C }) => 16 * R * C,
  inPlace: { out: "x" },
  reference({ x, out, bend }, { R, C }, { activation }) {
    const row = activations[activation];
    for (let i = 0; i < out.length; i++) {
      const v = x[i]!; // read first, because out may be in x's place
      if (bend) bend[placeInLines(R, Math.floor(i / C), i % C)] = bendOf(row, v);
      out[i] = row.value(v);
    }
  },
  backward: (_has, attrs) => [
    { op: "activate_backward", ins: { bend: "bend", d_out: "d_out" }, outs: { d_x: "d_x" }, attrs },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { R, C }, { attrs: { activation }, has }) {
    const { emitCommon, emitValue, emitBend } = activations[activation];
    if (!has("bend"))
      return eachPair(w, C, [at.x], at.out, (load) => {
        const x = load(at.x);
        return emitValue(x, emitCommon(x));
      });
    eachLineOfRows(w, R, C, { x: at.x, out: at.out }, at.bend, () => {
      for (const [half, offset] of QUARTERS) {
        w.line(`const x${half} = v128.load(x_i${offset}), common${half} = ${emitCommon(`x${half}`)};`);
        w.line(`const bend${half} = ${emitBend(`x${half}`, `common${half}`)};`);
        w.line(`const out${half} = ${emitValue(`x${half}`, `common${half}`)};`);
      }
      for (const t of ["bend", "out"])
        for (const [half, offset] of QUARTERS) w.line(`v128.store(${t}_i, ${t}${half}${offset});`);
    });
  },
  sample: (tensor, _d, noise) => spread(tensor, noise),
  cases: [
    ...activationCases(withLines.d).map((c) => ({ ...c, with: ["bend"] as const })),
    ...activationCases(withLines.d),
    { d: { R: 3, C: 1, L: 1 } },
    { d: { R: 768, C: 512, L: 32 }, attrs: { activation: "gelu" } },
    { d: { R: 256, C: 3072, L: 192 }, attrs: { activation: "gelu_tanh" } },
  ],
});

export const activate_backward = defineOp("bend[L,R,16] d_out[R,C] -> d_x[R,C]", {
  doc: "d_x = f′(x) · d_out = (bend + f′(0)) · d_out,  f = activation",
  attrs,
  flops: ({ R, C }) => 2 * R * C,
  inPlace: { d_x: "d_out" },
  reference({ bend, d_out, d_x }, { R, C }, { activation }) {
    const { slopeAtZero } = activations[activation];
    for (let i = 0; i < d_x.length; i++)
      d_x[i] = (bend[placeInLines(R, Math.floor(i / C), i % C)]! + slopeAtZero) * d_out[i]!;
  },
  tasks: ({ R }) => R,
  emit(w, at, { R, C }, { attrs: { activation } }) {
    const row = activations[activation];
    eachLineOfRows(w, R, C, { d_out: at.d_out, d_x: at.d_x }, at.bend, () => {
      for (const [half, offset] of QUARTERS) {
        const slope = emitTimesSlope(row, `v128.load(d_out_i${offset})`, `v128.load(bend_i${offset})`);
        w.line(`const d${half} = ${slope};`);
      }
      for (const [half, offset] of QUARTERS) w.line(`v128.store(d_x_i, d${half}${offset});`);
    });
  },
  cases: [
    ...activationCases(withLines.d),
    { d: { R: 3, C: 1, L: 1 } },
    { d: { R: 768, C: 512, L: 32 }, attrs: { activation: "gelu" } },
    { d: { R: 256, C: 3072, L: 192 }, attrs: { activation: "gelu_tanh" } },
  ],
});

/** A line of 16 columns, in adjacent pairs: what names end in, and the offsets of loads and stores. */
const QUARTERS = [
  ["0", ""],
  ["1", ", 16"],
  ["2", ", 32"],
  ["3", ", 48"],
] as const;

/**
 * `for` over the worker's rows and the lines of each. Locals of the body: a pointer into each of `rows`
 * (name → tensor [R,C]), and `bend_i` into bend[L,R,16].
 */
function eachLineOfRows(
  w: Writer,
  R: number,
  C: number,
  rows: Readonly<Record<string, string>>,
  bend: string,
  body: () => void,
): void {
  const bytes = rowBytes(C);
  w.block("for (let r = <usize>first; r < <usize>last; r++)", () =>
    w.block(`for (let i: usize = 0; i < ${bytes}; i += ${LINE_BYTES})`, () => {
      for (const [name, tensor] of Object.entries(rows))
        w.line(`const ${name}_i = ${tensor} + r * ${bytes} + i;`);
      w.line(`const bend_i = ${bend} + i * ${R} + r * ${LINE_BYTES};`);
      body();
    }),
  );
}

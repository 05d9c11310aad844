/**
 * The load-balancing loss of a mixture of experts (Fedus et al. 2021, arXiv:2101.03961, equations 4 to 6; for top-k as the share of all choices).
 * It is added to the objective, each row with the weight of a target (hyper.scale), and falls to `factor` when all experts get the same share.
 *
 *   loss = factor · E · Σ_r Σ_e f[e] p[r,e]        p[r,:] = softmax(logits[r,:])        f[e] = share of the choices that went to expert e: no gradient
 *   d_logits[r,e] = factor · E · scale · p[r,e] (f[e] − Σ_j f[j] p[r,j])
 *
 * starts[F], F = E + 1: where each expert's slots begin (see dispatch.ts).
 */
import { hyper as hyperIndex } from "../control.ts";
import { defineOp, type Attrs } from "../op.ts";
import type { Writer } from "../writer.ts";
import { accumulators, eachRow, maxOf, readRow, rowBytes, sumOf, writeRow } from "./rows.ts";

type Sizes = Readonly<Record<"R" | "E" | "F", number>>;
const balanceAttrs = { factor: 0.01 };

/** f[e] of all experts, and p of row r. */
function shares({ logits, starts }: Readonly<Record<"logits" | "starts", Float64Array>>, { E }: Sizes): { f: number[]; p(r: number): number[] } {
  const f = Array.from({ length: E }, (_, e) => (starts[e + 1]! - starts[e]!) / starts[E]!);
  return {
    f,
    p(r) {
      const row = Array.from(logits.subarray(r * E, (r + 1) * E)), top = Math.max(...row), powers = row.map((l) => Math.exp(l - top)), sum = powers.reduce((a, b) => a + b, 0);
      return powers.map((v) => v / sum);
    },
  };
}
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

/** shares[E] in scratch. */
function emitShares(w: Writer, starts: string, { E }: Sizes): void {
  w.line(`const shares = scratch;`);
  w.line(`memory.fill(shares, 0, ${rowBytes(E)});`);
  w.line(`for (let e: usize = 0; e < ${4 * E}; e += 4) store<f32>(shares + e, <f32>(load<i32>(${starts} + e, 4) - load<i32>(${starts} + e)) / <f32>load<i32>(${starts}, ${4 * E}));`);
}

/** Per row: `most4` = the largest logit; `sum` = Σ e^(logit − most), `mixed` = Σ f e^(logit − most). */
function emitRowSums(w: Writer, E: number): void {
  accumulators(w, "m", "LOWEST");
  readRow(w, E, ["x_r"], (v) => w.line(`m${v.j} = f32x4.pmax(m${v.j}, ${v.keep(v.load("x_r"), "f32x4.splat(-f32.MAX_VALUE)")});`));
  w.line(`const most4 = f32x4.splat(${maxOf("m")});`);
  accumulators(w, "s");
  accumulators(w, "f");
  readRow(w, E, ["x_r", "shares"], (v) => {
    w.line(`const power${v.j} = ${v.keep(`exp4(f32x4.sub(${v.load("x_r")}, most4))`)};`);
    w.line(`s${v.j} = f32x4.add(s${v.j}, power${v.j}); f${v.j} = madd(power${v.j}, ${v.load("shares")}, f${v.j});`);
  });
  w.line(`const sum = ${sumOf("s")}, mixed = ${sumOf("f")};`);
}

const cases = [{ R: 7, E: 5, F: 6 }, { R: 17, E: 16, F: 17 }, { R: 3, E: 33, F: 34 }, { R: 768, E: 8, F: 9 }];
/** Uneven shares, one of them empty. */
const sample = (tensor: string, _d: unknown, noise: () => number, i: number): number => (tensor === "starts" ? [0, 0, 3][i] ?? 3 + i * i : tensor === "hyper" ? 0.25 : 3 * noise());

export const balance = defineOp("logits[R,E] starts[F]:i32 -> loss[O]", {
  doc: "loss = factor · E · Σ_r Σ_e f[e] softmax(logits[r,:])[e]   (Fedus et al. 2021)",
  kind: "contract",
  attrs: balanceAttrs,
  flops: ({ R, E }) => 18 * R * E,
  reference(t, d, attrs: Attrs) {
    const { f, p } = shares(t, d);
    t.loss[0] = Array.from({ length: d.R }, (_, r) => dot(f, p(r))).reduce((a, b) => a + b, 0) * (attrs["factor"] as number) * d.E;
  },
  backward: (_has, attrs) => [{ op: "balance_backward", ins: { logits: "logits", starts: "starts", hyper: "hyper" }, outs: { d_logits: "d_logits" }, attrs }],
  tasks: () => 1,
  scratch: ({ E }) => rowBytes(E),
  emit(w, at, d, { attrs }) {
    w.line("if (first == last) return;");
    emitShares(w, at.starts, d);
    w.line("let total: f64 = 0;");
    w.block(`for (let r = 0; r < ${d.R}; r++)`, () => {
      w.line(`const x_r = ${at.logits} + <usize>r * ${rowBytes(d.E)};`);
      emitRowSums(w, d.E);
      w.line("total += <f64>(mixed / sum);");
    });
    w.line(`memory.fill(${at.loss}, 0, ${rowBytes(1)});`);
    w.line(`store<f32>(${at.loss}, <f32>(total * ${(attrs["factor"] as number) * d.E}));`);
  },
  sample,
  cases: cases.map((d) => ({ d: { ...d, O: 1 } })),
});

export const balance_backward = defineOp("logits[R,E] starts[F]:i32 hyper[Z] -> d_logits[R,E]", {
  doc: "d_logits = factor · E · scale · p ∘ (f − Σ_j f[j] p[:,j])",
  kind: "row",
  attrs: balanceAttrs,
  flops: ({ R, E }) => 20 * R * E,
  inPlace: { d_logits: "logits" },
  reference(t, d, attrs: Attrs) {
    const { f, p } = shares({ logits: t.logits.slice(), starts: t.starts }, d), times = (attrs["factor"] as number) * d.E * t.hyper[hyperIndex.scale]!;
    for (let r = 0; r < d.R; r++) {
      const row = p(r), mean = dot(f, row);
      for (let e = 0; e < d.E; e++) t.d_logits[r * d.E + e] = times * row[e]! * (f[e]! - mean);
    }
  },
  tasks: ({ R }) => R,
  scratch: ({ E }) => rowBytes(E),
  emit(w, at, d, { attrs }) {
    emitShares(w, at.starts, d);
    w.line(`const times = <f32>${(attrs["factor"] as number) * d.E} * load<f32>(${at.hyper}, ${4 * hyperIndex.scale});`);
    eachRow(w, { x_r: at.logits, d_r: at.d_logits }, d.E, () => {
      emitRowSums(w, d.E);
      w.line("const mean4 = f32x4.splat(mixed / sum), times4 = f32x4.splat(times / sum);");
      writeRow(w, d.E, ["x_r", "shares"], "d_r", (v) =>
        v.keep(`f32x4.mul(f32x4.mul(exp4(f32x4.sub(${v.load("x_r")}, most4)), times4), f32x4.sub(${v.load("shares")}, mean4))`));
    });
  },
  sample,
  cases: cases.map((d) => ({ d: { ...d, Z: 16 } })),
});

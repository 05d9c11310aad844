/**
 * Layer normalisation (Ba, Kiros & Hinton 2016, arXiv:1607.06450).
 *
 *   n[r,c] = (x[r,c] − mean[r]) · rstd[r]        rstd[r] = 1 / √( mean_c (x − mean[r])² + ε )
 *   out = n · w + b
 *   d_x = rstd · (g − mean_c g − n · mean_c(g·n)),  g = w · d_out
 *   d_w = Σ_r d_out · n        d_b = Σ_r d_out
 *
 * A row stays in L1 while it is read several times. mean[R] and rstd[R] are kept for the backward.
 */
import { defineOp } from "../kit/op.ts";
import {
  accumulators,
  affine,
  columnTasks,
  eachRow,
  padVector,
  readRow,
  sumOf,
  writeRow,
} from "../kit/row-loops.ts";
import { emitNormDw, emitNormDx, normDwReference, sampleStatistic } from "./norm-gradients.ts";

type Tensors = Readonly<Record<"x" | "mean" | "rstd", Float64Array>>;

/** n[r,c], from the statistics that the forward kept. */
const normed = ({ x, mean, rstd }: Tensors, r: number, c: number, C: number): number =>
  (x[r * C + c]! - mean[r]!) * rstd[r]!;

export const layernorm = defineOp("x[R,C] w[C]? b[C]? live[1]?:i32 -> out[R,C] mean[R]? rstd[R]?", {
  doc: "out = (x − mean_c x) / √(var_c x + ε) · w + b   (Ba, Kiros & Hinton 2016)",
  attrs: { eps: 1e-5 },
  flops: ({ R, C }) => 8 * R * C,
  inPlace: { out: "x" },
  reference(t, { R, C }, attrs) {
    for (let r = 0; r < R; r++) {
      const row = t.x.slice(r * C, (r + 1) * C);
      const mean = row.reduce((a, v) => a + v, 0) / C;
      const rstd = 1 / Math.sqrt(row.reduce((a, v) => a + (v - mean) ** 2, 0) / C + attrs.eps);
      for (let c = 0; c < C; c++)
        t.out[r * C + c] = (row[c]! - mean) * rstd * (t.w?.[c] ?? 1) + (t.b?.[c] ?? 0);
      if (t.mean) t.mean[r] = mean;
      if (t.rstd) t.rstd[r] = rstd;
    }
  },
  backward: () => [
    {
      op: "layernorm_dx",
      ins: { x: "x", w: "w", mean: "mean", rstd: "rstd", d_out: "d_out" },
      outs: { d_x: "d_x" },
    },
    {
      op: "layernorm_dw",
      ins: { x: "x", mean: "mean", rstd: "rstd", d_out: "d_out" },
      outs: { d_w: "d_w", d_b: "d_b" },
    },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { R, C }, { attrs, has }) {
    eachRow(w, { x_r: at.x, out_r: at.out }, C, () => {
      accumulators(w, "s");
      readRow(w, C, ["x_r"], (v) => w.line(`s${v.j} = f32x4.add(s${v.j}, ${v.load("x_r")});`));
      w.line(`const mean_r = ${sumOf("s")} * <f32>${1 / C}, mean4 = f32x4.splat(mean_r);`);
      accumulators(w, "q");
      readRow(w, C, ["x_r"], (v) => {
        w.line(`const d${v.j} = ${v.keep(`f32x4.sub(${v.load("x_r")}, mean4)`)};`);
        w.line(`q${v.j} = madd(d${v.j}, d${v.j}, q${v.j});`);
      });
      w.line(
        `const rstd_r = <f32>1 / sqrt<f32>(${sumOf("q")} * <f32>${1 / C} + <f32>${attrs.eps}), rstd4 ` +
          "= f32x4.splat(rstd_r);",
      );
      writeRow(w, C, ["x_r", ...(has("w") ? [at.w] : []), ...(has("b") ? [at.b] : [])], "out_r", (v) => {
        const n = `f32x4.mul(f32x4.sub(${v.load("x_r")}, mean4), rstd4)`;
        return v.keep(affine(n, has("w") ? v.load(at.w) : undefined, has("b") ? v.load(at.b) : undefined));
      });
      if (has("mean")) w.line(`store<f32>(${at.mean} + (<usize>r << 2), mean_r);`);
      if (has("rstd")) w.line(`store<f32>(${at.rstd} + (<usize>r << 2), rstd_r);`);
    });
    if (has("mean")) padVector(w, at.mean, R);
    if (has("rstd")) padVector(w, at.rstd, R);
  },
  cases: [
    { d: { R: 5, C: 61 }, with: ["w", "b", "mean", "rstd"] },
    { d: { R: 3, C: 48 }, with: ["w", "mean", "rstd"] },
    { d: { R: 17, C: 40 }, with: ["b"] },
    ...[1, 2, 15, 16, 17].map((C) => ({ d: { R: 3, C } })),
    { d: { R: 768, C: 128 }, with: ["w", "b", "mean", "rstd"] },
    { d: { R: 2048, C: 384 }, with: ["w", "b", "mean", "rstd"] },
    { d: { R: 256, C: 768 }, with: ["w", "b", "mean", "rstd"] },
  ],
});

export const layernorm_dx = defineOp("x[R,C] w[C]? mean[R] rstd[R] d_out[R,C] add[R,C]? -> d_x[R,C]", {
  doc: "d_x = rstd · (g − mean_c g − n · mean_c(g·n)) + add,  g = w · d_out,  n = (x − mean) · rstd",
  flops: ({ R, C }) => 14 * R * C,
  inPlace: { d_x: ["d_out", "add", "x"] },
  reference(t, { R, C }) {
    for (let r = 0; r < R; r++) {
      const g = (c: number) => t.d_out[r * C + c]! * (t.w?.[c] ?? 1);
      let sum = 0;
      let dot = 0;
      for (let c = 0; c < C; c++) {
        sum += g(c);
        dot += g(c) * normed(t, r, c, C);
      }
      for (let c = 0; c < C; c++)
        t.d_x[r * C + c] =
          t.rstd[r]! * (g(c) - sum / C - (normed(t, r, c, C) * dot) / C) + (t.add?.[r * C + c] ?? 0);
    }
  },
  tasks: ({ R }) => R,
  emit: (w, at, { C }, { has }) => emitNormDx(w, at, C, has),
  sample: (tensor, _d, noise) => sampleStatistic(tensor, noise),
  cases: [
    { d: { R: 5, C: 61 }, with: ["w", "add"] },
    { d: { R: 3, C: 48 }, with: ["w"] },
    ...[1, 2, 15, 16, 17, 40].map((C) => ({ d: { R: 3, C } })),
    { d: { R: 768, C: 128 }, with: ["w", "add"] },
    { d: { R: 2048, C: 384 }, with: ["w", "add"] },
    { d: { R: 256, C: 768 }, with: ["w", "add"] },
  ],
});

export const layernorm_dw = defineOp("x[R,C] mean[R] rstd[R] d_out[R,C] -> d_w[C]? d_b[C]?", {
  doc: "d_w[c] = Σ_r d_out · n,  d_b[c] = Σ_r d_out,  n = (x − mean) · rstd",
  flops: ({ R, C }) => 5 * R * C,
  accumulates: ["d_w", "d_b"],
  reference(t, { R, C }, _attrs, accumulate) {
    normDwReference(t, { R, C }, accumulate, (r, c) => normed(t, r, c, C));
  },
  tasks: ({ C }) => columnTasks(C),
  emit: (w, at, d, { has }) => emitNormDw(w, at, d, has),
  sample: (tensor, _d, noise) => sampleStatistic(tensor, noise),
  cases: [
    { d: { R: 5, C: 61 }, with: ["d_w", "d_b"] },
    { d: { R: 8, C: 48 }, with: ["d_w"] },
    { d: { R: 1, C: 1 }, with: ["d_b"] },
    { d: { R: 3, C: 17 }, with: ["d_w", "d_b"] },
    { d: { R: 768, C: 128 }, with: ["d_w", "d_b"] },
    { d: { R: 2048, C: 384 }, with: ["d_w", "d_b"] },
    { d: { R: 256, C: 768 }, with: ["d_w", "d_b"] },
  ],
});

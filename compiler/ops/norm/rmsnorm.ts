/**
 * Root-mean-square normalisation (Zhang & Sennrich 2019, arXiv:1910.07467).
 *
 *   n[r,c] = x[r,c] · rstd[r]        out = n · w + b        rstd[r] = 1 / √( mean_c x² + ε )
 *   d_x = rstd · (g − n · mean_c(g·n)),  g = w · d_out      d_w = Σ_r d_out · n        d_b = Σ_r d_out
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

export const rmsnorm = defineOp("x[R,C] w[C]? b[C]? live[1]?:i32 -> out[R,C] rstd[R]?", {
  doc: "out = x / √(mean_c x² + ε) · w + b   (Zhang & Sennrich 2019)",
  attrs: { eps: 1e-5 },
  flops: ({ R, C }) => 4 * R * C,
  inPlace: { out: "x" },
  reference(t, { R, C }, attrs) {
    for (let r = 0; r < R; r++) {
      const row = t.x.slice(r * C, (r + 1) * C);
      const rstd = 1 / Math.sqrt(row.reduce((a, v) => a + v * v, 0) / C + attrs.eps);
      for (let c = 0; c < C; c++) t.out[r * C + c] = row[c]! * rstd * (t.w?.[c] ?? 1) + (t.b?.[c] ?? 0);
      if (t.rstd) t.rstd[r] = rstd;
    }
  },
  backward: () => [
    {
      op: "rmsnorm_dx",
      ins: { x: "x", w: "w", rstd: "rstd", d_out: "d_out" },
      outs: { d_x: "d_x" },
    },
    {
      op: "rmsnorm_dw",
      ins: { x: "x", rstd: "rstd", d_out: "d_out" },
      outs: { d_w: "d_w", d_b: "d_b" },
    },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { R, C }, { attrs, has }) {
    eachRow(w, { x_r: at.x, out_r: at.out }, C, () => {
      accumulators(w, "q");
      readRow(w, C, ["x_r"], (v) => {
        w.line(`const x${v.j} = ${v.load("x_r")};`);
        w.line(`q${v.j} = madd(x${v.j}, x${v.j}, q${v.j});`);
      });
      w.line(
        `const rstd_r = <f32>1 / sqrt<f32>(${sumOf("q")} * <f32>${1 / C} + <f32>${attrs.eps}), rstd4 ` +
          "= f32x4.splat(rstd_r);",
      );
      writeRow(w, C, ["x_r", ...(has("w") ? [at.w] : []), ...(has("b") ? [at.b] : [])], "out_r", (v) => {
        // w, b and x are zero in the padding, so nothing has to be masked
        const n = `f32x4.mul(${v.load("x_r")}, rstd4)`;
        return affine(n, has("w") ? v.load(at.w) : undefined, has("b") ? v.load(at.b) : undefined);
      });
      if (has("rstd")) w.line(`store<f32>(${at.rstd} + (<usize>r << 2), rstd_r);`);
    });
    if (has("rstd")) padVector(w, at.rstd, R);
  },
  cases: [
    { d: { R: 5, C: 61 }, with: ["w", "b", "rstd"] },
    { d: { R: 3, C: 48 }, with: ["w", "rstd"] },
    { d: { R: 17, C: 40 }, with: ["b"] },
    ...[1, 2, 15, 16, 17].map((C) => ({ d: { R: 3, C } })),
    { d: { R: 768, C: 128 }, with: ["w", "rstd"] },
    { d: { R: 2048, C: 384 }, with: ["w", "rstd"] },
    { d: { R: 256, C: 768 }, with: ["w", "rstd"] },
  ],
});

export const rmsnorm_dx = defineOp("x[R,C] w[C]? rstd[R] d_out[R,C] add[R,C]? -> d_x[R,C]", {
  doc: "d_x = rstd · (g − n · mean_c(g·n)) + add,  g = w · d_out,  n = x · rstd",
  flops: ({ R, C }) => 9 * R * C,
  inPlace: { d_x: ["d_out", "add", "x"] },
  reference(t, { R, C }) {
    for (let r = 0; r < R; r++) {
      const g = (c: number) => t.d_out[r * C + c]! * (t.w?.[c] ?? 1);
      const n = (c: number) => t.x[r * C + c]! * t.rstd[r]!;
      let dot = 0;
      for (let c = 0; c < C; c++) dot += g(c) * n(c);
      for (let c = 0; c < C; c++)
        t.d_x[r * C + c] = t.rstd[r]! * (g(c) - (n(c) * dot) / C) + (t.add?.[r * C + c] ?? 0);
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

export const rmsnorm_dw = defineOp("x[R,C] rstd[R] d_out[R,C] -> d_w[C]? d_b[C]?", {
  doc: "d_w[c] = Σ_r d_out · n,  d_b[c] = Σ_r d_out,  n = x · rstd",
  flops: ({ R, C }) => 4 * R * C,
  accumulates: ["d_w", "d_b"],
  reference(t, { R, C }, _attrs, accumulate) {
    normDwReference(t, { R, C }, accumulate, (r, c) => t.x[r * C + c]! * t.rstd[r]!);
  },
  tasks: ({ C }) => columnTasks(C),
  emit: (w, at, d, { has }) => emitNormDw(w, at, d, has),
  sample: (tensor, _d, noise) => sampleStatistic(tensor, noise),
  cases: [
    { d: { R: 5, C: 61 }, with: ["d_w", "d_b"] },
    { d: { R: 8, C: 48 }, with: ["d_w"] },
    { d: { R: 1, C: 1 }, with: ["d_b"] },
    { d: { R: 3, C: 17 }, with: ["d_w", "d_b"] },
    { d: { R: 768, C: 128 }, with: ["d_w"] },
    { d: { R: 2048, C: 384 }, with: ["d_w"] },
    { d: { R: 256, C: 768 }, with: ["d_w"] },
  ],
});

/**
 * QK-norm: RMSNorm of every head's queries and keys (Henry et al. 2020, arXiv:2010.04245; with root mean
 * squares: Dehghani et al. 2023), with one trained factor per column of a head. Values stay as they are.
 *
 *   n = x · rstd        rstd = 1 / √( mean_c x² + ε ) over the D columns of a head
 *   out = n · w         w = wq for queries, wk for keys
 *   d_x = rstd · (g − n · mean_c(g·n)),  g = w · d_out        d_wq, d_wk = Σ over rows and heads of d_out · n
 *
 * A row of x has q of all heads, then k and then v of all key/value heads. H = heads + kv_heads.
 */
import { defineOp } from "../kit/op.ts";
import { eachColumn, eachHead, sumOver } from "./head-loops.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

/** How many of the heads are queries. They stand before the keys in a row. */
const headAttrs = { heads: 1 };
const isQuery = (h: number, { heads }: typeof headAttrs): boolean => h < heads;

const sizes = [
  { R: 5, Q: 32, D: 8, H: 3 },
  { R: 4, Q: 40, D: 6, H: 5 },
  { R: 3, Q: 15, D: 3, H: 4 },
  { R: 2048, Q: 1152, D: 64, H: 12 },
];
const headsOf = ({ H }: { readonly H: number }): number => Math.ceil((H * 2) / 3);

export const qk_norm = defineOp("x[R,Q] wq[D] wk[D] live[1]?:i32 -> out[R,Q] rstd[R,H]", {
  doc: "out = x / √(mean_c x² + ε) · w   per head of queries and keys   (Henry et al. 2020)",
  attrs: { ...headAttrs, eps: 1e-6 },
  flops: ({ R, H, D }) => 4 * R * H * D,
  inPlace: { out: "x" },
  reference({ x, wq, wk, out, rstd }, { R, Q, D, H }, attrs) {
    for (let r = 0; r < R; r++) {
      for (let h = 0; h < H; h++) {
        const at = r * Q + h * D;
        const head = x.slice(at, at + D);
        const scale = 1 / Math.sqrt(head.reduce((sum, v) => sum + v * v, 0) / D + attrs.eps);
        for (let c = 0; c < D; c++) out[at + c] = head[c]! * scale * (isQuery(h, attrs) ? wq : wk)[c]!;
        rstd[r * H + h] = scale;
      }
      for (let i = r * Q + H * D; i < (r + 1) * Q; i++) out[i] = x[i]!;
    }
  },
  backward: (_has, attrs) => [
    {
      op: "qk_norm_dx",
      ins: { x: "x", wq: "wq", wk: "wk", rstd: "rstd", d_out: "d_out" },
      outs: { d_x: "d_x" },
      attrs: { heads: attrs.heads },
    },
    {
      op: "qk_norm_dw",
      ins: { x: "x", rstd: "rstd", d_out: "d_out" },
      outs: { d_wq: "d_wq", d_wk: "d_wk" },
      attrs: { heads: attrs.heads },
    },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, d, { attrs }) {
    eachHead(
      w,
      d,
      attrs,
      { from: at.x, to: at.out, rstd: at.rstd, wq: at.wq, wk: at.wk },
      { x_h: at.x, out_h: at.out },
      () => {
        sumOver(w, d.D, "square", (load, op) => op.mul(load("x_h"), load("x_h")));
        w.line(`const rstd_h = <f32>1 / sqrt<f32>(square * <f32>${1 / d.D} + <f32>${attrs.eps});`);
        eachColumn(w, d.D, (load, store, op) =>
          store("out_h", op.mul(op.mul(load("x_h"), op.all("rstd_h")), load("w_h"))),
        );
        w.line("store<f32>(rstd_r + (h << 2), rstd_h);");
        if (rowBytes(d.H) > 4 * d.H)
          w.line(`if (h == ${d.H - 1}) memory.fill(rstd_r + ${4 * d.H}, 0, ${rowBytes(d.H) - 4 * d.H});`);
      },
    );
  },
  cases: sizes.map((d) => ({ d, attrs: { heads: headsOf(d) } })),
});

const sample = (tensor: string, noise: () => number): number =>
  tensor === "rstd" ? 1.25 + 0.75 * noise() : noise();

export const qk_norm_dx = defineOp("x[R,Q] wq[D] wk[D] rstd[R,H] d_out[R,Q] -> d_x[R,Q]", {
  doc: "d_x = rstd · (g − n · mean_c(g·n)) per head,  g = w · d_out,  n = x · rstd",
  attrs: headAttrs,
  flops: ({ R, H, D }) => 9 * R * H * D,
  inPlace: { d_x: "d_out" },
  reference({ x, wq, wk, rstd, d_out, d_x }, { R, Q, D, H }, attrs) {
    for (let r = 0; r < R; r++) {
      for (let h = 0; h < H; h++) {
        const at = r * Q + h * D;
        const scale = rstd[r * H + h]!;
        const weight = isQuery(h, attrs) ? wq : wk;
        const g = Array.from({ length: D }, (_, c) => weight[c]! * d_out[at + c]!);
        const mean = g.reduce((sum, v, c) => sum + v * x[at + c]! * scale, 0) / D;
        for (let c = 0; c < D; c++) d_x[at + c] = scale * (g[c]! - x[at + c]! * scale * mean);
      }
      for (let i = r * Q + H * D; i < (r + 1) * Q; i++) d_x[i] = d_out[i]!;
    }
  },
  tasks: ({ R }) => R,
  emit(w, at, d, { attrs }) {
    eachHead(
      w,
      d,
      attrs,
      { from: at.d_out, to: at.d_x, rstd: at.rstd, wq: at.wq, wk: at.wk },
      { x_h: at.x, d_out_h: at.d_out, d_x_h: at.d_x },
      () => {
        w.line("const rstd_h = load<f32>(rstd_r + (h << 2));");
        sumOver(w, d.D, "dot", (load, op) => op.mul(op.mul(load("d_out_h"), load("w_h")), load("x_h")));
        w.line(`const slope = dot * <f32>${1 / d.D} * rstd_h * rstd_h;`);
        eachColumn(w, d.D, (load, store, op) =>
          store(
            "d_x_h",
            op.mul(
              op.sub(op.mul(load("d_out_h"), load("w_h")), op.mul(load("x_h"), op.all("slope"))),
              op.all("rstd_h"),
            ),
          ),
        );
      },
    );
  },
  sample: (tensor, _d, noise) => sample(tensor, noise),
  cases: sizes.map((d) => ({ d, attrs: { heads: headsOf(d) } })),
});

/**
 * A worker has some columns of a head, and walks down all rows and heads, so that the sums come in the same
 * order however many workers there are.
 */
export const qk_norm_dw = defineOp("x[R,Q] rstd[R,H] d_out[R,Q] -> d_wq[D] d_wk[D]", {
  doc: "d_wq[c], d_wk[c] = Σ over rows and heads of d_out · x · rstd",
  attrs: headAttrs,
  flops: ({ R, H, D }) => 3 * R * H * D,
  accumulates: ["d_wq", "d_wk"],
  reference({ x, rstd, d_out, d_wq, d_wk }, { R, Q, D, H }, attrs, accumulate) {
    if (!accumulate) for (const d of [d_wq, d_wk]) d.fill(0);
    for (let r = 0; r < R; r++)
      for (let h = 0; h < H; h++)
        for (let c = 0; c < D; c++) {
          const i = r * Q + h * D + c;
          (isQuery(h, attrs) ? d_wq : d_wk)[c]! += d_out[i]! * x[i]! * rstd[r * H + h]!;
        }
  },
  tasks: ({ D }) => Math.ceil(D / 4),
  emit(w, at, { R, Q, D, H }, { attrs }) {
    const heads = attrs.heads;
    const line = rowBytes(D);
    const sums = (to: string, from: number, end: number): void => {
      const walk = (body: () => void): void =>
        w.block(`for (let r: usize = 0; r < ${R}; r++)`, () =>
          w.block(`for (let h: usize = ${from}; h < ${end}; h++)`, body),
        );
      const i = `r * ${rowBytes(Q)} + h * ${4 * D} + c`;
      const rstd = `${at.rstd} + r * ${rowBytes(H)} + (h << 2)`;
      w.block("for (let task = first; task < last; task++)", () => {
        w.line(`const c = <usize>task << 4, to = ${to} + c;`);
        const scalars = (count: number): void => {
          w.block(`for (let n: usize = 0; n < ${4 * count}; n += 4)`, () => {
            w.line("let sum: f32 = accumulate ? load<f32>(to + n) : 0;");
            walk(() =>
              w.line(
                `sum += load<f32>(${at.d_out} + ${i} + n) * load<f32>(${at.x} + ${i} + n) * ` +
                  `load<f32>(${rstd});`,
              ),
            );
            w.line("store<f32>(to + n, sum);");
          });
        };
        const four = (): void => {
          w.line("let sum = accumulate ? v128.load(to) : ZERO;");
          walk(() =>
            w.line(
              `sum = madd(f32x4.mul(v128.load(${at.d_out} + ${i}), v128.load(${at.x} + ${i})), ` +
                `v128.load32_splat(${rstd}), sum);`,
            ),
          );
          w.line("v128.store(to, sum);");
        };
        if (D % 4 === 0) four();
        else if (D < 4) scalars(D);
        else {
          w.block(`if (task < ${Math.floor(D / 4)})`, four);
          w.block("else", () => scalars(D % 4));
        }
      });
      if (line > 4 * D)
        w.line(
          `if (last == ${Math.ceil(D / 4)} && first < last) memory.fill(${to} + ${4 * D}, 0, ` +
            `${line - 4 * D});`,
        );
    };
    w.block("", () => sums(at.d_wq, 0, heads));
    w.block("", () => sums(at.d_wk, heads, H));
  },
  sample: (tensor, _d, noise) => sample(tensor, noise),
  cases: sizes.map((d) => ({ d, attrs: { heads: headsOf(d) } })),
});

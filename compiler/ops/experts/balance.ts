/**
 * The load-balancing loss of a mixture of experts (Fedus et al. 2021, arXiv:2101.03961, equations 4 to 6;
 * with several experts per row, f counts all choices). Its cotangent is by default the weight of a target
 * (hyper.scale), so that the loss is a mean over the counted rows, as the cross-entropy is; it falls to
 * `factor` when all experts get the same share. A row whose target is −1 is not counted, because padding
 * need not be divided evenly.
 *
 *   loss = factor · E · Σ_r Σ_e f[e] p[r,e]
 *   p[r,:] = softmax(logits[r,:])        f[e] = share of the choices that went to expert e, without gradient
 *   d_logits[r,e] = factor · E · weight · p[r,e] (f[e] − Σ_j f[j] p[r,j]),  0 where the target is −1
 *
 * In these sums and in f, r runs over the rows that are counted.
 */
import { hyper as hyperIndex } from "../../../runtime/contract/control.ts";
import { loadHyper } from "../kit/hyper.ts";
import { defineOp } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { accumulators, eachRow, maxOf, readRow, sumOf, writeRow } from "../kit/row-loops.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

type Sizes = Readonly<Record<"R" | "E" | "K", number>>;
const balanceAttrs = { factor: 0.01 };

/** f of all experts, p of a row, and the rows that are counted. */
function shares(
  { logits, choice, targets }: Readonly<Record<"logits" | "choice" | "targets", Float64Array>>,
  { R, E, K }: Sizes,
) {
  const counted = Array.from({ length: R }, (_, r) => r).filter((r) => targets[r]! >= 0);
  const f = Array.from({ length: E }, () => 0);
  for (const r of counted)
    for (const e of choice.subarray(r * K, (r + 1) * K)) f[e]! += 1 / (counted.length * K);
  const p = (r: number): number[] => {
    const row = Array.from(logits.subarray(r * E, (r + 1) * E));
    const top = Math.max(...row);
    const powers = row.map((l) => Math.exp(l - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((v) => v / sum);
  };
  return { f, p, counted };
}
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, v, i) => sum + v * b[i]!, 0);

/** Writes f as shares[E] into scratch. As numbers of choices, f32 are exact up to 16 Mi. */
function emitShares(
  w: Writer,
  at: { readonly choice: string; readonly targets: string },
  { R, E, K }: Sizes,
): void {
  w.line("const shares = scratch;");
  w.line(`memory.fill(shares, 0, ${rowBytes(E)});`);
  w.line("let choices: f32 = 0;");
  w.block(`for (let r: usize = 0; r < ${R}; r++)`, () => {
    w.line(`if (load<i32>(${at.targets} + (r << 2)) < 0) continue;`);
    w.line(`choices += ${K};`);
    w.block(`for (let k: usize = 0; k < ${4 * K}; k += 4)`, () => {
      w.line(`const share = shares + (<usize>load<i32>(${at.choice} + r * ${rowBytes(K)} + k) << 2);`);
      w.line("store<f32>(share, load<f32>(share) + 1);");
    });
  });
  w.line(
    `if (choices > 0) for (let e: usize = 0; e < ${4 * E}; e += 4) store<f32>(shares + e, ` +
      "load<f32>(shares + e) / choices);",
  );
}

/** Locals of a row: `most4`, its largest logit; sum = Σ e^(logit − most); mixed = Σ f · e^(logit − most). */
function emitRowSums(w: Writer, E: number): void {
  accumulators(w, "m", "LOWEST");
  readRow(w, E, ["x_r"], (v) =>
    w.line(`m${v.j} = f32x4.pmax(m${v.j}, ${v.keep(v.load("x_r"), "f32x4.splat(-f32.MAX_VALUE)")});`),
  );
  w.line(`const most4 = f32x4.splat(${maxOf("m")});`);
  accumulators(w, "s");
  accumulators(w, "f");
  readRow(w, E, ["x_r", "shares"], (v) => {
    w.line(`const power${v.j} = ${v.keep(`exp4(f32x4.sub(${v.load("x_r")}, most4))`)};`);
    w.line(
      `s${v.j} = f32x4.add(s${v.j}, power${v.j}); f${v.j} = madd(power${v.j}, ${v.load("shares")}, f${v.j});`,
    );
  });
  w.line(`const sum = ${sumOf("s")}, mixed = ${sumOf("f")};`);
}

const cases = [
  { R: 7, E: 5, K: 2 },
  { R: 17, E: 16, K: 1 },
  { R: 3, E: 33, K: 4 },
  { R: 768, E: 8, K: 2 },
];

/**
 * What a test may feed: uneven choices, by which some experts get none; two rows in seven are not counted.
 */
function sample(tensor: string, { E }: { readonly E: number }, noise: () => number, i: number): number {
  if (tensor === "targets") return i % 7 === 3 || i % 7 === 4 ? -1 : i;
  if (tensor === "choice") return (i * i + (i >> 2)) % Math.max(1, E - 2);
  return tensor === "hyper" || tensor === "weight" ? 0.25 : 3 * noise();
}

export const balance = defineOp("logits[R,E] choice[R,K]:i32 targets[R]:i32 -> loss[O]", {
  doc:
    "loss = factor · E · Σ_r Σ_e f[e] softmax(logits[r,:])[e] over the rows that count   (Fedus et al. " +
    "2021)",
  attrs: balanceAttrs,
  flops: ({ R, E }) => 18 * R * E,
  reference(t, d, attrs) {
    const { f, p, counted } = shares(t, d);
    t.loss[0] = counted.map((r) => dot(f, p(r))).reduce((a, b) => a + b, 0) * attrs.factor * d.E;
  },
  backward: (_has, attrs) => [
    {
      op: "balance_backward",
      ins: { logits: "logits", choice: "choice", targets: "targets", weight: "d_loss" },
      outs: { d_logits: "d_logits" },
      attrs,
    },
  ],
  tasks: () => 1,
  scratch: ({ E }) => rowBytes(E),
  emit(w, at, d, { attrs }) {
    w.line("if (first == last) return;");
    emitShares(w, at, d);
    w.line("let total: f64 = 0;");
    w.block(`for (let r = 0; r < ${d.R}; r++)`, () => {
      w.line(`if (load<i32>(${at.targets} + (<usize>r << 2)) < 0) continue;`);
      w.line(`const x_r = ${at.logits} + <usize>r * ${rowBytes(d.E)};`);
      emitRowSums(w, d.E);
      w.line("total += <f64>(mixed / sum);");
    });
    w.line(`memory.fill(${at.loss}, 0, ${rowBytes(1)});`);
    w.line(`store<f32>(${at.loss}, <f32>(total * ${attrs.factor * d.E}));`);
  },
  sample,
  cases: cases.map((d) => ({ d: { ...d, O: 1 } })),
});

export const balance_backward = defineOp(
  "logits[R,E] choice[R,K]:i32 targets[R]:i32 weight[O]? hyper[Z]? -> d_logits[R,E]",
  {
    doc: "d_logits = factor · E · (weight or scale) · p ∘ (f − Σ_j f[j] p[:,j]);  0 where the target is −1",
    attrs: balanceAttrs,
    flops: ({ R, E }) => 20 * R * E,
    inPlace: { d_logits: "logits" },
    reference(t, d, attrs) {
      const { f, p, counted } = shares({ ...t, logits: t.logits.slice() }, d);
      const given = t as Partial<typeof t>;
      const weight = given.weight?.[0] ?? t.hyper[hyperIndex.scale]!;
      const times = attrs.factor * d.E * weight;
      t.d_logits.fill(0);
      for (const r of counted) {
        const row = p(r);
        const mean = dot(f, row);
        for (let e = 0; e < d.E; e++) t.d_logits[r * d.E + e] = times * row[e]! * (f[e]! - mean);
      }
    },
    tasks: ({ R }) => R,
    scratch: ({ E }) => rowBytes(E),
    emit(w, at, d, { attrs, has }) {
      emitShares(w, at, d);
      const weight = has("weight") ? `load<f32>(${at.weight})` : loadHyper(at.hyper, "scale");
      w.line(`const times = <f32>${attrs.factor * d.E} * ${weight};`);
      eachRow(w, { x_r: at.logits, d_r: at.d_logits }, d.E, () => {
        w.block(`if (load<i32>(${at.targets} + (<usize>r << 2)) < 0)`, () => {
          w.line(`memory.fill(d_r, 0, ${rowBytes(d.E)});`);
          w.line("continue;");
        });
        emitRowSums(w, d.E);
        w.line("const mean4 = f32x4.splat(mixed / sum), times4 = f32x4.splat(times / sum);");
        writeRow(w, d.E, ["x_r", "shares"], "d_r", (v) =>
          v.keep(
            `f32x4.mul(f32x4.mul(exp4(f32x4.sub(${v.load("x_r")}, most4)), times4), ` +
              `f32x4.sub(${v.load("shares")}, mean4))`,
          ),
        );
      });
    },
    sample,
    cases: [
      ...cases.map((d) => ({ d: { ...d, O: 1, Z: 16 }, with: ["hyper" as const] })),
      { d: { ...cases[0]!, O: 1, Z: 16 }, with: ["weight"] },
    ],
  },
);

/**
 * Softmax and cross-entropy, and their gradient. The row's largest logit is subtracted first, so that no
 * exponential overflows.
 *
 *   loss[r] = ln Σ_v e^(logits[r,v] − m) − (logits[r,t] − m)       m = max_v logits[r,v],  t = targets[r]
 *   logprob[r] = −loss[r]      hit[r] = 1 where no logit is larger than the target's, else 0
 *   d_logits[r,v] = (softmax(logits[r,:])[v] − [v = t]) · weights[r]
 *
 * V = classes. weights[r] is the cotangent of the loss; without the tensor `weights` it is hyper.scale for
 * all rows. A row whose target is −1 is not counted: its loss and its gradient are zero. The gradient is
 * also zero where the weight is, whatever the logits are, even when they are not numbers.
 *
 * The three ops share one emitter. With a gradient, a row's exponentials are computed once and wait in
 * d_logits until their sum is known.
 */
import { hyper as hyperIndex } from "../../../runtime/contract/control.ts";
import { loadHyper } from "../kit/hyper.ts";
import { defineOp, oneOf } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import {
  accumulators,
  eachRow,
  maxOf,
  padVector,
  readRow,
  sumOf,
  writeRow,
  type Vector,
} from "../kit/row-loops.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

type Sizes = Readonly<Record<"R" | "V", number>>;

/**
 * Addresses of the tensors. Those of inputs that are not given and outputs that nobody asks for are absent.
 */
interface Places {
  readonly logits: string;
  readonly targets: string;
  readonly weights?: string;
  readonly hyper?: string;
  readonly losses?: string;
  readonly logprobs?: string;
  readonly hits?: string;
  readonly d_logits?: string;
}

/** The sign of the gradient is "-" where the weights are the cotangent of the log-probabilities. */
function emitRows(w: Writer, at: Places, { R, V }: Sizes, sign: "" | "-" = ""): void {
  const { losses, logprobs, hits, d_logits, weights } = at;
  const atRow = (vector: string): string => `${vector} + (<usize>r << 2)`;
  const clear = (): void => w.line(`memory.fill(d_r, 0, ${rowBytes(V)});`);
  if (d_logits && !weights) w.line(`const scale = ${sign}${loadHyper(at.hyper!, "scale")};`);
  eachRow(w, { x_r: at.logits, ...(d_logits && { d_r: d_logits }) }, V, () => {
    w.line(`const target = load<i32>(${atRow(at.targets)});`);
    w.block("if (target < 0)", () => {
      if (losses) w.line(`store<f32>(${atRow(losses)}, 0);`);
      if (logprobs) w.line(`store<f32>(${atRow(logprobs)}, 0);`);
      if (hits) w.line(`store<f32>(${atRow(hits)}, 0);`);
      if (d_logits) clear();
      w.line("continue;");
    });
    if (d_logits && weights) w.line(`const scale = ${sign}load<f32>(${atRow(weights)});`);
    accumulators(w, "m", "LOWEST");
    readRow(w, V, ["x_r"], (v) =>
      w.line(`m${v.j} = f32x4.pmax(m${v.j}, ${v.keep(v.load("x_r"), "f32x4.splat(-f32.MAX_VALUE)")});`),
    );
    w.line(`const most = ${maxOf("m")}, most4 = f32x4.splat(most);`);
    if (losses) w.line("const wanted = load<f32>(x_r + (<usize>target << 2)) - most;");
    accumulators(w, "s");
    const power = (v: Vector): string => v.keep(`exp4(f32x4.sub(${v.load("x_r")}, most4))`);
    const add = (v: Vector, e: string): void => w.line(`s${v.j} = f32x4.add(s${v.j}, ${e});`);
    if (d_logits) writeRow(w, V, ["x_r"], "d_r", power, (v) => add(v, `y${v.j}`));
    else readRow(w, V, ["x_r"], (v) => add(v, power(v)));
    w.line(`const sum = ${sumOf("s")};`);
    if (losses) w.line(`store<f32>(${atRow(losses)}, <f32>ln(sum) - wanted);`);
    if (logprobs) w.line(`store<f32>(${atRow(logprobs)}, wanted - <f32>ln(sum));`);
    if (hits) w.line(`store<f32>(${atRow(hits)}, wanted >= 0 ? 1 : 0);`);
    if (d_logits && weights)
      w.block("if (scale == 0)", () => {
        clear();
        w.line("continue;");
      });
    if (d_logits) {
      w.line("const share4 = f32x4.splat(scale / sum);");
      writeRow(w, V, [], "d_r", (v) => `f32x4.mul(${v.load("d_r")}, share4)`);
      w.line("store<f32>(d_r + (<usize>target << 2), load<f32>(d_r + (<usize>target << 2)) - scale);");
    }
  });
  if (losses) padVector(w, losses, R);
  if (logprobs) padVector(w, logprobs, R);
  if (hits) padVector(w, hits, R);
}

/** The output of which the weights are the cotangent. */
const weightAttrs = { of: oneOf<"losses" | "logprobs">("losses") };
type WeightAttrs = typeof weightAttrs;

const signOf = ({ of }: WeightAttrs): "" | "-" => (of === "logprobs" ? "-" : "");

type Tensors = Readonly<
  Partial<Record<"losses" | "logprobs" | "hits" | "d_logits" | "weights" | "hyper", Float64Array>> &
    Record<"logits" | "targets", Float64Array>
>;

function reference(t: Tensors, { R, V }: Sizes, attrs: WeightAttrs = weightAttrs): void {
  const sign = attrs.of === "logprobs" ? -1 : 1;
  for (let r = 0; r < R; r++) {
    const row = t.logits.slice(r * V, (r + 1) * V);
    const target = t.targets[r]!;
    const counted = target >= 0;
    const most = row.reduce((a, v) => Math.max(a, v), -Infinity);
    const sum = row.reduce((a, v) => a + Math.exp(v - most), 0);
    const loss = counted ? Math.log(sum) + most - row[target]! : 0;
    if (t.losses) t.losses[r] = loss;
    if (t.logprobs) t.logprobs[r] = -loss;
    if (t.hits) t.hits[r] = counted && row[target]! === most ? 1 : 0;
    const weight = counted && t.d_logits ? sign * (t.weights?.[r] ?? t.hyper![hyperIndex.scale]!) : 0;
    for (let v = 0; t.d_logits && v < V; v++)
      t.d_logits[r * V + v] =
        weight === 0 ? 0 : (Math.exp(row[v]! - most) / sum - (v === target ? 1 : 0)) * weight;
  }
}

/**
 * What a test may feed: one target in seven is not counted, one weight in five is zero, logits are −8 … 100.
 */
function sample(tensor: string, { V }: { readonly V: number }, noise: () => number, i: number): number {
  if (tensor === "targets") return i % 7 === 3 ? -1 : Math.min(V - 1, Math.floor(((noise() + 1) / 2) * V));
  if (tensor === "logits")
    return i % 3 === 0 ? 95 + 5 * noise() : i % 3 === 1 ? 90 + 10 * noise() : 8 * noise();
  if (tensor === "weights") return i % 5 === 1 ? 0 : noise();
  return 0.25;
}

const awkward = [
  { R: 5, V: 61 },
  { R: 8, V: 64 },
  { R: 3, V: 1 },
  { R: 17, V: 17 },
  { R: 4, V: 15 },
];
const real = [
  { R: 768, V: 65 },
  { R: 64, V: 50257 },
];
const sizes = [...awkward, ...real].map((d) => ({ ...d, Z: 16 }));
const weighted = [
  ...sizes.map((d) => ({ d, with: ["hyper" as const] })),
  ...sizes.map((d) => ({ d, with: ["weights" as const] })),
  { d: sizes[0]!, attrs: { of: "logprobs" as const }, with: ["weights" as const] },
];

export const cross_entropy = defineOp("logits[R,V] targets[R]:i32 -> losses[R] logprobs[R]? hits[R]?", {
  doc: "loss[r] = −ln softmax(logits[r,:])[targets[r]] = −logprob[r];  0 where the target is −1",
  flops: ({ R, V }) => 16 * R * V,
  reference: (t, d) => reference(t, d),
  backward: () => [
    {
      op: "cross_entropy_backward",
      ins: { logits: "logits", targets: "targets", weights: "d_losses" },
      outs: { d_logits: "d_logits" },
    },
    {
      op: "cross_entropy_backward",
      ins: { logits: "logits", targets: "targets", weights: "d_logprobs" },
      outs: { d_logits: "d_logits" },
      attrs: { of: "logprobs" },
    },
  ],
  tasks: ({ R }) => R,
  emit: (w, at, d) => emitRows(w, at, d),
  sample,
  cases: [...[...awkward, ...real].map((d) => ({ d })), { d: awkward[0]!, with: ["logprobs", "hits"] }],
});

export const cross_entropy_backward = defineOp(
  "logits[R,V] targets[R]:i32 weights[R]? hyper[Z]? -> d_logits[R,V]",
  {
    doc: "d_logits = (softmax(logits) − onehot(targets)) · weights, or · scale;  0 where the target is −1",
    attrs: weightAttrs,
    flops: ({ R, V }) => 17 * R * V,
    inPlace: { d_logits: "logits" },
    reference: (t, d, attrs) => reference(t, d, attrs),
    tasks: ({ R }) => R,
    emit: (w, at, d, { attrs }) => emitRows(w, at, d, signOf(attrs)),
    sample,
    cases: weighted,
  },
);

export const cross_entropy_grad = defineOp(
  "logits[R,V] targets[R]:i32 weights[R]? hyper[Z]? -> losses[R] logprobs[R]? hits[R]? d_logits[R,V]",
  {
    doc:
      "loss[r] = −ln softmax(logits[r,:])[targets[r]],  d_logits = (softmax(logits) − onehot(targets)) · " +
      "weights, or · scale",
    attrs: weightAttrs,
    flops: ({ R, V }) => 18 * R * V,
    inPlace: { d_logits: "logits" },
    reference: (t, d, attrs) => reference(t, d, attrs),
    tasks: ({ R }) => R,
    emit: (w, at, d, { attrs }) => emitRows(w, at, d, signOf(attrs)),
    sample,
    cases: [...weighted, { d: sizes[0]!, with: ["weights", "logprobs", "hits"] }],
  },
);

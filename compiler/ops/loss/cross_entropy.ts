/**
 * Softmax and cross-entropy, and their gradient. The row's largest logit is subtracted first, so that no
 * exponential overflows.
 *
 *   loss[r] = ln Σ_v e^(logits[r,v] − m) − (logits[r,t] − m)       m = max_v logits[r,v],  t = targets[r]
 *   d_logits[r,v] = (softmax(logits[r,:])[v] − [v = t]) · hyper.scale
 *
 * A target of −1 is not counted: its loss and its gradient are zero. V = vocabulary.
 * One emitter for the three ops: a row's exponentials are computed once, and wait in d_logits for their sum.
 */
import { hyper as hyperIndex } from "../../../runtime/contract/control.ts";
import { defineOp, type Attrs } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import {
  accumulators,
  eachRow,
  maxOf,
  padVector,
  readRow,
  rowBytes,
  sumOf,
  writeRow,
  type Vector,
} from "../kit/rows.ts";

interface Places {
  readonly logits: string;
  readonly targets: string;
  readonly hyper?: string;
  readonly losses?: string;
  readonly d_logits?: string;
}

function emitRows(w: Writer, at: Places, { R, V }: { readonly R: number; readonly V: number }): void {
  const { losses, d_logits } = at;
  if (d_logits) w.line(`const scale = load<f32>(${at.hyper}, ${4 * hyperIndex.scale});`);
  eachRow(w, { x_r: at.logits, ...(d_logits && { d_r: d_logits }) }, V, () => {
    w.line(`const target = load<i32>(${at.targets} + (<usize>r << 2));`);
    w.block("if (target < 0)", () => {
      if (losses) w.line(`store<f32>(${losses} + (<usize>r << 2), 0);`);
      if (d_logits) w.line(`memory.fill(d_r, 0, ${rowBytes(V)});`);
      w.line("continue;");
    });
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
    if (losses) w.line(`store<f32>(${losses} + (<usize>r << 2), <f32>ln(sum) - wanted);`);
    if (d_logits) {
      w.line("const share4 = f32x4.splat(scale / sum);");
      writeRow(w, V, [], "d_r", (v) => `f32x4.mul(${v.load("d_r")}, share4)`);
      w.line("store<f32>(d_r + (<usize>target << 2), load<f32>(d_r + (<usize>target << 2)) - scale);");
    }
  });
  if (losses) padVector(w, losses, R);
}

type Tensors = Readonly<
  Partial<Record<"losses" | "d_logits" | "hyper", Float64Array>> & Record<"logits" | "targets", Float64Array>
>;

function reference(t: Tensors, { R, V }: { readonly R: number; readonly V: number }): void {
  for (let r = 0; r < R; r++) {
    const row = t.logits.slice(r * V, (r + 1) * V);
    const target = t.targets[r]!;
    const counted = target >= 0;
    const most = row.reduce((a, v) => Math.max(a, v), -Infinity);
    const sum = row.reduce((a, v) => a + Math.exp(v - most), 0);
    if (t.losses) t.losses[r] = counted ? Math.log(sum) + most - row[target]! : 0;
    if (t.d_logits)
      for (let v = 0; v < V; v++)
        t.d_logits[r * V + v] = counted
          ? (Math.exp(row[v]! - most) / sum - (v === target ? 1 : 0)) * t.hyper![hyperIndex.scale]!
          : 0;
  }
}

/** One target in seven is not counted; logits spread over −90…100; scale as in training. */
function sample(tensor: string, { V }: { readonly V: number }, noise: () => number, i: number): number {
  if (tensor === "targets") return i % 7 === 3 ? -1 : Math.min(V - 1, Math.floor(((noise() + 1) / 2) * V));
  if (tensor === "logits")
    return i % 3 === 0 ? 95 + 5 * noise() : i % 3 === 1 ? 90 + 10 * noise() : 8 * noise();
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
const rowAttrs: Attrs = {};

export const cross_entropy = defineOp("logits[R,V] targets[R]:i32 -> losses[R]", {
  doc: "loss[r] = −ln softmax(logits[r,:])[targets[r]];  0 where the target is −1",
  kind: "row",
  attrs: rowAttrs,
  flops: ({ R, V }) => 16 * R * V,
  reference: (t, d) => reference(t, d),
  backward: () => [
    {
      op: "cross_entropy_backward",
      ins: { logits: "logits", targets: "targets", hyper: "hyper" },
      outs: { d_logits: "d_logits" },
    },
  ],
  tasks: ({ R }) => R,
  emit: (w, at, d) => emitRows(w, at, d),
  sample,
  cases: [...awkward, ...real].map((d) => ({ d })),
});

export const cross_entropy_backward = defineOp("logits[R,V] targets[R]:i32 hyper[Z] -> d_logits[R,V]", {
  doc: "d_logits = (softmax(logits) − onehot(targets)) · scale;  0 where the target is −1",
  kind: "row",
  flops: ({ R, V }) => 17 * R * V,
  inPlace: { d_logits: "logits" },
  reference: (t, d) => reference(t, d),
  tasks: ({ R }) => R,
  emit: (w, at, d) => emitRows(w, at, d),
  sample,
  cases: [...awkward, ...real].map((d) => ({ d: { ...d, Z: 16 } })),
});

export const cross_entropy_grad = defineOp("logits[R,V] targets[R]:i32 hyper[Z] -> losses[R] d_logits[R,V]", {
  doc:
    "loss[r] = −ln softmax(logits[r,:])[targets[r]],  d_logits = (softmax(logits) − onehot(targets)) · " +
    "scale",
  kind: "row",
  flops: ({ R, V }) => 18 * R * V,
  inPlace: { d_logits: "logits" },
  reference: (t, d) => reference(t, d),
  tasks: ({ R }) => R,
  emit: (w, at, d) => emitRows(w, at, d),
  sample,
  cases: [...awkward, ...real].map((d) => ({ d: { ...d, Z: 16 } })),
});

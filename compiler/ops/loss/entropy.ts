/**
 * The entropy of each row's prediction, in nats, and its gradient.
 *
 *   H[r] = −Σ_v p ln p        p = softmax(logits[r,:])
 *   d_logits[r,v] = −p[v] · (ln p[v] + H[r]) · d_entropies[r]
 *
 * A row whose target is −1 is not counted: its entropy and its gradient are zero, whatever its logits are.
 */
import { defineOp } from "../kit/op.ts";
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

interface Places {
  readonly logits: string;
  readonly targets: string;
  readonly entropies?: string;
  readonly d_entropies?: string;
  readonly d_logits?: string;
}

/** x = logits − their largest: H = ln Σ e^x − Σ x·e^x / Σ e^x,  ln p = x − ln Σ e^x */
function emitEntropy(w: Writer, at: Places, { R, V }: Readonly<Record<"R" | "V", number>>): void {
  const { entropies, d_logits } = at;
  const atRow = (vector: string): string => `${vector} + (<usize>r << 2)`;
  const skip = (): void => {
    if (entropies) w.line(`store<f32>(${atRow(entropies)}, 0);`);
    if (d_logits) w.line(`memory.fill(d_r, 0, ${rowBytes(V)});`);
    w.line("continue;");
  };
  eachRow(w, { x_r: at.logits, ...(d_logits && { d_r: d_logits }) }, V, () => {
    w.block(`if (load<i32>(${atRow(at.targets)}) < 0)`, skip);
    if (d_logits) {
      w.line(`const weight = load<f32>(${atRow(at.d_entropies!)});`);
      w.block("if (weight == 0)", skip);
    }
    accumulators(w, "m", "LOWEST");
    readRow(w, V, ["x_r"], (v) =>
      w.line(`m${v.j} = f32x4.pmax(m${v.j}, ${v.keep(v.load("x_r"), "f32x4.splat(-f32.MAX_VALUE)")});`),
    );
    w.line(`const most4 = f32x4.splat(${maxOf("m")});`);
    accumulators(w, "s");
    accumulators(w, "t");
    const below = (v: Vector): string => `f32x4.sub(${v.load("x_r")}, most4)`;
    readRow(w, V, ["x_r"], (v) => {
      w.line(`const e${v.j} = ${v.keep(`exp4(${below(v)})`)};`);
      w.line(`s${v.j} = f32x4.add(s${v.j}, e${v.j});`);
      w.line(`t${v.j} = madd(e${v.j}, ${below(v)}, t${v.j});`);
    });
    w.line(`const sum = ${sumOf("s")}, log = <f32>ln(sum), entropy = log - ${sumOf("t")} / sum;`);
    if (entropies) w.line(`store<f32>(${atRow(entropies)}, entropy);`);
    if (!d_logits) return;
    w.line("const share4 = f32x4.splat(-weight / sum), rest4 = f32x4.splat(entropy - log);");
    writeRow(w, V, ["x_r"], "d_r", (v) =>
      v.keep(`f32x4.mul(f32x4.mul(exp4(${below(v)}), share4), f32x4.add(${below(v)}, rest4))`),
    );
  });
  if (entropies) padVector(w, entropies, R);
}

type Tensors = Readonly<
  Partial<Record<"entropies" | "d_entropies" | "d_logits", Float64Array>> &
    Record<"logits" | "targets", Float64Array>
>;

function reference(t: Tensors, { R, V }: Readonly<Record<"R" | "V", number>>): void {
  for (let r = 0; r < R; r++) {
    const row = t.logits.slice(r * V, (r + 1) * V);
    const isCounted = t.targets[r]! >= 0;
    const most = row.reduce((a, v) => Math.max(a, v), -Infinity);
    const log = Math.log(row.reduce((a, v) => a + Math.exp(v - most), 0)) + most;
    const entropy = -row.reduce((a, v) => a + Math.exp(v - log) * (v - log), 0);
    if (t.entropies) t.entropies[r] = isCounted ? entropy : 0;
    const weight = isCounted ? (t.d_entropies?.[r] ?? 0) : 0;
    for (let v = 0; t.d_logits && v < V; v++) {
      const logp = row[v]! - log;
      t.d_logits[r * V + v] = weight === 0 ? 0 : -Math.exp(logp) * (logp + entropy) * weight;
    }
  }
}

/** One target in seven is not counted, one cotangent in five is zero, logits are −3 … 3. */
function sample(tensor: string, _d: unknown, noise: () => number, i: number): number {
  if (tensor === "targets") return i % 7 === 3 ? -1 : 0;
  if (tensor === "d_entropies") return i % 5 === 1 ? 0 : noise();
  return 3 * noise();
}

const cases = [
  { R: 5, V: 61 },
  { R: 8, V: 64 },
  { R: 3, V: 1 },
  { R: 17, V: 17 },
  { R: 768, V: 65 },
].map((d) => ({ d }));

export const entropy = defineOp("logits[R,V] targets[R]:i32 -> entropies[R]", {
  doc: "entropies[r] = −Σ_v p ln p,  p = softmax(logits[r,:]);  0 where the target is −1",
  flops: ({ R, V }) => 20 * R * V,
  reference,
  backward: () => [
    {
      op: "entropy_backward",
      ins: { logits: "logits", targets: "targets", d_entropies: "d_entropies" },
      outs: { d_logits: "d_logits" },
    },
  ],
  tasks: ({ R }) => R,
  emit: (w, at, d) => emitEntropy(w, at, d),
  sample,
  cases,
});

export const entropy_backward = defineOp("logits[R,V] targets[R]:i32 d_entropies[R] -> d_logits[R,V]", {
  doc: "d_logits = −p · (ln p + H) · d_entropies;  0 where the target is −1",
  flops: ({ R, V }) => 36 * R * V,
  inPlace: { d_logits: "logits" },
  reference,
  tasks: ({ R }) => R,
  emit: (w, at, d) => emitEntropy(w, at, d),
  sample,
  cases,
});

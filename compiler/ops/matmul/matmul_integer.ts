/**
 * Products of integers: rows of a that quantise_rows has made of f32, and weights in q8_0 or q4_0
 * (contract/weight-rows.ts), with the same epilogues as `matmul` has. Sums of groups are exact, and the f32
 * part has one order, so that a row of out has the same bits alone (integer-dots.ts) and among others
 * (integer-tiles.ts).
 *
 * K is what the words have room for; elements beyond the model's K are zero. A task is sixteen columns of
 * out, for all rows: every weight is read from memory once.
 */
import { defineOp, type DynamicTasks } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import {
  HALF_BLOCK,
  halvesOf,
  weightWords,
  type IntegerFormat,
} from "../../../runtime/contract/weight-rows.ts";
import type { MatmulKernel, MatmulTensor, PerTensor } from "./gemm/cache-blocks.ts";
import { epilogueArguments, epilogueFunction } from "./gemm/epilogue.ts";
import { emitDotTasks, fewRowsDynamic, fewRowsScratch, fewRowsTasks, TASK_COLUMNS } from "./gemm/few-rows.ts";
import { matmulAttrs, matmulFlops, matmulReference } from "./gemm/matmul-op.ts";
import {
  activationWords,
  decodeActivations,
  elementsOf,
  integerAttrs,
  weightsIn,
} from "./quantised/activation-rows.ts";
import { integerDots } from "./quantised/integer-dots.ts";
import { askMachine, emitTiles, tilesScratch } from "./quantised/integer-tiles.ts";
import { sampleActivation, sampleWeight } from "./quantised/samples.ts";

type Sizes = Readonly<Record<"M" | "N" | "A" | "W", number>>;

/**
 * With many rows a task takes long: a quarter of them is dynamic, in small pieces. With one or a few, memory
 * decides.
 */
function dynamic(d: Sizes): DynamicTasks {
  if (d.M <= FEW) return fewRowsDynamic(d);
  const tasks = fewRowsTasks(d);
  const rest = Math.floor(tasks / 4);
  return { fixed: tasks - rest, grain: Math.max(1, Math.floor(rest / 16)), least: 1 };
}
const FEW = 16;

function emitOneRow(
  w: Writer,
  at: PerTensor<string>,
  d: Sizes,
  k: MatmulKernel,
  format: IntegerFormat,
): void {
  const dots = integerDots(w, format, k.target, halvesOf(format, d.W));
  if (dots.ask) w.line(dots.ask);
  emitDotTasks(w, at, d, rowBytes(d.W), k, (rows, b) => dots.call(at.a, b, "scratch", rows));
}

function emitRows(
  w: Writer,
  at: PerTensor<string, MatmulTensor | "live">,
  d: Sizes,
  k: MatmulKernel,
  format: IntegerFormat,
  live: boolean,
): void {
  const { M, N } = d;
  const outRow = rowBytes(N);
  const groups = fewRowsTasks(d);
  const valid = N - (groups - 1) * TASK_COLUMNS;
  askMachine(w, format, k.target);
  w.line(live ? `const rows = min(load<i32>(${at.live}), ${M});` : `const rows = ${M};`);
  w.block("for (let group = first; group < last; group++)", () => {
    w.line(`const place = <usize>group * ${TASK_COLUMNS * 4};`);
    const columns =
      valid < TASK_COLUMNS ? `group == ${groups - 1} ? ${valid} : ${TASK_COLUMNS}` : `${TASK_COLUMNS}`;
    w.line(`const columns = ${columns};`);
    const b = `${at.b} + <usize>group * ${TASK_COLUMNS * rowBytes(d.W)}`;
    const task = { a: at.a, b, columns: "columns", rows: "rows", most: M, oddColumns: N % 2 === 1 };
    emitTiles(w, format, k.target, halvesOf(format, d.W), task, (n, row) => {
      w.line(`const to = place + <usize>${row} * ${outRow};`);
      const tensors = epilogueArguments(k, at, { column: "place", element: "to", line: "" });
      const given = ["scratch", n, `${at.out} + to`, outRow, ...tensors];
      w.line(`${epilogueFunction(w, k, TASK_COLUMNS)}(${given.join(", ")});`);
    });
  });
}

const sizes = (format: IntegerFormat, M: number, K: number, N: number) => ({
  d: { M, A: activationWords(format, K), N, W: weightWords(format, K) },
  attrs: { format },
});
const cases = (format: IntegerFormat) => [
  sizes(format, 1, 7, 16),
  { ...sizes(format, 5, 300, 33), with: ["live", "bias", "add"] },
  { ...sizes(format, 1, 300, 33), with: ["bias", "add"] },
  { ...sizes(format, 2, 600, 65), attrs: { format, activation: "silu" } },
  sizes(format, 4, 256, 40),
  sizes(format, 3, 129, 15),
  sizes(format, 1, 1100, 17),
  sizes(format, 2, 2400, 5),
  sizes(format, 23, 100, 31),
  { ...sizes(format, 25, 1100, 16), with: ["live"] },
  sizes(format, 10, 2200, 17),
  {
    ...sizes(format, 15, 1024, 34),
    with: ["live", "bias"],
    attrs: { format, activation: "gelu_tanh" },
  },
  sizes(format, 1, 768, 2304),
  sizes(format, 1, 2048, 8192),
  sizes(format, 8, 768, 2304),
  sizes(format, 128, 768, 2304),
  sizes(format, 128, 2048, 8192),
];

export const matmul_integer = defineOp("a[M,A]:i32 b[N,W]:i32 live[1]?:i32 bias[N]? add[M,N]? -> out[M,N]", {
  doc:
    "v = Σ over groups of 32 of d_a · d_b · Σ a·b, + bias,  out = act(v) + add;  a " +
    "from quantise_rows, rows of b in q8_0 or q4_0",
  attrs: { ...matmulAttrs, ...integerAttrs },
  flops: ({ M, N, W }, attrs) => matmulFlops({ M, N, K: HALF_BLOCK * halvesOf(attrs.format, W) }),
  independent: "M",
  rows: "M",
  inPlace: { out: "add" },
  reference(t, { M, N, W }, attrs) {
    const format = attrs.format;
    const halves = halvesOf(format, W);
    const K = halves * HALF_BLOCK;
    const a = elementsOf(t.a, M, (row) => decodeActivations(format, row, halves));
    const b = elementsOf(t.b, N, (row) => weightsIn(format, row, K));
    matmulReference(t, { M, N, K }, attrs, a, (k, n) => b(n, k));
  },
  tasks: (d) => fewRowsTasks(d),
  dynamic,
  scratch: (d, { attrs: { format }, target }) =>
    d.M === 1 ? fewRowsScratch("nt", d) : tilesScratch(format, target, halvesOf(format, d.W), d.M),
  emit(w, at, d, k) {
    const { format } = k.attrs;
    if (d.M === 1) emitOneRow(w, at, d, k, format);
    else emitRows(w, at, d, k, format, k.has("live"));
  },
  sample(tensor, { W, A }, noise, i, attrs) {
    const format = attrs.format;
    if (tensor === "b") return sampleWeight(format, W, noise, i);
    return tensor === "a" ? sampleActivation(format, A, halvesOf(format, W), noise, i) : noise();
  },
  cases: [...cases("q8_0"), ...cases("q4_0")],
});

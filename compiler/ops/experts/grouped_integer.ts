/**
 * Products of a mixture of experts in integers: slots that quantise_rows has made of f32, and experts'
 * matrices in q8_0 or q4_0 (runtime/contract/weight-rows.ts), b[e] a row of words for each column of out;
 * starts has F = E + 1 entries. Sums of groups are exact, and a slot has the same bits whichever way is
 * taken:
 *
 *   few slots    one after the other (few-slots.ts), each as the one row of quantised/integer-dots.ts
 *   many slots   a task is a panel of one expert (grouped-panels.ts) for all rows of that expert, in the
 *                tiles of quantised/integer-tiles.ts
 */
import { defineOp, type Kernel } from "../kit/op.ts";
import { PANEL } from "../kit/panels.ts";
import type { Writer } from "../kit/writer.ts";
import { epilogueFunction } from "../matmul/gemm/epilogue.ts";
import {
  activationWords,
  decodeActivations,
  elementsOf,
  integerAttrs,
  weightsIn,
} from "../matmul/quantised/activation-rows.ts";
import { integerDots } from "../matmul/quantised/integer-dots.ts";
import { askMachine, emitTiles, tilesScratch } from "../matmul/quantised/integer-tiles.ts";
import { sampleActivation, sampleWeight } from "../matmul/quantised/samples.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import {
  HALF_BLOCK,
  halvesOf,
  weightWords,
  type IntegerFormat,
} from "../../../runtime/contract/weight-rows.ts";
import { emitFew, fewDynamic, fewTasks, isFew, wordBytes } from "./few-slots.ts";
import {
  eachTask,
  groupedDynamic,
  groupedReference,
  groupedTasks,
  panels,
  sampleStarts,
  shareRead,
} from "./grouped-panels.ts";

type Sizes = Readonly<Record<"S" | "E" | "N" | "A" | "W", number>>;

/** Many slots: the panels of experts that have rows. */
function emitExperts(
  w: Writer,
  at: Readonly<Record<"a" | "b" | "starts" | "out", string>>,
  d: Sizes,
  k: Kernel,
  format: IntegerFormat,
): void {
  const { E, N, S } = d;
  const outRow = rowBytes(N);
  const bRow = rowBytes(d.W);
  const last = panels(N) - 1;
  const rest = N - last * PANEL;
  askMachine(w, format, k.target);
  eachTask(w, at.starts, E, () => {
    w.line(`const columns = ${rest < PANEL ? `panel == ${last} ? ${rest} : ` : ""}${PANEL};`);
    const task = {
      a: `(${at.a} + <usize>from * ${rowBytes(d.A)})`,
      b: `${at.b} + <usize>e * ${N * bRow} + <usize>panel * ${PANEL * bRow}`,
      columns: "columns",
      rows: "rows",
      most: S,
      oddColumns: N % 2 === 1,
    };
    emitTiles(w, format, k.target, halvesOf(format, d.W), task, (n, row) => {
      const out = `${at.out} + <usize>(from + ${row}) * ${outRow} + <usize>panel * ${PANEL * 4}`;
      w.line(
        `${epilogueFunction(w, { ...k, attrs: {}, has: () => false }, PANEL)}(scratch, ${n}, ${out}, ` +
          `${outRow});`,
      );
    });
  });
}

const integers = (format: IntegerFormat, S: number, E: number, K: number, N: number) => ({
  d: { S, E, F: E + 1, A: activationWords(format, K), N, W: weightWords(format, K) },
  attrs: { format },
});

export const grouped_integer = defineOp("a[S,A]:i32 b[E,N,W]:i32 starts[F]:i32 -> out[S,N]", {
  doc:
    "out[s,:] = b[e] · a[s,:],  starts[e] ≤ s < starts[e+1];  a from quantise_rows, rows of b[e] in q8_0 " +
    "or q4_0",
  attrs: integerAttrs,
  flops: ({ S, N, W }, attrs) => 2 * S * N * HALF_BLOCK * halvesOf(attrs.format, W),
  bytes: (d) => wordBytes(d, d.A),
  share: { b: shareRead },
  reference(t, d, attrs) {
    const format = attrs.format;
    const halves = halvesOf(format, d.W);
    const K = halves * HALF_BLOCK;
    const a = elementsOf(t.a, d.S, (row) => decodeActivations(format, row, halves));
    const b = elementsOf(t.b, d.E * d.N, (row) => weightsIn(format, row, K));
    groupedReference(t, { ...d, K }, a, (e, k, n) => b(e * d.N + n, k));
  },
  tasks: (d) => (isFew(d) ? fewTasks(d) : groupedTasks(d)),
  dynamic: (d) => (isFew(d) ? fewDynamic(d) : groupedDynamic(d)),
  scratch: (d, { attrs: { format }, target }) =>
    isFew(d) ? 0 : tilesScratch(format, target, halvesOf(format, d.W), d.S),
  emit(w, at, d, k) {
    const { format } = k.attrs;
    if (!isFew(d)) return emitExperts(w, at, d, k, format);
    const dots = integerDots(w, format, k.target, halvesOf(format, d.W));
    if (dots.ask) w.line(dots.ask);
    emitFew(w, at, d, rowBytes(d.A), rowBytes(d.W), (a, b, out) => dots.call(a, b, out, "rows"));
  },
  sample(tensor, d, noise, i, attrs) {
    const format = attrs.format;
    if (tensor === "starts") return sampleStarts(d, i);
    return tensor === "b"
      ? sampleWeight(format, d.W, noise, i)
      : sampleActivation(format, d.A, halvesOf(format, d.W), noise, i);
  },
  cases: (["q8_0", "q4_0"] as const).flatMap((format) => [
    integers(format, 1, 3, 7, 16),
    integers(format, 2, 4, 300, 33),
    integers(format, 16, 3, 600, 15),
    integers(format, 3, 2, 1100, 40),
    integers(format, 50, 3, 17, 40),
    integers(format, 23, 4, 600, 15),
    integers(format, 2, 8, 512, 1024),
    integers(format, 256, 8, 512, 1024),
  ]),
});

/**
 * What is said of each lane, for the rows of a run (runtime/contract/entries.ts): spans[s] = [lane, start,
 * first, rows] gives rows `first` … first + rows − 1 what is said of its lane. Rows of no span have 0.
 *
 * One task: a run has a few spans, and a row is one number.
 */
import { defineOp } from "../kit/op.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { spanField } from "../../../runtime/contract/entries.ts";

export const lane_rows = defineOp("lanes[A]:i32 spans[S,4]:i32 span_count[1]?:i32 -> out[R]", {
  doc: "out[r] = lanes[lane of r's span] ≠ 0 ? 1 : 0",
  flops: () => 0,
  reference({ lanes, spans, span_count, out }, { S }) {
    out.fill(0);
    for (let s = 0; s < (span_count?.[0] ?? S); s++) {
      const span = spans.subarray(4 * s, 4 * s + 4);
      const first = span[spanField.first]!;
      if (lanes[span[spanField.lane]!] !== 0) out.fill(1, first, first + span[spanField.rows]!);
    }
  },
  tasks: () => 1,
  emit(w, at, { S, R }, { has }) {
    const field = (name: keyof typeof spanField): string => `load<i32>(span, ${4 * spanField[name]})`;
    w.line("if (first == last) return;");
    w.line(`memory.fill(${at.out}, 0, ${rowBytes(R)});`);
    w.line(`const count = ${has("span_count") ? `load<i32>(${at.span_count})` : S};`);
    w.block("for (let s = 0; s < count; s++)", () => {
      w.line(`const span = ${at.spans} + <usize>s * ${rowBytes(4)};`);
      w.line(`if (load<i32>(${at.lanes} + (<usize>${field("lane")} << 2)) == 0) continue;`);
      w.line(`const end = ${field("first")} + ${field("rows")};`);
      w.line(`for (let r = ${field("first")}; r < end; r++) store<f32>(${at.out} + (<usize>r << 2), 1);`);
    });
  },
  /** Spans of ⌊R/S⌋ rows each, in lanes 0, 1, …, of which every other one counts. */
  sample(tensor, { R, S, A }, noise, i) {
    if (tensor === "lanes") return i % 2;
    if (tensor === "span_count") return S;
    if (tensor !== "spans") return noise();
    const rows = Math.floor(R / S);
    const s = Math.floor(i / 4);
    return [s % A, 0, s * rows, rows][i % 4]!;
  },
  cases: [
    { d: { A: 3, S: 2, R: 7 } },
    { d: { A: 1, S: 1, R: 1 } },
    { d: { A: 8, S: 8, R: 128 }, with: ["span_count"] },
  ],
});

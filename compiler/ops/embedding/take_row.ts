/**
 * The last row of every span of a run (runtime/contract/entries.ts): of text that is extended, only what
 * comes after it is wanted. spans[s] = [lane, start, first, rows]: rows `first` … first + rows − 1 of x.
 */
import { defineOp } from "../kit/op.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { spanField } from "../../../runtime/contract/entries.ts";

export const take_row = defineOp("x[R,C] spans[S,4]:i32 live[1]?:i32 -> out[S,C]", {
  doc: "out[s,:] = x[first + rows − 1,:] of span s",
  flops: () => 0,
  bytes: ({ S, C }) => 8 * S * C,
  reference({ x, spans, out }, { S, C }) {
    for (let s = 0; s < S; s++) {
      const last = spans[4 * s + spanField.first]! + spans[4 * s + spanField.rows]! - 1;
      out.set(x.subarray(last * C, (last + 1) * C), s * C);
    }
  },
  rows: "S",
  rowTasks: true,
  tasks: ({ S }) => S,
  emit(w, at, { C }) {
    w.block("for (let s = first; s < last; s++)", () => {
      w.line(`const span = ${at.spans} + <usize>s * ${rowBytes(4)};`);
      w.line(
        `const row = load<i32>(span, ${4 * spanField.first}) + load<i32>(span, ${4 * spanField.rows}) - 1;`,
      );
      w.line(
        `memory.copy(${at.out} + <usize>s * ${rowBytes(C)}, ${at.x} + <usize>row * ${rowBytes(C)}, ` +
          `${rowBytes(C)});`,
      );
    });
  },
  /** Spans of ⌊R/S⌋ rows each. */
  sample(tensor, { R, S }, noise, i) {
    if (tensor !== "spans") return noise();
    const rows = Math.floor(R / S);
    const field = i % 4;
    return field === spanField.first ? Math.floor(i / 4) * rows : field === spanField.rows ? rows : 0;
  },
  cases: [
    { d: { R: 7, C: 61, S: 1 } },
    { d: { R: 16, C: 48, S: 3 } },
    { d: { R: 1, C: 1, S: 1 } },
    { d: { R: 128, C: 768, S: 8 } },
  ],
});

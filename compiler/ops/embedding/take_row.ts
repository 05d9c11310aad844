/**
 * The last row of a chunk that holds a token: when text is extended, only its logits are wanted. place =
 * [start, rows].
 */
import { defineOp } from "../kit/op.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

export const take_row = defineOp("x[R,C] place[P]:i32 -> out[O,C]", {
  doc: "out[0,:] = x[rows − 1,:],  rows = place[1]",
  flops: () => 0,
  bytes: ({ C }) => 8 * C,
  reference({ x, place, out }, { C }) {
    out.set(x.subarray((place[1]! - 1) * C, place[1]! * C));
  },
  tasks: () => 1,
  emit(w, at, { C }) {
    w.line(
      `if (first < last) memory.copy(${at.out}, ${at.x} + <usize>(load<i32>(${at.place}, 4) - 1) * ` +
        `${rowBytes(C)}, ${rowBytes(C)});`,
    );
  },
  sample: (tensor, { R }, noise) => (tensor === "place" ? Math.ceil(R / 2) : noise()),
  cases: [
    { d: { R: 7, C: 61, P: 2, O: 1 } },
    { d: { R: 16, C: 48, P: 2, O: 1 } },
    { d: { R: 1, C: 1, P: 2, O: 1 } },
    { d: { R: 128, C: 768, P: 2, O: 1 } },
  ],
});

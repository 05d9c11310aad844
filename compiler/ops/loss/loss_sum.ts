/**
 * Sum of the counted losses, in f64, and their number; the runtime divides. One worker does it: R is small
 * beside the logits.
 */
import { defineOp } from "../kit/op.ts";
import { padVector } from "../kit/row-loops.ts";

export const loss_sum = defineOp("losses[R] targets[R]:i32 -> loss[L]", {
  doc: "loss = [ Σ { losses[r] : targets[r] ≥ 0 }, number of them ]",
  flops: ({ R }) => R,
  accumulates: ["loss"],
  reference({ losses, targets, loss }, { R }, _attrs, accumulate) {
    if (!accumulate) loss.fill(0);
    for (let r = 0; r < R; r++) {
      if (targets[r]! < 0) continue;
      loss[0]! += losses[r]!;
      loss[1]! += 1;
    }
  },
  backward: () => [
    {
      op: "loss_sum_backward",
      ins: { targets: "targets", d_loss: "d_loss" },
      outs: { d_losses: "d_losses" },
    },
  ],
  tasks: () => 1,
  emit(w, at, { R }) {
    w.line("if (first == last) return;");
    w.line(`if (!accumulate) memory.fill(${at.loss}, 0, 64);`);
    w.line(`let sum = <f64>load<f32>(${at.loss}), count = load<f32>(${at.loss}, 4);`);
    w.block(`for (let r: usize = 0; r < ${4 * R}; r += 4)`, () => {
      w.line(`if (load<i32>(${at.targets} + r) < 0) continue;`);
      w.line(`sum += <f64>load<f32>(${at.losses} + r);`);
      w.line("count += 1;");
    });
    w.line(`store<f32>(${at.loss}, <f32>sum);`);
    w.line(`store<f32>(${at.loss}, count, 4);`);
  },
  sample: (tensor, _d, noise, i) => (tensor === "targets" ? (i % 5 === 2 ? -1 : i) : 1 + noise()),
  cases: [{ d: { R: 61, L: 2 } }, { d: { R: 16, L: 2 } }, { d: { R: 1, L: 2 } }, { d: { R: 2048, L: 2 } }],
});

export const loss_sum_backward = defineOp("targets[R]:i32 d_loss[L] -> d_losses[R]", {
  doc: "d_losses[r] = d_loss[0] where targets[r] ≥ 0, else 0; their number has no gradient",
  flops: () => 0,
  reference({ targets, d_loss, d_losses }, { R }) {
    for (let r = 0; r < R; r++) d_losses[r] = targets[r]! < 0 ? 0 : d_loss[0]!;
  },
  tasks: ({ R }) => R,
  emit(w, at, { R }) {
    w.line(`const d_sum = load<f32>(${at.d_loss});`);
    w.block("for (let r = <usize>first << 2, end = <usize>last << 2; r < end; r += 4)", () =>
      w.line(`store<f32>(${at.d_losses} + r, load<i32>(${at.targets} + r) < 0 ? 0 : d_sum);`),
    );
    padVector(w, at.d_losses, R);
  },
  sample: (tensor, _d, noise, i) => (tensor === "targets" ? (i % 5 === 2 ? -1 : i) : noise()),
  cases: [{ d: { R: 61, L: 2 } }, { d: { R: 16, L: 2 } }, { d: { R: 1, L: 2 } }],
});

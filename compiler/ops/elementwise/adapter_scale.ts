/**
 * How much an adapter counts (Hu et al. 2021): alpha / rank, or 0 where the model is to be its own reference;
 * with `rows`, each row has a factor of its own, so that one batch has rows with the adapter and without it.
 */
import { hyper as hyperIndex } from "../../../runtime/contract/control.ts";
import { loadHyper } from "../kit/hyper.ts";
import { defineOp } from "../kit/op.ts";
import { eachRow, writeRow } from "../kit/row-loops.ts";

export const adapter_scale = defineOp("x[R,C] hyper[H] rows[R]? live[1]?:i32 -> out[R,C]", {
  doc: "out[r,c] = x[r,c] · hyper.lora · rows[r]",
  flops: ({ R, C }) => R * C,
  inPlace: { out: "x" },
  constants: ["hyper", "rows"],
  reference({ x, hyper, rows, out }, { C }) {
    const scale = hyper[hyperIndex.lora]!;
    for (let i = 0; i < out.length; i++) out[i] = x[i]! * scale * (rows?.[Math.floor(i / C)] ?? 1);
  },
  backward: () => [
    { op: "adapter_scale", ins: { x: "d_out", hyper: "hyper", rows: "rows" }, outs: { out: "d_x" } },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { C }, { has }) {
    w.line(`const scale = ${loadHyper(at.hyper, "lora")};`);
    eachRow(w, { x_r: at.x, out_r: at.out }, C, () => {
      const own = has("rows") ? ` * load<f32>(${at.rows} + (<usize>r << 2))` : "";
      w.line(`const scale4 = f32x4.splat(scale${own});`);
      writeRow(w, C, ["x_r"], "out_r", (v) => `f32x4.mul(${v.load("x_r")}, scale4)`);
    });
  },
  sample: (tensor, _d, noise, i) => (tensor === "rows" ? (i % 2 === 0 ? 1 : 0) : noise()),
  cases: [
    { d: { R: 5, C: 61, H: 16 } },
    { d: { R: 3, C: 8, H: 16 }, with: ["rows"] },
    { d: { R: 1, C: 1, H: 16 } },
    { d: { R: 1024, C: 16, H: 16 }, with: ["rows"] },
  ],
});

/**
 * A linear map to one number per row: the scalar head of a reward model, or of a value function.
 *
 *   out[r] = Σ_c x[r,c] · w[c] + b
 */
import { defineOp } from "../kit/op.ts";
import {
  accumulators,
  columnSums,
  columnTasks,
  eachRow,
  LINE_BYTES,
  padVector,
  readRow,
  sumOf,
  writeRow,
} from "../kit/row-loops.ts";

const sizes = [
  { R: 5, C: 61 },
  { R: 3, C: 48 },
  { R: 17, C: 17 },
  { R: 1, C: 1 },
  { R: 1024, C: 768 },
].map((d) => ({ ...d, O: 1 }));

export const row_dot = defineOp("x[R,C] w[C] b[O]? -> out[R]", {
  doc: "out[r] = Σ_c x[r,c] · w[c] + b",
  flops: ({ R, C }) => 2 * R * C,
  independent: "R",
  reference({ x, w, b, out }, { R, C }) {
    for (let r = 0; r < R; r++) {
      let sum = b?.[0] ?? 0;
      for (let c = 0; c < C; c++) sum += x[r * C + c]! * w[c]!;
      out[r] = sum;
    }
  },
  backward: () => [
    { op: "row_dot_dx", ins: { w: "w", d_out: "d_out" }, outs: { d_x: "d_x" } },
    { op: "row_dot_dw", ins: { x: "x", d_out: "d_out" }, outs: { d_w: "d_w", d_b: "d_b" } },
  ],
  tasks: ({ R }) => R,
  emit(w, at, { R, C }, { has }) {
    if (has("b")) w.line(`const shift = load<f32>(${at.b});`);
    eachRow(w, { x_r: at.x }, C, () => {
      accumulators(w, "s");
      readRow(w, C, ["x_r", at.w], (v) =>
        w.line(`s${v.j} = madd(${v.load("x_r")}, ${v.load(at.w)}, s${v.j});`),
      );
      w.line(`store<f32>(${at.out} + (<usize>r << 2), ${sumOf("s")}${has("b") ? " + shift" : ""});`);
    });
    padVector(w, at.out, R);
  },
  cases: [{ d: sizes[0]!, with: ["b"] }, ...sizes.map((d) => ({ d }))],
});

export const row_dot_dx = defineOp("w[C] d_out[R] -> d_x[R,C]", {
  doc: "d_x[r,c] = d_out[r] · w[c]",
  flops: ({ R, C }) => R * C,
  independent: "R",
  reference({ w, d_out, d_x }, { R, C }) {
    for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) d_x[r * C + c] = d_out[r]! * w[c]!;
  },
  tasks: ({ R }) => R,
  emit(w, at, { C }) {
    eachRow(w, { d_x_r: at.d_x }, C, () => {
      w.line(`const d4 = v128.load32_splat(${at.d_out} + (<usize>r << 2));`);
      writeRow(w, C, [at.w], "d_x_r", (v) => `f32x4.mul(d4, ${v.load(at.w)})`);
    });
  },
  cases: sizes.map((d) => ({ d })),
});

export const row_dot_dw = defineOp("x[R,C] d_out[R] -> d_w[C]? d_b[O]?", {
  doc: "d_w[c] = Σ_r d_out[r] · x[r,c],  d_b = Σ_r d_out[r]",
  flops: ({ R, C }) => 2 * R * C,
  accumulates: ["d_w", "d_b"],
  reference({ x, d_out, d_w, d_b }, { R, C }, _attrs, accumulate) {
    if (!accumulate) for (const gradient of [d_w, d_b]) gradient?.fill(0);
    for (let r = 0; r < R; r++) {
      if (d_b) d_b[0]! += d_out[r]!;
      for (let c = 0; d_w && c < C; c++) d_w[c]! += d_out[r]! * x[r * C + c]!;
    }
  },
  tasks: ({ C }) => columnTasks(C),
  emit(w, at, { R, C }, { has }) {
    if (has("d_b"))
      w.block("if (first == 0 && last > 0)", () => {
        w.line(`let sum = accumulate ? <f64>load<f32>(${at.d_b}) : 0;`);
        w.line(`for (let r: usize = 0; r < ${4 * R}; r += 4) sum += <f64>load<f32>(${at.d_out} + r);`);
        w.line(`memory.fill(${at.d_b}, 0, ${LINE_BYTES});`);
        w.line(`store<f32>(${at.d_b}, <f32>sum);`);
      });
    const splat = (k: number): string => `const d${k} = v128.load32_splat(${at.d_out} + (r << 2), ${4 * k});`;
    if (has("d_w"))
      columnSums(w, { R, C }, [at.x], (k) => [splat(k)], {
        [at.d_w]: (k, load) => `f32x4.mul(${load(at.x)}, d${k})`,
      });
  },
  cases: [
    { d: sizes[0]!, with: ["d_w", "d_b"] },
    { d: sizes[1]!, with: ["d_b"] },
    ...sizes.map((d) => ({ d, with: ["d_w" as const] })),
  ],
});

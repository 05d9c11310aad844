/**
 * Rows go to slots and come back (dispatch.ts): a mixture of experts computes
 * out[r,:] = Σ_k weights[r,k] · y[slots[r,k],:].
 *
 *   to_slots     out[s,:] = weights[r,k] · x[r,:]                  r · K + k = sources[s]; without weights: 1
 *   from_slots   out[r,:] = Σ_k weights[r,k] · y[slots[r,k],:]     the other one's transpose
 *   slot_dots    d_weights[r,k] = d_out[r,:] · y[slots[r,k],:]
 */
import { defineOp } from "../kit/op.ts";
import { accumulators, readRow, sumOf, writeRow } from "../kit/row-loops.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

/**
 * What a test may feed: slots in reverse order, a permutation that is its own inverse, as `sources` has to
 * be.
 */
const sample = (
  tensor: string,
  { S }: Readonly<Record<"S", number>>,
  noise: () => number,
  i: number,
): number => (tensor === "slots" || tensor === "sources" ? S - 1 - i : noise());
const sizes = [
  { R: 5, K: 2, S: 10, C: 61 },
  { R: 7, K: 1, S: 7, C: 40 },
  { R: 3, K: 3, S: 9, C: 16 },
  { R: 768, K: 2, S: 1536, C: 128 },
];
const cases = sizes.flatMap((d) => [{ d }, { d, with: ["weights" as const] }]);

export const to_slots = defineOp(
  "x[R,C] weights[R,K]? sources[S]:i32 slots[R,K]:i32 live[1]?:i32 -> out[S,C]",
  {
    doc: "out[s,:] = weights[r,k] · x[r,:],  r · K + k = sources[s]",
    flops: ({ S, C }) => S * C,
    reference({ x, weights, sources, out }, { S, K, C }) {
      for (let s = 0; s < S; s++)
        for (let c = 0; c < C; c++)
          out[s * C + c] = (weights?.[sources[s]!] ?? 1) * x[Math.floor(sources[s]! / K) * C + c]!;
    },
    backward: (has) =>
      has("weights")
        ? []
        : [
            {
              op: "from_slots",
              ins: { y: "d_out", slots: "slots", sources: "sources" },
              outs: { out: "d_x" },
            },
          ],
    rows: "S",
    rowTasks: true,
    tasks: ({ S }) => S,
    emit(w, at, { K, C }, { has }) {
      w.block("for (let s = first; s < last; s++)", () => {
        w.line(`const source = load<i32>(${at.sources} + (<usize>s << 2)), r = source / ${K};`);
        w.line(
          `const x_r = ${at.x} + <usize>r * ${rowBytes(C)}, out_r = ${at.out} + <usize>s * ${rowBytes(C)};`,
        );
        if (has("weights"))
          w.line(
            `const weight = v128.load32_splat(${at.weights} + <usize>r * ${rowBytes(K)} + (<usize>(source ` +
              `- r * ${K}) << 2));`,
          );
        writeRow(w, C, ["x_r"], "out_r", (v) =>
          has("weights") ? `f32x4.mul(${v.load("x_r")}, weight)` : v.load("x_r"),
        );
      });
    },
    sample,
    cases,
  },
);

export const from_slots = defineOp(
  "y[S,C] weights[R,K]? slots[R,K]:i32 sources[S]:i32 live[1]?:i32 -> out[R,C]",
  {
    doc: "out[r,:] = Σ_k weights[r,k] · y[slots[r,k],:]",
    flops: ({ S, C }) => 2 * S * C,
    reference({ y, weights, slots, out }, { R, K, C }) {
      out.fill(0);
      for (let i = 0; i < R * K; i++)
        for (let c = 0; c < C; c++)
          out[Math.floor(i / K) * C + c]! += (weights?.[i] ?? 1) * y[slots[i]! * C + c]!;
    },
    backward: () => [
      {
        op: "to_slots",
        ins: { x: "d_out", weights: "weights", sources: "sources", slots: "slots" },
        outs: { out: "d_y" },
      },
      { op: "slot_dots", ins: { y: "y", d_out: "d_out", slots: "slots" }, outs: { d_weights: "d_weights" } },
    ],
    rows: "R",
    rowTasks: true,
    tasks: ({ R }) => R,
    emit(w, at, { K, C }, { has }) {
      w.block("for (let r = first; r < last; r++)", () => {
        const row = (name: "out" | "slots" | "weights", columns: number): string =>
          `${name}_r = ${at[name]} + <usize>r * ${rowBytes(columns)}`;
        const rows = [row("out", C), row("slots", K), ...(has("weights") ? [row("weights", K)] : [])];
        w.line(`const ${rows.join(", ")};`);
        const term = (k: string, start: boolean): void => {
          w.line(`const y_r = ${at.y} + <usize>load<i32>(slots_r + ${k}) * ${rowBytes(C)};`);
          if (has("weights")) w.line(`const weight = v128.load32_splat(weights_r + ${k});`);
          writeRow(w, C, ["y_r"], "out_r", (v) => {
            const y = v.load("y_r");
            const old = v.load("out_r");
            if (start) return has("weights") ? `f32x4.mul(${y}, weight)` : y;
            return has("weights") ? `madd(${y}, weight, ${old})` : `f32x4.add(${y}, ${old})`;
          });
        };
        w.block("", () => term("0", true));
        if (K > 1) w.block(`for (let k: usize = 4; k < ${4 * K}; k += 4)`, () => term("k", false));
      });
    },
    sample,
    cases,
  },
);

export const slot_dots = defineOp("y[S,C] d_out[R,C] slots[R,K]:i32 -> d_weights[R,K]", {
  doc: "d_weights[r,k] = d_out[r,:] · y[slots[r,k],:]",
  flops: ({ S, C }) => 2 * S * C,
  reference({ y, d_out, slots, d_weights }, { R, K, C }) {
    for (let i = 0; i < R * K; i++) {
      let sum = 0;
      for (let c = 0; c < C; c++) sum += d_out[Math.floor(i / K) * C + c]! * y[slots[i]! * C + c]!;
      d_weights[i] = sum;
    }
  },
  tasks: ({ R }) => R,
  emit(w, at, { K, C }) {
    w.block("for (let r = first; r < last; r++)", () => {
      w.line(`const d_out_r = ${at.d_out} + <usize>r * ${rowBytes(C)}, row = <usize>r * ${rowBytes(K)};`);
      w.line(`memory.fill(${at.d_weights} + row, 0, ${rowBytes(K)});`);
      w.block(`for (let k = row; k < row + ${4 * K}; k += 4)`, () => {
        w.line(`const y_r = ${at.y} + <usize>load<i32>(${at.slots} + k) * ${rowBytes(C)};`);
        accumulators(w, "sum");
        readRow(w, C, ["y_r", "d_out_r"], (v) =>
          w.line(`sum${v.j} = madd(${v.load("y_r")}, ${v.load("d_out_r")}, sum${v.j});`),
        );
        w.line(`store<f32>(${at.d_weights} + k, ${sumOf("sum")});`);
      });
    });
  },
  sample,
  cases: sizes.map((d) => ({ d })),
});

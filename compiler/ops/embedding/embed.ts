/**
 * Token and position embeddings.
 *
 *   out[r,:] = table[tokens[r],:] + position_table[p(r),:]
 *   p(r)     = positions[r], where each row says its own; else r mod T
 *
 * R = rows (batch · time), V = vocabulary, C = channels, X = longest context, T = `context`, the number of
 * tokens in a sequence of this batch.
 */
import { defineOp } from "../kit/op.ts";
import { affine, columnTasks, eachRow, LINE_BYTES, writeRow } from "../kit/row-loops.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

/** p(r), in the generated code. `positions`: the address of that tensor, where it is there. */
export const positionOf = (
  { context }: { readonly context: number },
  positions: string | undefined,
): string => (positions ? `load<i32>(${positions} + (<usize>r << 2))` : `r % ${context}`);

/** A token that a test may feed. */
const token = (d: Readonly<Record<"V", number>>, noise: number): number =>
  Math.min(d.V - 1, Math.floor(((noise + 1) / 2) * d.V));

export const embed = defineOp(
  "tokens[R]:i32 table[V,C] position_table[X,C]? positions[R]?:i32 live[1]?:i32 -> out[R,C]",
  {
    doc: "out[r,:] = table[tokens[r],:] + position_table[p(r),:]",
    attrs: { context: 1 },
    flops: ({ R, C }) => R * C,
    bytes: ({ R, C }) => 12 * R * C,
    share: { table: ({ R, V }) => R / V, position_table: ({ R, X }) => R / X },
    reference({ tokens, table, position_table, positions, out }, { R, C }, attrs) {
      for (let r = 0; r < R; r++) {
        const position = positions?.[r] ?? r % attrs.context;
        for (let c = 0; c < C; c++)
          out[r * C + c] = table[tokens[r]! * C + c]! + (position_table?.[position * C + c] ?? 0);
      }
    },
    backward: (has, attrs) => [
      { op: "embed_dtable", ins: { tokens: "tokens", d_out: "d_out" }, outs: { d_table: "d_table" } },
      has("positions")
        ? // a table like the other one
          {
            op: "embed_dtable",
            ins: { tokens: "positions", d_out: "d_out" },
            outs: { d_table: "d_position_table" },
          }
        : {
            op: "embed_dpositions",
            ins: { d_out: "d_out" },
            outs: { d_positions: "d_position_table" },
            attrs,
          },
    ],
    quantised: { by: "embed_quantised", weights: "table", transposed: false },
    rows: "R",
    rowTasks: true,
    tasks: ({ R }) => R,
    emit(w, at, { C }, { attrs, has }) {
      const bytes = rowBytes(C);
      const positions = has("positions") ? at.positions : undefined;
      eachRow(w, { out_r: at.out }, C, () => {
        w.line(`const table_r = ${at.table} + <usize>load<i32>(${at.tokens} + (<usize>r << 2)) * ${bytes};`);
        if (has("position_table"))
          w.line(
            `const position_r = ${at.position_table} + <usize>(${positionOf(attrs, positions)}) * ${bytes};`,
          );
        const rows = ["table_r", ...(has("position_table") ? ["position_r"] : [])];
        writeRow(w, C, rows, "out_r", (v) =>
          affine(v.load("table_r"), undefined, has("position_table") ? v.load("position_r") : undefined),
        );
      });
    },
    sample: (tensor, d, noise, i) =>
      tensor === "tokens" ? token(d, noise()) : tensor === "positions" ? (7 * i + 3) % d.X : noise(),
    cases: [
      { d: { R: 12, V: 61, C: 40, X: 9 }, attrs: { context: 6 }, with: ["position_table"] },
      { d: { R: 7, V: 17, C: 61, X: 11 }, with: ["position_table", "positions"] },
      { d: { R: 3, V: 5, C: 1, X: 1 } },
      { d: { R: 768, V: 65, C: 128, X: 64 }, attrs: { context: 64 }, with: ["position_table"] },
      { d: { R: 256, V: 8192, C: 768, X: 64 }, attrs: { context: 64 }, with: ["position_table"] },
    ],
  },
);

/**
 * A worker has some columns of every row of the table, so that the additions come in the order of the rows of
 * d_out, however many workers there are.
 */
export const embed_dtable = defineOp("tokens[R]:i32 d_out[R,C] -> d_table[V,C]", {
  doc: "d_table[v,:] = Σ { d_out[r,:] : tokens[r] = v }",
  flops: ({ R, C }) => R * C,
  bytes: ({ R, C }) => 12 * R * C,
  accumulates: ["d_table"],
  reference({ tokens, d_out, d_table }, { R, C }, _attrs, accumulate) {
    if (!accumulate) d_table.fill(0);
    for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) d_table[tokens[r]! * C + c]! += d_out[r * C + c]!;
  },
  tasks: ({ C }) => columnTasks(C),
  emit(w, at, { R, V, C }) {
    const bytes = rowBytes(C);
    w.line(`const from = <usize>first * ${LINE_BYTES}, to = <usize>last * ${LINE_BYTES}; // bytes in a row`);
    w.line(
      `if (!accumulate) for (let v: usize = 0; v < ${V}; v++) memory.fill(${at.d_table} + v * ${bytes} ` +
        "+ from, 0, to - from);",
    );
    w.block(`for (let r: usize = 0; r < ${R}; r++)`, () => {
      w.line(
        `const table_r = ${at.d_table} + <usize>load<i32>(${at.tokens} + (r << 2)) * ${bytes}, d_out_r ` +
          `= ${at.d_out} + r * ${bytes};`,
      );
      w.block("for (let i = from; i < to; i += 32)", () => {
        w.line("const table_i = table_r + i, d_out_i = d_out_r + i;");
        w.line("const lo = f32x4.add(v128.load(table_i), v128.load(d_out_i));");
        w.line("const hi = f32x4.add(v128.load(table_i, 16), v128.load(d_out_i, 16));");
        w.line("v128.store(table_i, lo);");
        w.line("v128.store(table_i, hi, 16);");
      });
    });
  },
  sample: (tensor, d, noise) => (tensor === "tokens" ? token(d, noise()) : noise()),
  cases: [
    { d: { R: 12, V: 7, C: 40 } },
    { d: { R: 17, V: 61, C: 61 } },
    { d: { R: 1, V: 1, C: 1 } },
    { d: { R: 9, V: 3, C: 48 } },
    { d: { R: 768, V: 65, C: 128 } },
    { d: { R: 256, V: 8192, C: 768 } },
  ],
});

export const embed_dpositions = defineOp("d_out[R,C] -> d_positions[X,C]", {
  doc: "d_positions[t,:] = Σ { d_out[r,:] : r mod T = t }",
  attrs: { context: 1 },
  flops: ({ R, C }) => R * C,
  accumulates: ["d_positions"],
  reference({ d_out, d_positions }, { R, C }, attrs, accumulate) {
    if (!accumulate) d_positions.fill(0);
    for (let r = 0; r < R; r++)
      for (let c = 0; c < C; c++) d_positions[(r % attrs.context) * C + c]! += d_out[r * C + c]!;
  },
  tasks: (_d, { attrs }) => attrs.context,
  emit(w, at, { R, C, X }, { attrs }) {
    const T = attrs.context;
    const bytes = rowBytes(C);
    w.block("for (let t = <usize>first; t < <usize>last; t++)", () => {
      w.line(`const position_r = ${at.d_positions} + t * ${bytes};`);
      w.line("// this position, and those that no sequence reaches");
      w.line(
        `if (!accumulate) for (let x = t; x < ${X}; x += ${T}) memory.fill(${at.d_positions} + x * ` +
          `${bytes}, 0, ${bytes});`,
      );
      w.block(`for (let r = t; r < ${R}; r += ${T})`, () => {
        w.line(`const d_out_r = ${at.d_out} + r * ${bytes};`);
        writeRow(
          w,
          C,
          ["d_out_r"],
          "position_r",
          (v) => `f32x4.add(${v.load("position_r")}, ${v.load("d_out_r")})`,
        );
      });
    });
  },
  cases: [
    { d: { R: 12, C: 40, X: 9 }, attrs: { context: 6 } },
    { d: { R: 17, C: 61, X: 17 }, attrs: { context: 17 } },
    { d: { R: 3, C: 1, X: 5 }, attrs: { context: 1 } },
    { d: { R: 768, C: 128, X: 64 }, attrs: { context: 64 } },
    { d: { R: 256, C: 768, X: 1024 }, attrs: { context: 64 } },
  ],
});

/**
 * `embed` with a table in fewer bits (runtime/contract/weight-rows.ts). A tied output reads the same rows, as
 * the weights of its product.
 */
import { defineOp } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { embed, positionOf } from "./embed.ts";
import type { QuantisedFormat } from "../../../runtime/contract/memory-formats.ts";
import { GROUP } from "../../../runtime/contract/number-formats.ts";
import {
  GROUP_BYTES,
  HALF_LANES,
  halfBlocks,
  isInteger,
  LANES,
  LANE_BYTES,
  SCALE_LINE,
  SUPERBLOCK_GROUPS,
  superblockBytes,
  weightWords,
  type IntegerFormat,
} from "../../../runtime/contract/weight-rows.ts";
import { weightsIn, F16_MASK, F16_UNIT, formatAttrs } from "../matmul/quantised/activation-rows.ts";
import { sampleWeight } from "../matmul/quantised/samples.ts";
import { eachRow, writeRow } from "../kit/row-loops.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

const sizes = (format: QuantisedFormat, R: number, V: number, C: number, X: number) => ({
  d: { R, V, C, X, W: weightWords(format, C) },
  attrs: { format, context: X },
});

export const embed_quantised = defineOp(
  "tokens[R]:i32 table[V,W]:i32 position_table[X,C]? positions[R]?:i32 live[1]?:i32 -> out[R,C]",
  {
    doc: "out[r,:] = table[tokens[r],:] + position_table[p(r),:];  rows of the table in bf16, q8_0 or q4_0",
    attrs: { context: 1, ...formatAttrs },
    flops: ({ R, C }) => 2 * R * C,
    bytes: ({ R, C, W }) => R * (8 * C + 4 * W),
    share: { table: ({ R, V }) => R / V, position_table: ({ R, X }) => R / X },
    reference(t, d, attrs) {
      const table = Float64Array.from({ length: d.V * d.C });
      const { V, W, C } = d;
      for (let v = 0; v < V; v++)
        table.set(weightsIn(attrs.format, t.table.subarray(v * W, (v + 1) * W), C), v * C);
      embed.reference({ ...t, table }, d, attrs, false);
    },
    rows: "R",
    rowTasks: true,
    tasks: ({ R }) => R,
    emit(w, at, { C, W }, { attrs, has }) {
      const format = attrs.format;
      const decode = isInteger(format) ? decodeGroups(w, format, C) : decodeHalves(w, C);
      const bytes = rowBytes(C);
      const positions = has("positions") ? at.positions : undefined;
      eachRow(w, { out_r: at.out }, C, () => {
        if (bytes > 4 * C) w.line(`memory.fill(out_r + ${4 * C}, 0, ${bytes - 4 * C});`);
        w.line(
          `${decode}(${at.table} + <usize>load<i32>(${at.tokens} + (<usize>r << 2)) * ${rowBytes(W)}, ` +
            "out_r);",
        );
        if (!has("position_table")) return;
        w.line(
          `const position_r = ${at.position_table} + <usize>(${positionOf(attrs, positions)}) * ${bytes};`,
        );
        writeRow(
          w,
          C,
          ["position_r"],
          "out_r",
          (v) => `f32x4.add(${v.load("out_r")}, ${v.load("position_r")})`,
        );
      });
    },
    sample: (tensor, d, noise, i, attrs) =>
      tensor === "table"
        ? sampleWeight(attrs.format, d.W, noise, i)
        : embed.sample!(tensor, d, noise, i, attrs),
    cases: (["q8_0", "q4_0", "bf16"] as const).flatMap((format) => [
      { ...sizes(format, 12, 61, 40, 16), with: ["position_table", "positions"] },
      sizes(format, 3, 5, 1, 1),
      { ...sizes(format, 5, 17, 300, 11), with: ["position_table"] },
      sizes(format, 3, 5, 1100, 1),
      { ...sizes(format, 128, 512, 768, 128), with: ["position_table"] },
    ]),
  },
);

/**
 * A function (row, out) that writes out[C], the row's weights. It decodes one element after the other, which
 * is fast enough for the few rows that a call reads.
 */
function decodeGroups(w: Writer, format: IntegerFormat, C: number): string {
  const name = `decode_${format}_${C}`;
  const halves = halfBlocks(C);
  return w.helper(name, (h) => {
    h.line(`/** out[${C}] = a row of ${format} */`);
    h.block(`function ${name}(row: usize, out: usize): void`, () => {
      h.block(`for (let group: usize = 0; group < ${Math.ceil(C / GROUP)}; group++)`, () => {
        const shift = 31 - Math.clz32(SUPERBLOCK_GROUPS);
        h.line(`const superblock = row + (group >> ${shift}) * ${superblockBytes(format)};`);
        const inSuperblock = SUPERBLOCK_GROUPS - 1;
        h.line(
          `const d = reinterpret<f32>((load<i16>(superblock + (group & ${inSuperblock}) * 2) << 13) ` +
            `& <i32>${F16_MASK}) * <f32>${F16_UNIT};`,
        );
        const alone = halves % 2 === 1 ? `group >= ${(halves - 1) * HALF_LANES}` : "false";
        h.line(
          `const alone = ${alone}, lanes: usize = alone ? ${HALF_LANES} : ${LANES}; ` +
            "// half a block at the end",
        );
        h.line(
          `const from = superblock + ${SCALE_LINE} + (group - group % lanes & ${inSuperblock}) * ` +
            `${GROUP_BYTES[format]} + (group % lanes) * ${LANE_BYTES};`,
        );
        h.line(
          `const to = out + group * ${4 * GROUP}, elements = min<usize>(${GROUP}, ${C} - group * ${GROUP});`,
        );
        if (format === "q8_0")
          h.line(
            "for (let j: usize = 0; j < elements; j++) store<f32>(to + j * 4, d * <f32>load<i8>(from + " +
              `(j >> 2) * lanes * ${LANE_BYTES} + (j & 3)));`,
          );
        else
          h.line(
            "for (let j: usize = 0; j < elements; j++) store<f32>(to + j * 4, d * <f32>(<i32>(" +
              `load<u8>(from + ((j & 15) >> 2) * lanes * ${LANE_BYTES} + (j & 3)) >> <u8>(j >> 4 << 2) & ` +
              "15) - 8));",
          );
      });
    });
  });
}

function decodeHalves(w: Writer, C: number): string {
  const name = `decode_bf16_${C}`;
  return w.helper(name, (h) => {
    h.line(`/** out[${C}] = a row of bf16 */`);
    h.block(`function ${name}(row: usize, out: usize): void`, () =>
      h.line(
        `for (let j: usize = 0; j < ${C}; j++) store<u32>(out + j * 4, <u32>load<u16>(row + (j >> 5) * ` +
          "64 + (j & 15) * 4 + ((j >> 4) & 1) * 2) << 16);",
      ),
    );
  });
}

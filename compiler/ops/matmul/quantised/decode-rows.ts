/**
 * Weights in fewer bits → packed panels of f32 as they stand, for products that sum over the rows of b: a
 * line of a panel is some neighbouring weights of one row. In memory a group's weights lie a lane apart, so
 * they are gathered, piece by piece, into one vector of bytes, which becomes a line.
 */
import { count, type Writer } from "../../kit/writer.ts";
import type { RowSource } from "../gemm/product-plan.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import type { QuantisedFormat } from "../../../../runtime/contract/memory-formats.ts";
import { GROUP } from "../../../../runtime/contract/number-formats.ts";
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
} from "../../../../runtime/contract/weight-rows.ts";
import { F16_MASK, F16_UNIT } from "./activation-rows.ts";

/** Rows of N weights. */
export const rowSource = (format: QuantisedFormat, N: number): RowSource => ({
  rowBytes: rowBytes(weightWords(format, N)),
  pack(w, NR, panelBytes) {
    const name = `pack_rows_${format}_${NR}_${N}_panel${panelBytes}`;
    const bRow = rowBytes(weightWords(format, N));
    const line = isInteger(format) ? lineOfGroups(w, format, N, NR) : lineOfHalves(w, NR);
    return w.helper(name, (h) => {
      h.line(`/** packed[panels][K,${NR}] = b[K, panels from \`panel\` on], b's rows of ${format} */`);
      h.block(
        `function ${name}(b: usize, packed: usize, steps: usize, panel: i32, panels: i32): void`,
        () => {
          h.block(
            `for (const end = packed + steps * ${4 * NR}; packed < end; packed += ${4 * NR}, b += ${bRow})`,
            () => {
              h.line("let to = packed;");
              h.block(`for (let p = panel; p < panel + panels; p++, to += ${panelBytes})`, () =>
                h.line(`${line}(b, <usize>p * ${NR}, to);`),
              );
            },
          );
        },
      );
    });
  },
});

/** A function (row, e, to): to[NR] = the weights e … e + NR − 1 of a row; e is a multiple of NR. */
function lineOfGroups(w: Writer, format: IntegerFormat, N: number, NR: number): string {
  const name = `line_${format}_${NR}_${N}`;
  const halves = halfBlocks(N);
  const endsAlone = halves % 2 === 1;
  return w.helper(name, (h) => {
    h.line(`/** to[${NR}] = weights e … of a row of ${format} */`);
    h.block(`function ${name}(row: usize, e: usize, to: usize): void`, () => {
      h.line(`const group = e / ${GROUP}, j = e % ${GROUP}, within = group % ${SUPERBLOCK_GROUPS};`);
      h.line(`const superblock = row + group / ${SUPERBLOCK_GROUPS} * ${superblockBytes(format)};`);
      const lanes = endsAlone ? `group >= ${(halves - 1) * HALF_LANES} ? ${HALF_LANES} : ${LANES}` : LANES;
      h.line(`const lanes: usize = ${lanes}, lane = group % lanes, step = lanes * ${LANE_BYTES};`);
      h.line(
        `const from = superblock + ${SCALE_LINE} + (within - lane) * ${GROUP_BYTES[format]} + ` +
          `lane * ${LANE_BYTES} + ${firstPiece(format)} * step;`,
      );
      h.line(
        `const d = f32x4.splat(reinterpret<f32>((load<i16>(superblock + within * 2) << 13) & ` +
          `<i32>${F16_MASK}) * <f32>${F16_UNIT});`,
      );
      h.line("let bytes = ZERO;");
      for (const i of count(NR / LANE_BYTES))
        h.line(`bytes = v128.load32_lane(from + ${i} * step, bytes, ${i});`);
      if (format === "q4_0")
        h.line(
          "bytes = i8x16.sub(v128.and(j < 16 ? bytes : i8x16.shr_u(bytes, 4), i8x16.splat(15)), " +
            "i8x16.splat(8));",
        );
      const words = count(NR / 8).map((i) => `w${i}`);
      words.forEach((word, i) =>
        h.line(`const ${word} = i16x8.extend_${i === 0 ? "low" : "high"}_i8x16_s(bytes);`),
      );
      const quads = words.flatMap((word) =>
        ["low", "high"].map((half) => `i32x4.extend_${half}_i16x8_s(${word})`),
      );
      quads.forEach((quad, i) => h.line(`const x${i} = f32x4.mul(f32x4.convert_i32x4_s(${quad}), d);`));
      h.line(quads.map((_, i) => `v128.store(to, x${i}, ${16 * i});`).join(" "));
    });
  });
}

/** The number of the first piece of a line; in q4_0 a piece has weights of both halves of the group. */
const firstPiece = (format: IntegerFormat): string => `${format === "q8_0" ? "j" : "j % 16"} / ${LANE_BYTES}`;

/** The same for rows of bf16, whose words have weight i and i + 16 of 32. */
function lineOfHalves(w: Writer, NR: number): string {
  const name = `line_bf16_${NR}`;
  return w.helper(name, (h) => {
    h.line(`/** to[${NR}] = weights e … of a row of bf16 */`);
    h.block(`function ${name}(row: usize, e: usize, to: usize): void`, () => {
      h.line(`const from = row + e / ${GROUP} * ${2 * GROUP} + e % 16 * 4;`);
      h.line("const shift = e % 32 < 16 ? 16 : 0;");
      const vectors = count(NR / 4);
      for (const i of vectors)
        h.line(
          `const x${i} = v128.and(i32x4.shl(v128.load(from, ${16 * i}), shift), ` +
            "i32x4.splat(<i32>0xFFFF0000));",
        );
      h.line(vectors.map((i) => `v128.store(to, x${i}, ${16 * i});`).join(" "));
    });
  });
}

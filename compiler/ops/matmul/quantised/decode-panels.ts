/**
 * Weights in fewer bits → packed panels of f32, for products of many rows: decoded while they are transposed.
 * A vector of decoded weights has one element of four groups, so four rows of it, transposed, are four stores
 * of four columns: group l's at step 32 · l + j.
 */
import { count, type Writer } from "../../kit/writer.ts";
import type { PanelSource } from "../gemm/product-plan.ts";
import { transpose4 } from "../../kit/transpose.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import type { QuantisedFormat } from "../../../../runtime/contract/memory-formats.ts";
import { GROUP } from "../../../../runtime/contract/number-formats.ts";
import {
  HALF_BLOCK,
  HALF_BYTES,
  HALF_LANES,
  LANES,
  LANE_BYTES,
  HALF_SCALES,
  isInteger,
  SCALE_LINE,
  SUPERBLOCK_HALVES,
  superblockBytes,
  weightWords,
  type IntegerFormat,
} from "../../../../runtime/contract/weight-rows.ts";
import { F16_MASK, F16_UNIT } from "./activation-rows.ts";

export const panelSource = (format: QuantisedFormat, K: number): PanelSource => ({
  rowBytes: rowBytes(weightWords(format, K)),
  steps: isInteger(format) ? HALF_BLOCK : GROUP,
  pack: (w, NR, valid) =>
    isInteger(format) ? packGroups(w, format, K, NR, valid) : packHalves(w, K, NR, valid),
});

/** Four vectors of a step or two: name of the result, expression of row i. */
type Decoded = readonly { readonly step: string; row(i: number): string }[];

/**
 * Calls `quad` for every four of the panel's valid columns, with the pointers `from` (a row of b) and `to`
 * (its column in the panel).
 */
function eachQuad(h: Writer, valid: number, bRow: number, quad: (rows: number) => void): void {
  const whole = Math.floor(valid / 4);
  h.line("let from = b, to = panel;");
  if (whole > 0)
    h.block(`for (const last = panel + ${whole * 16}; to < last; to += 16, from += ${4 * bRow})`, () =>
      quad(4),
    );
  if (valid % 4 > 0) h.block("", () => quad(valid % 4));
}

function packGroups(w: Writer, format: IntegerFormat, K: number, NR: number, valid: number): string {
  const name = `pack_${format}_${valid}of${NR}_${K}`;
  const half = HALF_BYTES[format];
  const bRow = rowBytes(weightWords(format, K));
  const quad = quadOfGroups(w, format, NR, bRow);
  return w.helper(name, (h) => {
    h.line(
      `/** panel[K,${NR}] = b[${valid}, k0 … k0 + steps]ᵀ, b's rows of ${format}, ${bRow} bytes apart; ` +
        "half a block at a time */",
    );
    h.block(`function ${name}(b: usize, panel: usize, k0: usize, steps: usize): void`, () => {
      h.line(`const halves = (steps + ${HALF_BLOCK - 1}) / ${HALF_BLOCK}, firstHalf = k0 / ${HALF_BLOCK};`);
      if (valid < NR) h.line(`memory.fill(panel, 0, halves * ${HALF_BLOCK * NR * 4});`);
      h.block("for (let n: usize = 0; n < halves; n++)", () => {
        h.line("const alone = n == halves - 1 && (halves & 1) != 0; // or one of two, side by side");
        const superblock = `half / ${SUPERBLOCK_HALVES} * ${superblockBytes(format)}`;
        h.line(`const half = firstHalf + n, superblock = ${superblock};`);
        h.line(
          `const start = superblock + ${SCALE_LINE} + ` +
            `((alone ? half : half & ~1) & ${SUPERBLOCK_HALVES - 1}) * ${half} + ` +
            `(alone ? 0 : (n & 1) * ${HALF_LANES * LANE_BYTES}), ` +
            `stride: usize = alone ? ${HALF_LANES * LANE_BYTES} : ${LANES * LANE_BYTES};`,
        );
        h.line(`const scale = superblock + (half & ${SUPERBLOCK_HALVES - 1}) * ${HALF_SCALES};`);
        eachQuad(h, valid, bRow, (rows) => h.line(`${quad(rows)}(from + start, from + scale, stride, to);`));
        h.line(`panel += ${HALF_BLOCK * NR * 4};`);
      });
    });
  });
}

/** A function (from, scale, stride, to) of so many rows: half a block of them. */
const quadOfGroups =
  (w: Writer, format: IntegerFormat, NR: number, bRow: number) =>
  (rows: number): string => {
    const name = `quad_${format}_${rows}of4_${NR}_row${bRow}`;
    return w.helper(name, (h) => {
      const store = (decoded: Decoded): void =>
        decoded.forEach(({ step, row }, at) => {
          transpose4(
            h,
            count(4).map((i) => (i < rows ? row(i) : "ZERO")),
            `t${at}_`,
          );
          for (const l of count(4))
            h.line(`v128.store(to + (${step}) * ${NR * 4}, t${at}_${l}, ${l * GROUP * NR * 4});`);
        });
      const value = (i: number, integers: string): string =>
        `f32x4.mul(f32x4.convert_i32x4_s(${integers}), d${i})`;
      h.line(`/** to[128 steps, ${rows} of 4 columns] = half a block of ${rows} rows, decoded */`);
      h.block(`function ${name}(from: usize, scale: usize, stride: usize, to: usize): void`, () => {
        for (const i of count(rows))
          h.line(
            `const d${i} = f32x4.mul(v128.and(i32x4.shl(v128.load16x4_s(scale, ${i * bRow}), 13), ` +
              `i32x4.splat(<i32>${F16_MASK})), f32x4.splat(${F16_UNIT}));`,
          );
        if (format === "q8_0")
          h.block(`for (let c: usize = 0; c < ${GROUP / LANE_BYTES}; c++)`, () => {
            for (const i of count(rows)) h.line(`const x${i} = v128.load(from, ${i * bRow});`);
            const byte = (j: number, x: string): string =>
              `i32x4.shr_s(${j < 3 ? `i32x4.shl(${x}, ${24 - 8 * j})` : x}, 24)`;
            store(
              count(LANE_BYTES).map((j) => ({
                step: `4 * c + ${j}`,
                row: (i) => value(i, byte(j, `x${i}`)),
              })),
            );
            h.line("from += stride;");
          });
        else
          h.block("for (let c: usize = 0; c < 4; c++)", () => {
            for (const i of count(rows)) h.line(`const x${i} = v128.load(from, ${i * bRow});`);
            const nibble =
              (shift: number) =>
              (i: number): string => {
                const bits = shift ? `i32x4.shr_u(x${i}, ${shift})` : `x${i}`;
                return value(i, `i32x4.sub(v128.and(${bits}, i32x4.splat(15)), i32x4.splat(8))`);
              };
            store(
              count(4).flatMap((i) => [
                { step: `4 * c + ${i}`, row: nibble(8 * i) },
                { step: `4 * c + ${16 + i}`, row: nibble(8 * i + 4) },
              ]),
            );
            h.line("from += stride;");
          });
      });
    });
  };

function packHalves(w: Writer, K: number, NR: number, valid: number): string {
  const name = `pack_bf16_${valid}of${NR}_${K}`;
  const bRow = rowBytes(weightWords("bf16", K));
  return w.helper(name, (h) => {
    h.line(
      `/** panel[K,${NR}] = b[${valid}, k0 … k0 + steps]ᵀ, b's rows of bf16, ${bRow} bytes apart; a ` +
        "chunk of 32 steps at a time */",
    );
    h.block(`function ${name}(b: usize, panel: usize, k0: usize, steps: usize): void`, () => {
      h.line(`const chunks = (steps + ${GROUP - 1}) / ${GROUP};`);
      if (valid < NR) h.line(`memory.fill(panel, 0, chunks * ${GROUP * NR * 4});`);
      h.line(`b += k0 * 2;`);
      h.block("for (let n: usize = 0; n < chunks; n++)", () => {
        eachQuad(h, valid, bRow, (rows) => {
          for (const j of count(4)) {
            for (const i of count(rows)) h.line(`const x${j}${i} = v128.load(from, ${i * bRow + 16 * j});`);
            for (const [at, row] of [
              (i: number) => `i32x4.shl(x${j}${i}, 16)`,
              (i: number) => `v128.and(x${j}${i}, i32x4.splat(<i32>0xFFFF0000))`,
            ].entries()) {
              transpose4(
                h,
                count(4).map((i) => (i < rows ? row(i) : "ZERO")),
                `t${j}${at}_`,
              );
              for (const k of count(4))
                h.line(`v128.store(to, t${j}${at}_${k}, ${(16 * at + 4 * j + k) * NR * 4});`);
            }
          }
        });
        h.line(`b += 64; panel += ${GROUP * NR * 4};`);
      });
    });
  });
}

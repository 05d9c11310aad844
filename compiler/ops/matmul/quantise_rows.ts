/**
 * Activations as integers, for products with integer weights: of each group of 32 along a row d = max |x| /
 * 127, q = x / d to the nearest, and d rounded to f16: as llama.cpp does with what it multiplies by q8_0 and
 * q4_0, so that tokens are the same. Once per row, in the order in which the products read it:
 * quantised/activation-rows.ts.
 *
 * A vector of numbers has one element of four groups, so scales are lanes and nothing is summed across lanes.
 */
import { defineOp } from "../kit/op.ts";
import { count, type Writer } from "../kit/writer.ts";
import { transpose4 } from "../kit/transpose.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { GROUP } from "../../../runtime/contract/number-formats.ts";
import { HALF_BLOCK, halfBlocks, type IntegerFormat } from "../../../runtime/contract/weight-rows.ts";
import {
  ACTIVATION_BYTES,
  activationWords,
  encodeActivations,
  FOURS_BYTES,
  foursFrom,
  integerAttrs,
  LEAST_SCALED,
  ROUNDER,
  ZERO_POINT,
} from "./quantised/activation-rows.ts";

const sizes = (format: IntegerFormat, M: number, K: number) => ({
  d: { M, K, A: activationWords(format, K) },
  attrs: { format },
});
const HALF_FLOATS = HALF_BLOCK * 4; // bytes

export const quantise_rows = defineOp("a[M,K] live[1]?:i32 -> out[M,A]:i32", {
  doc: "d = max |a| / 127 of each group of 32, q = a / d to the nearest;  out = q, d and −Z·Σ q",
  attrs: integerAttrs,
  flops: ({ M, K }) => 4 * M * K,
  reference({ a, out }, { M, K, A }, attrs) {
    for (let m = 0; m < M; m++)
      out.set(encodeActivations(attrs.format, a.subarray(m * K, (m + 1) * K), K), m * A);
  },
  rows: "M",
  rowTasks: true,
  tasks: ({ M, K }) => M * halfBlocks(K),
  scratch: () => HALF_FLOATS,
  emit(w, at, { K, A }, { attrs }) {
    const format = attrs.format;
    const halves = halfBlocks(K);
    const numbers = ACTIVATION_BYTES[format];
    const rest = rowBytes(K) - (halves - 1) * HALF_FLOATS;
    const padding = rowBytes(A) - 4 * A;
    const quantise = quantiseHalf(w, format);
    w.block("for (let task = first; task < last; task++)", () => {
      w.line(
        `const m = <usize>(task / ${halves}), n = <usize>(task % ${halves}), row = ${at.out} + m * ` +
          `${rowBytes(A)};`,
      );
      w.line(`let from = ${at.a} + m * ${rowBytes(K)} + n * ${HALF_FLOATS};`);
      if (rest < HALF_FLOATS)
        w.block(`if (n == ${halves - 1})`, () => {
          w.line(`memory.copy(scratch, from, ${rest});`);
          w.line(`memory.fill(scratch + ${rest}, 0, ${HALF_FLOATS - rest});`);
          w.line("from = scratch;");
        });
      const odd = halves % 2 === 1 ? `n == ${halves - 1}` : "false";
      w.line(`const alone = ${odd}, block = alone ? n : n & ~1, lane = row + (alone ? 0 : (n & 1) * 16);`);
      const given = [
        `from, lane + block * ${numbers}, alone ? 16 : 32`,
        `row + ${halves * numbers} + n * 16`,
        `row + ${halves * (numbers + 16)} + n * 16`,
        ...(format === "q8_0" ? [`lane + ${foursFrom(halves)} + block * ${FOURS_BYTES}`] : []),
      ];
      w.line(`${quantise}(${given.join(", ")});`);
      if (padding > 0) w.line(`if (n == 0) memory.fill(row + ${4 * A}, 0, ${padding});`);
    });
  },
  cases: [
    sizes("q8_0", 1, 7),
    sizes("q4_0", 1, 7),
    sizes("q8_0", 3, 300),
    sizes("q4_0", 3, 300),
    sizes("q8_0", 2, 256),
    sizes("q4_0", 4, 600),
    sizes("q8_0", 1, 768),
    sizes("q4_0", 1, 8192),
  ],
});

/** Bytes of a group of 32 floats. */
const GROUP_BYTES = GROUP * 4;
/**
 * Sum of the bit patterns of 32 ROUNDERs, in 32 bits: a group's sum of rounded numbers is too large by it.
 */
const ROUNDERS = "0x68000000";

/**
 * A function (from, to, stride, scales, starts, fours): 128 floats, which are four groups, → their lanes of
 * the block. `fours`: q8_0 only.
 */
function quantiseHalf(w: Writer, format: IntegerFormat): string {
  const name = `quantise_half_${format}`;
  return w.helper(name, (h) => {
    h.line(
      `/** Four groups of 32 floats → four lanes of ${format}'s activations, ` +
        `${format === "q8_0" ? "two" : "four"} numbers of each group every \`stride\` bytes */`,
    );
    const fours = format === "q8_0" ? ", fours: usize" : "";
    h.block(
      `function ${name}(from: usize, to: usize, stride: usize, scales: usize, starts: usize${fours}): void`,
      () => {
        groupScales(h);
        h.line("let sum = i32x4.splat(0);");
        if (format === "q8_0")
          h.block(`for (const end = from + ${GROUP_BYTES}; from < end; from += 16)`, () => storePairs(h));
        else h.block("for (let c: usize = 0; c < 4; c++)", () => storeHalves(h));
        const Z = ZERO_POINT[format];
        h.line(
          `v128.store(starts, i32x4.shl(i32x4.sub(i32x4.splat(${ROUNDERS}), sum), ${31 - Math.clz32(Z)})); ` +
            `// −${Z} · Σ q`,
        );
      },
    );
  });
}

/** Stores the scales of four groups, one in each lane, as numbers of f16; `inverse` becomes 127 / max |x|. */
function groupScales(h: Writer): void {
  const firsts = count(4).map((g) => `most${g} = f32x4.abs(v128.load(from, ${g * GROUP_BYTES}))`);
  h.line(`let ${firsts.join(", ")};`);
  h.block(`for (let at = from + 16, end = from + ${GROUP_BYTES}; at < end; at += 16)`, () => {
    for (const g of count(4))
      h.line(`most${g} = f32x4.max(most${g}, f32x4.abs(v128.load(at, ${g * GROUP_BYTES})));`);
  });
  transpose4(
    h,
    count(4).map((g) => `most${g}`),
    "m",
  );
  h.line("const most = f32x4.max(f32x4.max(m0, m1), f32x4.max(m2, m3));");
  h.line(
    "const inverse = v128.and(f32x4.div(f32x4.splat(127), most), f32x4.gt(most, " +
      `f32x4.splat(${LEAST_SCALED})));`,
  );
  h.line("const d = f32x4.div(most, f32x4.splat(127)), half = f32x4.splat(0.5);");
  h.line(
    "const rounded = v128.and(i32x4.add(d, i32x4.add(i32x4.splat(0xFFF), v128.and(i32x4.shr_u(d, " +
      "13), i32x4.splat(1)))), i32x4.splat(~0x1FFF));",
  );
  h.line(
    "v128.store(scales, v128.bitselect(f32x4.sub(f32x4.add(d, half), half), rounded, f32x4.lt(d, " +
      `f32x4.splat(${2 ** -14})))); // to f16`,
  );
}

/** q0 … q3: four numbers of each group, rounded, in the low bits; a lane is a group. */
function roundFour(h: Writer, offset: number): void {
  transpose4(
    h,
    count(4).map((g) => `v128.load(from, ${g * GROUP_BYTES + offset})`),
    "t",
  );
  for (const j of count(4))
    h.line(`const q${j} = f32x4.add(f32x4.mul(t${j}, inverse), f32x4.splat(${ROUNDER}));`);
}

/** Adds q0 … q3 to the sum of each group, and stores them in a lane, 8 bits each. */
function storeFour(h: Writer, to: string): void {
  const low = (j: number): string => `v128.and(q${j}, i32x4.splat(255))`;
  const byte = [low(0), `i32x4.shl(${low(1)}, 8)`, `i32x4.shl(${low(2)}, 16)`, "i32x4.shl(q3, 24)"];
  h.line("sum = i32x4.add(sum, i32x4.add(i32x4.add(q0, q1), i32x4.add(q2, q3)));");
  h.line(`v128.store(${to}, v128.or(v128.or(${byte[0]}, ${byte[1]}), v128.or(${byte[2]}, ${byte[3]})));`);
  h.line(`${to} += stride;`);
}

/** q8_0: two numbers of 16 bits in a lane, the even ones of four, then the odd ones; and four of 8 bits. */
function storePairs(h: Writer): void {
  roundFour(h, 0);
  storeFour(h, "fours");
  for (const p of count(2))
    h.line(
      `v128.store(to, v128.or(v128.and(q${p}, i32x4.splat(0xFFFF)), ` +
        `i32x4.shl(q${p + 2}, 16))); to += stride;`,
    );
}

/** q4_0: four numbers of 8 bits in a lane, from both halves of each group. */
function storeHalves(h: Writer): void {
  for (const part of count(2))
    h.block("", () => {
      roundFour(h, part * 64);
      storeFour(h, "to");
    });
  h.line("from += 16;");
}

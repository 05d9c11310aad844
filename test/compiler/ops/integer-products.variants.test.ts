/**
 * Products of integers: a row has the same bits alone, among other rows and in tiles of any number of rows,
 * on every target and for any number of workers; V8 joins their pairs.
 */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { grouped_integer } from "../../../compiler/ops/experts/grouped_integer.ts";
import type { Case, Op } from "../../../compiler/ops/kit/op.ts";
import { matmul_integer } from "../../../compiler/ops/matmul/matmul_integer.ts";
import { activationWords } from "../../../compiler/ops/matmul/quantised/activation-rows.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { weightWords, type IntegerFormat } from "../../../runtime/contract/weight-rows.ts";
import { kernelBenches } from "../../../bench/measure/kernel-bench.ts";
import { inputsFor } from "../../../bench/measure/kernel-numbers.ts";
import { joinTrace, optimizingOnly } from "../../support/join-trace.ts";
import { inProject } from "../../support/paths.ts";

const LONG = 180_000; // ms

/**
 * Nodes of products that V8 joins: for one row; for a tile of eight and the two of four, which come first and
 * after it; for rows whose nibbles become bytes.
 */
const FOURS = 4 + 4 * 2;
const joined: readonly (readonly [IntegerFormat, number, Readonly<Record<string, number>>])[] = [
  ["q8_0", 1, { I32x4DotI16x8S: 16, I32x4DotI8x16I7x16AddS: 4 }],
  ["q8_0", 8, { I32x4DotI16x8S: 8 * 4, I32x4DotI8x16I7x16AddS: FOURS }],
  ["q4_0", 1, { I32x4DotI8x16I7x16AddS: 8, I16x8DotI8x16I7x16S: 8 }],
  ["q4_0", 8, { I32x4DotI8x16I7x16AddS: FOURS * 2, I16x8DotI8x16I7x16S: 8 * 2, I32x4DotI16x8S: 8 }],
  ["q4_0", 16, { I32x4DotI8x16I7x16AddS: FOURS * 2 + 4 * 2 }],
];
test.each(joined)(
  "V8 joins the pairs of integer products: %s, rows of a: %i",
  async (format, M, nodes) => {
    const d = { M, A: activationWords(format, 2048), N: 64, W: weightWords(format, 2048) };
    await expectJoined(
      "matmul_integer",
      matmul_integer,
      { d, attrs: { format } },
      { ...nodes, F32x4Qfma: M },
    );
  },
  LONG,
);

/** Of experts: three kinds of tiles. */
const EXPERTS = { F32x4Qfma: 3 };
test.each([
  ["q8_0", { ...EXPERTS, I32x4DotI16x8S: 16, I32x4DotI8x16I7x16AddS: 4 * 2 }],
  ["q4_0", { ...EXPERTS, I32x4DotI8x16I7x16AddS: 8 * 2, I16x8DotI8x16I7x16S: 8 }],
] as const)(
  "V8 joins the pairs of experts' integer products: %s",
  async (format, nodes) => {
    const d = { S: 16, E: 3, F: 4, A: activationWords(format, 2048), N: 64, W: weightWords(format, 2048) };
    await expectJoined("grouped_integer", grouped_integer, { d, attrs: { format } }, nodes);
  },
  LONG,
);

/** `nodes`: how many of each V8 joins at least. */
async function expectJoined(
  name: string,
  op: Op,
  c: Case,
  nodes: Readonly<Record<string, number>>,
): Promise<void> {
  const trace = await joinTrace(name, op, [c]);
  for (const [node, least] of Object.entries(nodes))
    expect(trace.split(`PackNode [${node}]`).length - 1, node).toBeGreaterThanOrEqual(least);
}

const kinds = targets.flatMap((target) => (["q8_0", "q4_0"] as const).map((f) => [target, f] as const));
test.each(kinds)(
  "a row has the same bits alone and among others, for any number of workers: %s, %s",
  (target, format) => {
    const script = inProject("test/support/row-bits.ts");
    const given = ["--disable-warning=ExperimentalWarning", ...optimizingOnly, script, target, format];
    expect(JSON.parse(execFileSync(process.execPath, given, { encoding: "utf8" }))).toEqual([]);
  },
  LONG,
);

const DOT = "relaxed_dot_i8x16_i7x16_add_s";
/** The instruction as AVX-VNNI has it: int8 × uint8, and nothing stops on the way. */
const exactDot = `
function exact_dot(x: v128, u: v128, sum: v128): v128 {
  const low = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(x), i16x8.extend_low_i8x16_u(u));
  const high = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(x), i16x8.extend_high_i8x16_u(u));
  const even = i32x4.shuffle(low, high, 0, 2, 4, 6), odd = i32x4.shuffle(low, high, 1, 3, 5, 7);
  return i32x4.add(sum, i32x4.add(even, odd));
}
`;
/** Every machine answers as if a dot product of four were one instruction, or were not. */
const answering = (source: string, answer: boolean): string =>
  source.replaceAll(/return i32x4\.extract_lane\(four, 0\) .*;/g, `return ${answer};`);
const ways = ([1, 3, 15, 21] as const).flatMap((M) =>
  (["q8_0", "q4_0"] as const).map((f) => [f, M] as const),
);
test.each(ways)("%s by dot products of four has the bits of the usual way: %i rows", async (format, M) => {
  const cases = [100, 600, 1100, 2048].map((K) => ({
    d: { M, A: activationWords(format, K), N: 21, W: weightWords(format, K) },
    attrs: { format },
  }));
  const given = ["matmul_integer", matmul_integer, cases, "relaxed", undefined] as const;
  const usual = await kernelBenches(...given, (source) => answering(source, false));
  const exact = (source: string): string => source.replaceAll(`i32x4.${DOT}`, "exact_dot") + exactDot;
  const fours = await kernelBenches(...given, (source) => exact(answering(source, true)));
  for (const [i, c] of cases.entries()) {
    expect(answering(usual[i]!.source, true)).not.toBe(usual[i]!.source);
    const inputs = inputsFor(matmul_integer, c);
    expect(fours[i]!.run(inputs)["out"]).toEqual(usual[i]!.run(inputs)["out"]);
  }
});

/**
 * Products of integers: a row has the same bits alone, among other rows and in tiles of any number of rows, on
 * every target and for any number of workers; V8 joins their pairs.
 */
import { describe, expect, test } from "vitest";
import type { Case } from "../../../compiler/ops/kit/op.ts";
import { matmul_integer } from "../../../compiler/ops/matmul/matmul_integer.ts";
import { activationWords } from "../../../compiler/ops/matmul/quantised/activation-rows.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { weightWords, type IntegerFormat } from "../../../runtime/contract/weight-rows.ts";
import { kernelBenches } from "../../../bench/measure/kernel-bench.ts";
import { inputsFor, type Tensors } from "../../../bench/measure/kernel-numbers.ts";
import { joinTrace } from "../../support/join-trace.ts";

const LONG = 180_000; // ms

/** Nodes of products that V8 joins, for one row and for a tile of eight. */
const joined: readonly (readonly [IntegerFormat, number, Readonly<Record<string, number>>])[] = [
  ["q8_0", 1, { I32x4DotI16x8S: 16 }],
  ["q8_0", 8, { I32x4DotI16x8S: 8 * 4 }],
  ["q4_0", 1, { I32x4DotI8x16I7x16AddS: 8, I16x8DotI8x16I7x16S: 8 }],
  ["q4_0", 8, { I32x4DotI8x16I7x16AddS: 8 * 2, I16x8DotI8x16I7x16S: 8 * 2, I32x4DotI16x8S: 8 }],
];
test.each(joined)(
  "V8 joins the pairs of integer products: %s, rows of a: %i",
  async (format, M, nodes) => {
    const d = { M, A: activationWords(format, 2048), N: 64, W: weightWords(format, 2048) };
    const trace = await joinTrace("matmul_integer", matmul_integer, [{ d, attrs: { format } }]);
    const packed = (node: string): number => trace.split(`PackNode [${node}]`).length - 1;
    for (const [node, least] of Object.entries(nodes)) expect(packed(node)).toBeGreaterThanOrEqual(least);
    expect(packed("F32x4Qfma")).toBeGreaterThanOrEqual(M);
  },
  LONG,
);

describe.each(["q8_0", "q4_0"] as const)("%s: a row has the same bits alone and among others", (format) => {
  // one superblock and several, whole blocks and a half block alone; fewer rows than a tile has, and many
  test.each([
    [64, 5],
    [768, 23],
    [1100, 9],
    [1152, 17],
    [2400, 16],
  ])(
    "K %i, %i rows",
    async (K, M) => {
      const N = 37;
      const sizes = { A: activationWords(format, K), N, W: weightWords(format, K) };
      const attrs = { format };
      const live = M - 2;
      for (const target of targets) {
        const one: Case = { d: { M: 1, ...sizes }, attrs };
        const many: Case = { d: { M, ...sizes }, attrs, with: ["live"] };
        const [alone, among] = await kernelBenches("matmul_integer", matmul_integer, [one, many], target);
        const inputs: Tensors = { ...inputsFor(matmul_integer, many), live: Float64Array.of(live) };
        for (const workers of [1, 2, 3]) {
          const { out } = among!.run(inputs, { workers });
          for (let m = 0; m < live; m++) {
            const row = (of: Float64Array, length: number): Float64Array =>
              of.subarray(m * length, (m + 1) * length);
            const single = alone!.run({ a: row(inputs["a"]!, sizes.A), b: inputs["b"]! });
            expect([...row(out!, N)], `${target}, row ${m}`).toEqual([...single["out"]!]);
          }
        }
      }
    },
    LONG,
  );
});

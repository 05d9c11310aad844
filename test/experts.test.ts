/** A mixture's products for any division of rows among experts, and the sorting before them. */
import { expect, test } from "vitest";
import { targets, type Case, type Op, type Target } from "../compiler/op.ts";
import { dispatch } from "../compiler/ops/dispatch.ts";
import { grouped_matmul, grouped_matmul_nt, grouped_matmul_tn } from "../compiler/ops/grouped_matmul.ts";
import { grouped_integer, grouped_quantised } from "../compiler/ops/grouped_quantised.ts";
import { route } from "../compiler/ops/route.ts";
import { activationWords, weightWords, type IntegerFormat, type QuantisedFormat } from "../compiler/ops/quantised/layout.ts";
import { difference, inputsFor, kernelBench, referenceOutputs } from "./harness.ts";

const S = 53, E = 4;
/** First slots of the experts, and the end. */
const divisions: readonly (readonly number[])[] = [
  [0, 53, 53, 53, 53], [0, 0, 0, 0, 53], [0, 0, 53, 53, 53], [0, 1, 2, 3, 53], [0, 5, 11, 17, 53], [0, 6, 12, 41, 53], [0, 13, 26, 39, 53], [0, 0, 30, 30, 53],
];
const products: readonly (readonly [string, Op, Case])[] = [
  ["grouped_matmul", grouped_matmul, { d: { S, E, F: E + 1, K: 19, N: 37 } }],
  ["grouped_matmul_nt", grouped_matmul_nt, { d: { S, E, F: E + 1, K: 19, N: 37 } }],
  ["grouped_matmul_tn", grouped_matmul_tn, { d: { S, E, F: E + 1, M: 19, N: 37 } }],
];
/** Weights in fewer bits: all formats, many slots. */
const inFewerBits = (["bf16", "q8_0", "q4_0"] as const).map((format: QuantisedFormat): readonly [string, Op, Case] =>
  ["grouped_quantised", grouped_quantised, { d: { S, E, F: E + 1, K: 161, N: 37, W: weightWords(format, 161) }, attrs: { format } }]);
const cases = [...products, ...inFewerBits].flatMap(([name, op, c]) => targets.map((target): [string, Target, Op, Case] => [name, target, op, c]));

test.each(cases)("%s, %s: any division of the rows, any number of workers", async (name, target, op, c) => {
  const bench = await kernelBench(name, op, c, target);
  for (const starts of divisions) {
    const inputs = { ...inputsFor(op, c), starts: Float64Array.from(starts) }, want = referenceOutputs(op, c, inputs)["out"]!, got = bench.run(inputs);
    expect(difference(got["out"]!, want).worst, `${starts}`).toBeLessThanOrEqual(1);
    for (const workers of [2, 3, 8]) expect(bench.run(inputs, { workers }), `${starts}: ${workers} workers`).toEqual(got);
  }
}, 60_000);

/** The slots of a few tokens: first slots of the experts, and the end. */
const fewDivisions: readonly (readonly number[])[] = [[0, 5, 5, 5, 5], [0, 0, 0, 0, 5], [0, 1, 2, 4, 5], [0, 0, 2, 5, 5]];
const few = { S: 5, E, F: E + 1, N: 75 };
const fewProducts: readonly (readonly [string, Op, Case])[] = [
  ["f32", grouped_matmul, { d: { ...few, K: 300 } }],
  ["bf16", grouped_quantised, { d: { ...few, K: 300, W: weightWords("bf16", 300) }, attrs: { format: "bf16" } }],
  ...(["q8_0", "q4_0"] as const).map((format: IntegerFormat): readonly [string, Op, Case] =>
    [format, grouped_integer, { d: { ...few, A: activationWords(format, 300), W: weightWords(format, 300) }, attrs: { format } }]),
];

test.each(fewProducts.flatMap(([name, op, c]) => targets.map((target): [string, Target, Op, Case] => [name, target, op, c])))("a few slots, %s, %s: any division, any number of workers", async (_name, target, op, c) => {
  const bench = await kernelBench("grouped", op, c, target);
  for (const starts of fewDivisions) {
    const inputs = { ...inputsFor(op, c), starts: Float64Array.from(starts) }, want = referenceOutputs(op, c, inputs)["out"]!, got = bench.run(inputs);
    expect(difference(got["out"]!, want).worst, `${starts}`).toBeLessThanOrEqual(1);
    for (const workers of [2, 3, 8]) expect(bench.run(inputs, { workers }), `${starts}: ${workers} workers`).toEqual(got);
  }
}, 60_000);

test.each(["all to the first", "all to the last", "in turn"])("dispatch, %s", async (what) => {
  const c: Case = { d: { R: 19, K: 2, S: 38, F: 6 } }, bench = await kernelBench("dispatch", dispatch, c, "simd");
  const choice = Float64Array.from({ length: 38 }, (_, i) => (what === "all to the first" ? 0 : what === "all to the last" ? 4 : i % 5));
  const want = referenceOutputs(dispatch, c, { choice });
  expect(bench.run({ choice })).toEqual(want);
  for (const [i, slot] of want["slots"]!.entries()) expect(want["sources"]![slot]).toBe(i);
});

test("what is not a number still goes to experts that exist", async () => {
  const c: Case = { d: { R: 3, E: 4, K: 3 } }, bench = await kernelBench("route", route, c, "simd");
  const { choice } = bench.run({ logits: Float64Array.of(NaN, NaN, NaN, NaN, 1, NaN, Infinity, 2, -Infinity, -Infinity, -Infinity, -Infinity) });
  for (const e of choice!) expect([0, 1, 2, 3]).toContain(e);
});

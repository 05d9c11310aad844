/** A mixture's products for any division of rows among experts, and the sorting before them. */
import { expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel } from "../../../compiler/compile.ts";
import { type Case, type Op } from "../../../compiler/ops/kit/op.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { dispatch } from "../../../compiler/ops/experts/dispatch.ts";
import {
  grouped_matmul,
  grouped_matmul_nt,
  grouped_matmul_tn,
} from "../../../compiler/ops/experts/grouped_matmul.ts";
import { grouped_integer } from "../../../compiler/ops/experts/grouped_integer.ts";
import { grouped_quantised } from "../../../compiler/ops/experts/grouped_quantised.ts";
import { route } from "../../../compiler/ops/experts/route.ts";
import type { QuantisedFormat } from "../../../runtime/contract/memory-formats.ts";
import { weightWords, type IntegerFormat } from "../../../runtime/contract/weight-rows.ts";
import { activationWords } from "../../../compiler/ops/matmul/quantised/activation-rows.ts";
import { overload } from "../../../runtime/engine/mixtures.ts";
import { createModel, type Batch } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { loadMap } from "../../../runtime/report/load-map.ts";
import { kernelBench } from "../../../bench/measure/kernel-bench.ts";
import { difference, inputsFor, referenceOutputs } from "../../../bench/measure/kernel-numbers.ts";

const S = 53;
const E = 4;
/** First slots of the experts, and the end. */
const divisions: readonly (readonly number[])[] = [
  [0, 53, 53, 53, 53],
  [0, 0, 0, 0, 53],
  [0, 0, 53, 53, 53],
  [0, 1, 2, 3, 53],
  [0, 5, 11, 17, 53],
  [0, 6, 12, 41, 53],
  [0, 13, 26, 39, 53],
  [0, 0, 30, 30, 53],
];
const products: readonly (readonly [string, Op, Case])[] = [
  ["grouped_matmul", grouped_matmul, { d: { S, E, F: E + 1, K: 19, N: 37 } }],
  ["grouped_matmul_nt", grouped_matmul_nt, { d: { S, E, F: E + 1, K: 19, N: 37 } }],
  ["grouped_matmul_tn", grouped_matmul_tn, { d: { S, E, F: E + 1, M: 19, N: 37 } }],
];
/** Weights in fewer bits: all formats, many slots. */
const inFewerBits = (["bf16", "q8_0", "q4_0"] as const).map(
  (format: QuantisedFormat): readonly [string, Op, Case] => [
    "grouped_quantised",
    grouped_quantised,
    { d: { S, E, F: E + 1, K: 161, N: 37, W: weightWords(format, 161) }, attrs: { format } },
  ],
);
const cases = [...products, ...inFewerBits].flatMap(([name, op, c]) =>
  targets.map((target): [string, Target, Op, Case] => [name, target, op, c]),
);

test.each(cases)("%s, %s: any division of the rows, any number of workers", async (name, target, op, c) => {
  const bench = await kernelBench(name, op, c, target);
  for (const starts of divisions) {
    const inputs = { ...inputsFor(op, c), starts: Float64Array.from(starts) };
    const want = referenceOutputs(op, c, inputs)["out"]!;
    const got = bench.run(inputs);
    expect(difference(got["out"]!, want).worst, `${starts}`).toBeLessThanOrEqual(1);
    for (const workers of [2, 3, 8])
      expect(bench.run(inputs, { workers }), `${starts}: ${workers} workers`).toEqual(got);
  }
});

/** The slots of a few tokens: first slots of the experts, and the end. */
const fewDivisions: readonly (readonly number[])[] = [
  [0, 5, 5, 5, 5],
  [0, 0, 0, 0, 5],
  [0, 1, 2, 4, 5],
  [0, 0, 2, 5, 5],
];
const few = { S: 5, E, F: E + 1, N: 75 };
const fewProducts: readonly (readonly [string, Op, Case])[] = [
  ["f32", grouped_matmul, { d: { ...few, K: 300 } }],
  [
    "bf16",
    grouped_quantised,
    { d: { ...few, K: 300, W: weightWords("bf16", 300) }, attrs: { format: "bf16" } },
  ],
  ...(["q8_0", "q4_0"] as const).map((format: IntegerFormat): readonly [string, Op, Case] => [
    format,
    grouped_integer,
    { d: { ...few, A: activationWords(format, 300), W: weightWords(format, 300) }, attrs: { format } },
  ]),
];

test.each(
  fewProducts.flatMap(([name, op, c]) =>
    targets.map((target): [string, Target, Op, Case] => [name, target, op, c]),
  ),
)("a few slots, %s, %s: any division, any number of workers", async (_name, target, op, c) => {
  const bench = await kernelBench("grouped", op, c, target);
  for (const starts of fewDivisions) {
    const inputs = { ...inputsFor(op, c), starts: Float64Array.from(starts) };
    const want = referenceOutputs(op, c, inputs)["out"]!;
    const got = bench.run(inputs);
    expect(difference(got["out"]!, want).worst, `${starts}`).toBeLessThanOrEqual(1);
    for (const workers of [2, 3, 8])
      expect(bench.run(inputs, { workers }), `${starts}: ${workers} workers`).toEqual(got);
  }
});

test.each(["all to the first", "all to the last", "in turn"])("dispatch, %s", async (what) => {
  const c: Case = { d: { R: 19, K: 2, S: 38, F: 6 } };
  const bench = await kernelBench("dispatch", dispatch, c, "simd");
  const choice = Float64Array.from({ length: 38 }, (_, i) =>
    what === "all to the first" ? 0 : what === "all to the last" ? 4 : i % 5,
  );
  const want = referenceOutputs(dispatch, c, { choice });
  expect(bench.run({ choice })).toEqual(want);
  for (const [i, slot] of want["slots"]!.entries()) expect(want["sources"]![slot]).toBe(i);
});

test("what is not a number still goes to experts that exist", async () => {
  const c: Case = { d: { R: 3, E: 4, K: 3 } };
  const bench = await kernelBench("route", route, c, "simd");
  const { choice } = bench.run({
    logits: Float64Array.of(
      NaN,
      NaN,
      NaN,
      NaN,
      1,
      NaN,
      Infinity,
      2,
      -Infinity,
      -Infinity,
      -Infinity,
      -Infinity,
    ),
  });
  for (const e of choice!) expect([0, 1, 2, 3]).toContain(e);
});

const tiny = (
  layers: number,
): string => `model tiny { vocab 61  context 16  width 32  layers ${layers}  heads 2  embed token
  layer {
    x += attention(rmsnorm(x), rope: rope(theta: 10000))
    x += experts(rmsnorm(x), count: 5, top: 2, hidden: 48, balance: 0.05)
  }
  output linear(rmsnorm(x))  train { batch 2  context 12  lr 1e-3 } }`;

test.each([1, 3])(
  "a step of %i layers says how its tokens were divided, and what the balance costs",
  async (layers) => {
    const { models } = checkSource(tiny(layers));
    const bundle = await compileModel(models[0]!, { modules: ["train"], targets: ["simd"], verify: true });
    const model = await createModel(bundle, "train", { host: nodeHost, workers: 1, target: "simd", seed: 5 });
    const batch = (seed: number): Batch => ({
      tokens: Int32Array.from({ length: 24 }, (_, i) => (i * seed) % 61),
      targets: Int32Array.from({ length: 24 }, (_, i) => (i * seed + 1) % 61),
    });
    const step = (...micro: Batch[]) => model.trainStep(micro, { lr: 0, step: 1 });
    const [first, second, both] = [
      await step(batch(7)),
      await step(batch(11)),
      await step(batch(7), batch(11)),
    ].map(({ mixtures }) => mixtures![0]!);
    expect(model.entry("train").mixtures).toEqual([
      { name: "layers.experts", starts: "layers.experts.starts", balance: "layers.experts.balance" },
    ]);
    await model.close();
    expect(both!.shares.length).toBe(layers);
    for (const [l, shares] of both!.shares.entries()) {
      expect(shares.length).toBe(5);
      expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      for (const [e, share] of shares.entries())
        expect(share).toBeCloseTo((first!.shares[l]![e]! + second!.shares[l]![e]!) / 2, 12);
      expect(new Set(shares).size).toBeGreaterThan(1);
    }
    expect(both!.balance).toBeCloseTo((first!.balance! + second!.balance!) / 2, 6);
    // Σ_e f[e] p[e] · experts is 1 when all have the same, and not far from it for drawn weights
    expect(both!.balance! / (0.05 * layers)).toBeGreaterThan(0.9);
    expect(both!.balance! / (0.05 * layers)).toBeLessThan(2);
    expect(overload([both!])).toBe(Math.max(...both!.shares.flat()) * 5);
    expect(
      loadMap({ kind: "experts", step: 9, name: both!.name, shares: both!.shares }).match(/<td /g)!.length,
    ).toBe(5 * layers);
  },
);

test(
  "the load-balancing loss is the mean over the targets that count, " + "whatever else is in the batch",
  async () => {
    const source = `model rows { vocab 61  context 16  width 32  layers 2  heads 2  embed token
    layer { x += experts(rmsnorm(x), count: 5, top: 2, hidden: 48, balance: 0.5) }
    output linear(rmsnorm(x))  train { batch 2  context 12 } }`;
    const bundle = await compileModel(checkSource(source).models[0]!, {
      modules: ["train"],
      targets: ["simd"],
      logitBytes: 16 * 64 * 4,
      verify: true,
    });
    const model = await createModel(bundle, "train", { host: nodeHost, workers: 1, target: "simd", seed: 5 });
    const half = Array.from({ length: 12 }, (_, i) => (i * i) % 61);
    const other = half.map((t) => (t * 7 + 3) % 61);
    const batch = (tokens: readonly number[], counted: number): Batch => ({
      tokens: Int32Array.from(tokens),
      targets: Int32Array.from(tokens, (t, i) => (i < counted ? (t + 1) % 61 : -1)),
    });
    const step = async (...micro: Batch[]) => {
      const { loss, norm, mixtures } = await model.trainStep(micro, { lr: 0, step: 1 });
      return { loss, norm, balance: mixtures![0]!.balance! };
    };
    const near = (a: object) =>
      Object.fromEntries(Object.entries(a).map(([key, v]) => [key, expect.closeTo(v as number, 5)]));
    // Rows do not see each other here: half of them, counted, are what two equal halves are.
    const twice = await step(batch([...half, ...half], 24));
    const masked = await step(batch([...half, ...other], 12));
    expect(masked).toEqual(near(twice));
    expect(masked.balance / (0.5 * 2)).toBeLessThan(2); // not twice as much
    // a micro-batch without a target adds nothing
    expect(await step(batch([...half, ...other], 12), batch([...other, ...half], 0))).toEqual(near(masked));
    await model.close();
  },
);

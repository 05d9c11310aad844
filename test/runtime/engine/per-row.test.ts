/**
 * Objectives that the host computes: log-probabilities of rows come out, weights of rows go in. What a
 * compiled module makes of them is what the graph's references make of them in f64.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { buildGraph } from "../../../compiler/3-graph/build.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { saveForBackward } from "../../../compiler/4-grad/save.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { hyper } from "../../../runtime/contract/control.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { createModel, type Batch, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { interpret } from "../../support/interpret.ts";
import { valuesOf } from "../../support/running-models.ts";

/** A model whose objective has two terms: the rows' losses and the balance of its experts. */
const source = `model rows {
  vocab 40   context 16   width 24   layers 2   heads 2
  embed token + position
  layer {
    x += attention(rmsnorm(x))
    x += experts(rmsnorm(x), count: 4, top: 2, hidden: 16, balance: 0.5)
  }
  output linear(rmsnorm(x))
  tokenizer characters
  train { batch 2  context 16 }
}`;
const spec = checkSource(source).models[0]!;
const R = 32;
const perRow = { weights: true, logprobs: true };

const compile = (model: Model, options: CompileOptions): Promise<Compiled> =>
  compileModel(model, { targets: ["relaxed"], modules: ["train"], verify: true, ...options });
const open = (compiled: Compiled, workers = 1): Promise<RunningModel> =>
  createModel(compiled, "train", { host: nodeHost, workers, target: "relaxed", seed: 3 });

const batch: Batch = {
  tokens: Int32Array.from({ length: R }, (_, i) => (i * 11 + 5) % 40),
  targets: Int32Array.from({ length: R }, (_, i) => (i % 9 === 4 ? -1 : (i * 7 + 2) % 40)),
};
/** Weights of either sign, some of them zero. */
const weights = Float32Array.from({ length: R }, (_, i) => (i % 6 === 1 ? 0 : ((i * 5) % 13) / 8 - 0.7));
const counted = batch.targets.filter((t) => t >= 0).length;

let plain: Compiled;
let rows: Compiled;
let blocks: Compiled;
beforeAll(async () => {
  plain = await compile(spec, {});
  rows = await compile(spec, { perRow });
  blocks = await compile(spec, { perRow, logitBytes: 16 * 48 * 4 });
});

/** The gradients of the weighted losses and the balance, in f64. */
function expected(parameters: ReadonlyMap<string, Float32Array[]>): Map<string, Float64Array[]> {
  const start = buildGraph(spec, { entry: "train", batch: 2, context: 16, ...perRow });
  const graph = saveForBackward(differentiate(start));
  const scale = new Float64Array(16);
  scale[hyper.scale] = 1 / counted;
  return interpret(
    graph,
    new Map([
      ...[...parameters].map(([name, slices]) => [name, slices.map((s) => Float64Array.from(s))] as const),
      ["tokens", [Float64Array.from(batch.tokens)]],
      ["targets", [Float64Array.from(batch.targets)]],
      ["weights", [Float64Array.from(weights)]],
      ["hyper", [scale]],
    ]),
  );
}

describe("weights of rows", () => {
  test.each(["in one piece", "in blocks"])(
    "gradients are those of weighted losses and balance, %s",
    async (how) => {
      const compiled = how === "in blocks" ? blocks : rows;
      const head = compiled.plans[0]!.programs.get("relaxed")![0]!.sections.filter((s) => s.role === "head");
      expect(Math.max(...head.map((s) => s.times))).toBe(how === "in blocks" ? 2 : 1);
      const model = await open(compiled);
      const want = expected(valuesOf(model, "parameter"));
      await model.trainStep([{ ...batch, weights }], { lr: 0, step: 1 });
      for (const [name, slices] of valuesOf(model, "gradient"))
        for (const [slice, values] of slices.entries())
          values.forEach((v, i) => {
            const w = want.get(name)![slice]![i]!;
            expect(Math.abs(v - w), `${name}[${slice}][${i}] = ${v}, not ${w}`).toBeLessThan(
              1e-5 + 1e-4 * Math.abs(w),
            );
          });
      const logprobs = model.logprobs();
      for (const [r, w] of want.get("logprobs")![0]!.entries()) expect(logprobs[r]).toBeCloseTo(w, 4);
      await model.close();
    },
  );

  test("of nobody's choosing are those of before, bit for bit", async () => {
    const [one, other] = [await open(plain), await open(rows, 2)];
    for (const step of [1, 2]) {
      const results = [];
      for (const model of [one, other])
        results.push(await model.trainStep([batch, batch], { lr: 1e-2, step }));
      expect(results[1]).toEqual(results[0]);
    }
    expect(valuesOf(other, "parameter")).toEqual(valuesOf(one, "parameter"));
    await one.close();
    await other.close();
  });

  test("are asked for at compile time: without, a module has neither and says so", async () => {
    const names = plain.manifest.modules.train!.tensors.map((t) => t.name);
    expect(names).not.toContain("weights");
    expect(names).not.toContain("logprobs");
    const model = await open(plain);
    await expect(model.trainStep([{ ...batch, weights }], { lr: 0, step: 1 })).rejects.toThrow(
      "takes no weights",
    );
    expect(() => model.logprobs()).toThrow("gives no log-probabilities");
    await model.close();
  });
});

test("weights made of log-probabilities train what the host wants: one text before the other", async () => {
  const model = await open(rows);
  const beta = 0.5;
  const whole: Batch = { ...batch, targets: batch.tokens.map((t) => (t * 3 + 1) % 40) };
  /** The sum over each text's rows. */
  const texts = (): [number, number] => {
    const rowsOf = (from: number): number =>
      model
        .logprobs()
        .subarray(from, from + R / 2)
        .reduce((a, b) => a + b, 0);
    return [rowsOf(0), rowsOf(R / 2)];
  };
  await model.evaluate(whole);
  const [first, second] = texts();
  expect(first + second).toBeCloseTo(
    -model
      .tokenLosses()
      .subarray(0, R)
      .reduce((a, b) => a + b, 0),
    3,
  );
  const reference = first - second;
  const losses: number[] = [];
  for (let step = 1; step <= 8; step++) {
    await model.evaluate(whole);
    const [chosen, rejected] = texts();
    const margin = beta * (chosen - rejected - reference);
    losses.push(Math.log1p(Math.exp(-margin)));
    const slope = beta / (1 + Math.exp(margin)); // DPO (Rafailov et al. 2023): βσ(−margin), of either sign
    const signed = Float32Array.from({ length: R }, (_, r) => (r < R / 2 ? slope : -slope));
    await model.trainStep([{ ...whole, weights: signed }], { lr: 3e-3, step });
  }
  expect(losses[0]).toBeCloseTo(Math.LN2, 5); // policy and reference are the same
  losses.slice(1).forEach((loss, i) => expect(loss).toBeLessThan(losses[i]!));
  expect(losses.at(-1)).toBeLessThan(0.2);
  await model.close();
});

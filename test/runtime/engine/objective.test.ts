/**
 * Modules that are compiled for an objective: what kernels make of its equation is what the graph's
 * references make of it in f64, in one piece and in blocks of rows, with one micro-batch and with several;
 * and the gradients are the slopes of what `objective` says.
 */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import {
  objectiveOf,
  type ObjectiveName,
  type ObjectiveTerms,
} from "../../../compiler/2-check/objectives.ts";
import { buildGraph } from "../../../compiler/3-graph/build.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { saveForBackward } from "../../../compiler/4-grad/save.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { hyper } from "../../../runtime/contract/control.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { MOST_SETTINGS, type Objective } from "../../../runtime/contract/objective.ts";
import { createModel, type Batch, type RunningModel } from "../../../runtime/engine/model.ts";
import { meansOf, type KnownRows } from "../../../runtime/engine/objective.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { noise } from "../../../bench/measure/kernel-numbers.ts";
import { interpret, type Numbers } from "../../support/interpret.ts";
import { valuesOf } from "../../support/running-models.ts";

const source = `model policy {
  vocab 40   context 16   width 24   layers 2   heads 2
  embed token + position
  layer {
    x += attention(rmsnorm(x))
    x += mlp(rmsnorm(x), hidden: 32)
  }
  output linear(rmsnorm(x))
  tokenizer characters
  train { batch 4  context 16 }
}`;
const plain: Model = checkSource(source).models[0]!;
const withHead: Model = { ...plain, head: { name: "value", bias: true } };
const [B, T] = [4, 16];
const R = B * T;

const compile = (model: Model, options: CompileOptions): Promise<Compiled> =>
  compileModel(model, { targets: ["relaxed"], modules: ["train"], verify: true, ...options });
const open = (compiled: Compiled, workers = 1): Promise<RunningModel> =>
  createModel(compiled, "train", { host: nodeHost, workers, target: "relaxed", seed: 3 });

const next = noise(77);
const rows = (low: number, high: number, count = R): Float32Array =>
  Float32Array.from({ length: count }, () => low + ((high - low) * (next() + 1)) / 2);
const batch: Required<KnownRows> & Batch = {
  tokens: Int32Array.from({ length: R }, (_, i) => (i * 11 + 5) % 40),
  // answers of unequal lengths, behind prompts of unequal lengths
  targets: Int32Array.from({ length: R }, (_, i) => {
    const [b, t] = [Math.floor(i / T), i % T];
    return t < 3 + b || t > 9 + 2 * b ? -1 : (i * 7 + 2) % 40;
  }),
  oldLogprobs: rows(-4.2, -3.2),
  referenceLogprobs: rows(-4, -3.4),
  advantages: rows(-1, 1),
  returns: rows(-0.5, 0.5),
  oldValues: rows(-0.2, 0.2),
  labels: Float32Array.of(1, -1, 1, 1),
  margins: Float32Array.of(0.3, 0, 0.1, 0),
};

/** What goes in, in f64, by the names of tensors. */
function given(
  objective: Objective,
  units: number,
  parameters: ReadonlyMap<string, Float32Array[]>,
): Numbers {
  const scale = new Float64Array(16);
  scale[hyper.scale] = 1 / units;
  const settings = new Float64Array(2 * MOST_SETTINGS);
  settings.set(Object.values(objective.settings));
  const f64 = (values: ArrayLike<number>): Float64Array[] => [Float64Array.from(values)];
  return new Map([
    ...[...parameters].map(([name, slices]) => [name, slices.map((s) => Float64Array.from(s))] as const),
    ["tokens", f64(batch.tokens)],
    ["targets", f64(batch.targets)],
    ["old_logprobs", f64(batch.oldLogprobs)],
    ["reference_logprobs", f64(batch.referenceLogprobs)],
    ["advantages", f64(batch.advantages)],
    ["returns", f64(batch.returns)],
    ["old_values", f64(batch.oldValues)],
    ["labels", f64(batch.labels)],
    ["margins", f64(batch.margins)],
    ["hyper", [scale]],
    ["settings", [settings]],
  ]);
}

interface Case {
  readonly name: ObjectiveName;
  readonly terms?: ObjectiveTerms;
  readonly settings?: Readonly<Record<string, number>>;
  readonly model: Model;
  readonly units: number;
  /** Runs of the head's sections, in blocks of 16 rows. */
  readonly heads: readonly number[];
}
const counted = batch.targets.filter((t) => t >= 0).length;
const cases: readonly Case[] = [
  { name: "reinforce", model: plain, units: counted, heads: [4] },
  {
    name: "grpo",
    terms: { kl: "k3", entropy: true },
    settings: { kl: 0.2, entropy_weight: 0.3 },
    model: plain,
    units: counted,
    heads: [4],
  },
  {
    name: "ppo",
    terms: { entropy: true },
    settings: { entropy_weight: 0.1 },
    model: withHead,
    units: counted,
    heads: [4],
  },
  { name: "dpo", settings: { label_smoothing: 0.1, nll: 0.3 }, model: plain, units: 2, heads: [4, 4] },
  { name: "orpo", model: plain, units: 2, heads: [4, 4] },
  { name: "kto", settings: { z: 0.1 }, model: plain, units: 4, heads: [4, 4] },
  { name: "gspo", terms: { kl: "k2" }, settings: { kl: 0.5 }, model: plain, units: 4, heads: [4, 4] },
  { name: "reward_margin", settings: { center: 0.1 }, model: withHead, units: 2, heads: [] },
];

describe.each(cases)("$name", ({ name, terms, settings = {}, model: of, units, heads }) => {
  const made = objectiveOf(name, terms);
  const objective: Objective = { ...made, settings: { ...made.settings, ...settings } };

  /** Every parameter is drawn, also those that begin at 0. */
  function fill(model: RunningModel): void {
    const draw = noise(5);
    for (const t of model.of("parameter"))
      if (t.place.init?.kind === "constant" && t.place.init.value === 0) t.fill(0, () => 0.3 * draw());
  }

  const modules = new Map<string, Promise<Compiled>>();
  /** Compiled once for all tests. */
  function compiledIn(how: "in one piece" | "in blocks"): Promise<Compiled> {
    const blocks = how === "in blocks" ? { logitBytes: 16 * 48 * 4 } : {};
    if (!modules.has(how)) modules.set(how, compile(of, { objective, ...blocks }));
    return modules.get(how)!;
  }

  test.each(["in one piece", "in blocks"] as const)(
    "gradients and sums are those of the graph in f64, %s",
    async (how) => {
      const compiled = await compiledIn(how);
      const looped = compiled.plans[0]!.programs.get("relaxed")![0]!.sections.filter(
        (s) => s.role === "head" && s.times > 1,
      );
      expect(looped.map((s) => s.times)).toEqual(how === "in blocks" ? heads : []);
      const model = await open(compiled);
      fill(model);
      const start = buildGraph(of, { entry: "train", batch: B, context: T, objective });
      const want = interpret(
        saveForBackward(differentiate(start)),
        given(objective, units, valuesOf(model, "parameter")),
      );
      const { objective: said, loss } = await model.trainStep([batch], { lr: 0, step: 1 });
      let largest = 0;
      for (const [gradient, slices] of valuesOf(model, "gradient"))
        for (const [slice, values] of slices.entries())
          values.forEach((v, i) => {
            const w = want.get(gradient)![slice]![i]!;
            largest = Math.max(largest, Math.abs(w));
            expect(Math.abs(v - w), `${gradient}[${slice}][${i}] = ${v}, not ${w}`).toBeLessThan(
              1e-6 + 1e-4 * Math.abs(w),
            );
          });
      expect(largest).toBeGreaterThan(1e-3);
      const sums = want.get("objective")![0]!;
      expect(said!.units).toBe(units);
      expect(said!.loss / (sums[1]! / units)).toBeCloseTo(1, 5);
      expect(said!.weighted / sums[2]!).toBeCloseTo(1, 5);
      expect(loss).toBe(said!.loss);
      expect(Object.keys(said!.metrics)).toEqual(Object.keys(objective.metrics));
      // the entry that evaluates says the same, without weights
      const evaluated = await model.evaluate(batch);
      expect(evaluated.objective![0]).toBe(units);
      expect(evaluated.objective![1]! / sums[1]!).toBeCloseTo(1, 5);
      await model.close();
    },
  );

  test("two micro-batches are one of twice the size, whatever their lengths (X3)", async () => {
    const model = await open(await compiledIn("in one piece"));
    fill(model);
    const swapped: Batch = { ...batch, targets: batch.targets.map((t, r) => (r % T > 8 ? -1 : t)) };
    const one = await model.trainStep([batch, swapped], { lr: 0, step: 1 });
    const together = valuesOf(model, "gradient");
    const halves: { units: number; loss: number; gradient: Map<string, Float32Array[]> }[] = [];
    for (const micro of [batch, swapped]) {
      const { objective: said } = await model.trainStep([micro], { lr: 0, step: 1 });
      halves.push({ units: said!.units, loss: said!.loss, gradient: valuesOf(model, "gradient") });
    }
    const all = halves[0]!.units + halves[1]!.units;
    expect(one.objective!.units).toBe(all);
    expect(one.loss).toBeCloseTo(
      halves.reduce((sum, h) => sum + (h.loss * h.units) / all, 0),
      5,
    );
    for (const [gradient, slices] of together)
      slices.forEach((values, slice) =>
        values.forEach((v, i) => {
          const w = halves.reduce(
            (sum, h) => sum + (h.gradient.get(gradient)![slice]![i]! * h.units) / all,
            0,
          );
          expect(Math.abs(v - w), `${gradient}[${slice}][${i}]`).toBeLessThan(1e-6 + 1e-5 * Math.abs(w));
        }),
      );
    await model.close();
  });

  test("no bit depends on the number of workers, nor on what stands behind the masks", async () => {
    const compiled = await compiledIn("in blocks");
    const garbage: Batch = { ...batch };
    for (const field of ["oldLogprobs", "referenceLogprobs", "advantages", "returns", "oldValues"] as const)
      Object.assign(garbage, { [field]: batch[field].map((v, r) => (batch.targets[r]! < 0 ? NaN : v)) });
    const results = [];
    for (const [workers, micro] of [
      [1, batch],
      [2, garbage],
    ] as const) {
      const model = await open(compiled, workers);
      fill(model);
      const said = [];
      for (const step of [1, 2]) said.push(await model.trainStep([micro, micro], { lr: 1e-2, step }));
      results.push({ said, parameters: valuesOf(model, "parameter") });
      await model.close();
    }
    expect(results[1]).toEqual(results[0]);
  });
});

test("a reward model computes no logits, and leaves the map to them as it is", async () => {
  const compiled = await compile(withHead, { objective: objectiveOf("reward") });
  const { tensors, entries } = compiled.manifest.modules.train!;
  expect(tensors.find((t) => t.name === "output.linear.weight")!.trained).toBe(false);
  expect(tensors.filter((t) => t.of === "output.linear.weight")).toEqual([]);
  const { outputs } = entries.find((e) => e.name === "train")!;
  expect(outputs).toEqual(["values", "objective", "objective_losses", "norm"]);
  const model = await open(compiled);
  // it begins at 0: no answer is better than another (X1)
  const { loss, objective: said } = await model.trainStep([batch], { lr: 1e-2, step: 1 });
  expect(loss).toBeCloseTo(Math.LN2, 6);
  expect(said!.metrics).toEqual({ accuracy: 0, margin: 0, mean_reward: 0 });
  for (let step = 2; step < 20; step++) await model.trainStep([batch], { lr: 1e-2, step });
  const { objective: sums } = await model.evaluate(batch);
  expect(sums![1]! / sums![0]!).toBeLessThan(0.1);
  await model.close();
});

test("a score stands at the answer's last row, whatever token is there (thread 23)", async () => {
  const model = await open(await compile(withHead, { objective: objectiveOf("reward") }));
  for (let step = 1; step < 4; step++) await model.trainStep([batch], { lr: 1e-2, step });
  const last = [9, 11, 13, 15]; // of each sequence's targets
  const END = 7;
  const score = async (tokens: Int32Array): Promise<{ said: number; atLast: number[] }> => {
    const { objective } = await model.evaluate({ ...batch, tokens });
    const { units, metrics } = meansOf(model.entry("evaluate").objective!, objective!);
    expect(units).toBe(2);
    const values = model.rowOutput("values");
    return { said: metrics["mean_reward"]!, atLast: last.map((row, b) => values[b * T + row]!) };
  };
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const behind = batch.tokens.map((t, i) => (i % T > last[Math.floor(i / T)]! ? END : t));
  const before = batch.tokens.map((t, i) => (i % T < 3 ? END : t));
  const plainly = await score(batch.tokens);
  expect(plainly.said).toBeCloseTo(mean(plainly.atLast), 5);
  expect(await score(behind)).toEqual(plainly); // padding that is the end token
  const within = await score(before); // a prompt with end tokens in it
  expect(within.said).toBeCloseTo(mean(within.atLast), 5);
  expect(within.said).not.toBe(plainly.said);
  await model.close();
});

test("what is missing is said: rows, settings, a head", async () => {
  const compiled = await compile(plain, { objective: objectiveOf("grpo") });
  const model = await open(compiled);
  const { advantages: _, ...without } = batch;
  await expect(model.evaluate(without)).rejects.toThrow("reads advantages of a batch");
  await expect(model.trainStep([batch], { lr: 0, step: 1, settings: { beta: 1 } })).rejects.toThrow(
    'no setting "beta"',
  );
  expect(() => model.rowOutput("values")).toThrow("gives no values");
  await model.close();
  await expect(compile(plain, { objective: objectiveOf("ppo") })).rejects.toThrow("no scalar head");
});

test("settings are set anew for each step", async () => {
  const model = await open(await compile(plain, { objective: objectiveOf("ipo") }));
  const same = { ...batch };
  await model.evaluate(same);
  const referenceLogprobs = Float32Array.from(model.logprobs().subarray(0, R));
  const losses: number[] = [];
  for (const beta of [0.1, 0.25]) {
    const { objective } = await model.evaluate({ ...batch, referenceLogprobs }, { settings: { beta } });
    losses.push(objective![1]! / objective![0]!);
  }
  expect(losses).toEqual([25, 4]); // 1 / (4 · beta²), exactly
  await model.close();
});

test("sft says the entropy of predictions, and how many targets are the likeliest", async () => {
  const model = await open(await compile(plain, { objective: objectiveOf("sft"), logitBytes: 16 * 48 * 4 }));
  const tokens = batch.tokens.slice();
  const targets = new Int32Array(R).fill(-1);
  let entropy = 0;
  for (let t = 0; t < T; t++) {
    const logits = (await model.feed([...tokens.subarray(0, t + 1)], 0)).slice();
    const most = logits.indexOf(Math.max(...logits));
    if (t < 12) targets[t] = t < 9 ? most : (most + 1) % 40; // 9 of 12; the other rows do not count
    const sum = logits.reduce((a, x) => a + Math.exp(x), 0);
    if (t < 12) entropy -= logits.reduce((a, x) => a + (Math.exp(x) / sum) * Math.log(Math.exp(x) / sum), 0);
  }
  const { objective, loss } = await model.trainStep([{ tokens, targets }], { lr: 0, step: 1 });
  expect(objective!.metrics["mean_token_accuracy"]).toBe(0.75);
  expect(objective!.metrics["entropy"]).toBeCloseTo(entropy / 12, 5);
  const evaluated = await model.evaluate({ tokens, targets });
  expect(evaluated.sum / evaluated.count).toBeCloseTo(loss, 5);
  await model.close();
});

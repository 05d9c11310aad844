/**
 * A round of policy learning on a model that is compiled and runs: what its batches hold, what they may not
 * depend on, and where it goes on.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { objectiveOf } from "../../../../compiler/2-check/objectives.ts";
import type { Compiled } from "../../../../compiler/compile.ts";
import type { RunningModel } from "../../../../runtime/engine/model.ts";
import { randomStream } from "../../../../runtime/base/random.ts";
import { characterTokenizer } from "../../../../runtime/tokenizers/plain/characters.ts";
import { ruleReward, type Rule } from "../../../../runtime/train/rewards/reward.ts";
import {
  gatherExperience,
  type ExperienceAsked,
  type Prompt,
} from "../../../../runtime/train/rl/experience.ts";
import type { PolicySettings } from "../../../../runtime/train/rl/policy-settings.ts";
import { PolicySource, type PolicySourceOptions } from "../../../../runtime/train/rl/policy-source.ts";
import { referenceNow } from "../../../../runtime/train/rl/reference.ts";
import { compileSmall, runningModels, valuesOf } from "../../../support/running-models.ts";

const tokenizer = characterTokenizer([..."0123456789", "<|endoftext|>"]);
const END = tokenizer.endOfText!;
const objective = objectiveOf("grpo", { kl: "k2" });
let compiled: Compiled;
beforeAll(async () => {
  const options = { objective, perRow: { weights: true, logprobs: true, entropies: true } };
  compiled = await compileSmall(
    `model policy {
  vocab 11   context 8   width 16   layers 1   heads 1
  embed token + position
  layer { x += attention(rmsnorm(x))  x += mlp(rmsnorm(x), hidden: 16) }
  output linear(rmsnorm(x))
  tokenizer characters
  train { batch 4  context 8 }
}`,
    { module: "train", target: "simd", options },
  );
});
const running = runningModels();
const open = (workers = 1): Promise<RunningModel> =>
  running(compiled, { module: "train", target: "simd" }, workers);

const settings: PolicySettings = {
  objective,
  prompts: 2,
  group: 4,
  answer: 4,
  updates: 1,
  truncated: "keep",
  penalty: 1,
  advantage: "group",
  gamma: 1,
  lambda: 0.95,
  normalise: "tokens",
  kl: 0.1,
  klIn: "loss",
  target: 0,
  horizon: 100,
};
const promptOf = (text: string, row: number): Prompt => ({
  example: { kind: "prompt", row, prompt: [{ role: "user", content: text }], columns: { prompt: text } },
  ids: tokenizer.encode(text),
});
const prompts = ["12", "345", "12"].map((text, i) => promptOf(text, i + 1));
const countOnes: Rule = (_prompt, answer) => [...answer].filter((digit) => digit < "5").length;
const rewarded = (rule: Rule, name = "rule") => [{ reward: ruleReward(name, rule), weight: 1 }];

const asked = async (model: RunningModel, more: Partial<PolicySettings> = {}): Promise<ExperienceAsked> => ({
  prompts: prompts.slice(0, 2),
  seed: 3,
  key: [0],
  tokenizer,
  settings: { ...settings, ...more },
  rewards: rewarded(countOnes),
  reference: await referenceNow(model),
  shape: model.entry("train"),
});

const counted = (targets: Int32Array): number => targets.filter((target) => target >= 0).length;
const step = { lr: 0.01, step: 1, settings: { kl: 0.1 } };

describe("what a round learns from", () => {
  test("threads 16, 17, 21: at the start the ratio is 1 and the divergence 0, exactly", async () => {
    const model = await open();
    const { micro, figures, divergence } = await gatherExperience(model, await asked(model));
    expect(divergence).toBe(0);
    expect(figures["kl"]).toBe(0);
    // nothing is dropped out: what was drawn from, and what is trained, are one distribution
    expect(figures["sampling/sampling_logp_difference/max"]).toBeLessThan(1e-4);
    const { objective: means, norm } = await model.trainStep(micro, step);
    expect(means!.metrics["ratio"]).toBe(1);
    expect(means!.metrics["policy/approxkl_avg"]).toBe(0);
    // thread 18: the loss says nothing, the gradient does
    expect(Math.abs(means!.weighted)).toBeLessThan(1e-5);
    expect(norm).toBeGreaterThan(1e-3);
  });

  test("thread 3: the token that ends an answer is a target, with a gradient", async () => {
    const model = await open();
    const { micro } = await gatherExperience(model, await asked(model, { kl: 0 }));
    const ends = micro.flatMap(({ targets, advantages }) =>
      [...targets].flatMap((target, r) => (target === END ? [advantages![r]!] : [])),
    );
    expect(ends.length).toBeGreaterThan(0);
    const only = micro.map((batch) => ({
      ...batch,
      targets: batch.targets.map((target) => (target === END ? target : -1)),
    }));
    expect(ends.some((advantage) => advantage !== 0)).toBe(true);
    expect((await model.trainStep(only, step)).norm).toBeGreaterThan(0);
  });

  test("thread 19: answers that are cut leave the sum and what it is divided by", async () => {
    const model = await open();
    const kept = await gatherExperience(model, await asked(model));
    const masked = await gatherExperience(model, await asked(model, { truncated: "mask" }));
    const rate = kept.figures["completions/clipped_ratio"]!;
    expect(rate).toBeGreaterThan(0);
    expect(rate).toBeLessThan(1);
    const all = kept.micro.map(({ targets }) => counted(targets)).reduce((a, b) => a + b);
    const left = masked.micro.map(({ targets }) => counted(targets)).reduce((a, b) => a + b);
    expect(all - left).toBe(8 * rate * 4); // cut at 4 tokens
    const weights = masked.micro.flatMap((batch) => [...batch.weights!]);
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    expect(Math.max(...weights)).toBeCloseTo(1 / left, 6);
    const penalised = await gatherExperience(model, await asked(model, { truncated: "penalty", penalty: 5 }));
    expect(penalised.micro.map((batch) => batch.advantages)).not.toEqual(
      kept.micro.map((batch) => batch.advantages),
    );
    expect(penalised.figures["reward"]).toBe(kept.figures["reward"]);
  });

  test("thread 20: equal rewards leave the divergence alone to learn from; none are refused", async () => {
    const model = await open();
    const same = { ...(await asked(model)), rewards: rewarded(() => 1) };
    const { micro, figures } = await gatherExperience(model, same);
    expect(figures["frac_reward_zero_std"]).toBe(1);
    expect(micro.flatMap(({ advantages }) => [...advantages!]).every((a) => a === 0)).toBe(true);
    expect((await model.trainStep(micro, { ...step, settings: { kl: 0 } })).norm).toBe(0);
    const silent = gatherExperience(model, { ...(await asked(model)), rewards: rewarded(() => null) });
    await expect(silent).rejects.toThrow("no reward has anything to say about them");
  });

  test("the divergence in the reward is that of the whole answer", async () => {
    const model = await open();
    const reference = await referenceNow(model);
    const first = await gatherExperience(model, await asked(model));
    await model.trainStep(first.micro, { ...step, lr: 0.05 });
    const before = valuesOf(model, "parameter");
    const inReward = await asked(model, { klIn: "reward", advantage: "mean", kl: 10 });
    const round = { ...inReward, reference, key: [1] };
    const { figures, divergence, micro } = await gatherExperience(model, round);
    expect(valuesOf(model, "parameter")).toEqual(before);
    expect(divergence).not.toBe(0);
    expect(figures["objective/rlhf_reward"]).toBeCloseTo(figures["reward"]! - 10 * divergence, 10);
    // the other way to the same number: rewards whose advantages are those of the round
    const without = await gatherExperience(model, { ...round, settings: { ...round.settings, kl: 0 } });
    expect(micro[0]!.advantages).not.toEqual(without.micro[0]!.advantages);
    expect(micro[0]!.referenceLogprobs).toEqual(without.micro[0]!.referenceLogprobs);
  });
});

describe("rounds", () => {
  const sourceOf = (more: Partial<PolicySettings> = {}, o: Partial<PolicySourceOptions> = {}) =>
    new PolicySource({
      settings: { ...settings, ...more },
      prompts,
      heldOut: prompts.slice(0, 1),
      rewards: rewarded(countOnes),
      reference: referenceNow,
      tokenizer,
      seed: 3,
      identity: "",
      ...o,
    });

  const unused = randomStream(0, "unused");
  /** Micro-batch `index` of a run. */
  const next = (source: PolicySource, model: RunningModel, index: number, signal?: AbortSignal) =>
    source.next(unused, model.entry("train"), index, { model, step: 1, signal, breathe: async () => {} });
  const measured = async (source: PolicySource, model: RunningModel) =>
    (await source.measure({ model, step: 0, breathe: async () => {} }, 5))!;

  /** Steps from … to of a run: two micro-batches each. */
  async function learn(model: RunningModel, source: PolicySource, from: number, to: number): Promise<void> {
    for (let s = from; s < to; s++) {
      const micro = [await next(source, model, 2 * s), await next(source, model, 2 * s + 1)];
      await model.trainStep(micro, { lr: 0.01, step: s + 1, settings: source.settings() });
    }
  }

  test("bits depend neither on workers nor on interruption; the controller's state goes along", async () => {
    const control = { klIn: "reward", target: 0.01, horizon: 8 } as const;
    const [whole, twice, two] = [await open(), await open(), await open(2)];
    const source = sourceOf(control);
    await learn(whole, source, 0, 4);
    expect(source.state()).not.toEqual({ kl: 0.1 });
    const start = await referenceNow(twice);
    const first = sourceOf(control);
    await learn(twice, first, 0, 2);
    const aborted = new AbortController();
    aborted.abort();
    // a round that is given up leaves nothing behind
    await expect(next(first, twice, 4, aborted.signal)).rejects.toThrow();
    const again = sourceOf(control, { reference: () => start });
    again.restore(first.state());
    await learn(twice, again, 2, 4);
    await learn(two, sourceOf(control), 0, 4);
    expect(valuesOf(twice, "parameter")).toEqual(valuesOf(whole, "parameter"));
    expect(valuesOf(two, "parameter")).toEqual(valuesOf(whole, "parameter"));
    expect(again.state()).toEqual(source.state());
  });

  test("several updates learn from the answers of one round; none begins in its middle", async () => {
    const model = await open();
    const source = sourceOf({ updates: 2 });
    const first = await next(source, model, 0);
    await model.trainStep([first, await next(source, model, 1)], step);
    expect(await next(source, model, 2)).toBe(first);
    const second = [first, await next(source, model, 3)];
    const { objective: means } = await model.trainStep(second, { ...step, step: 2 });
    expect(means!.metrics["policy/approxkl_avg"]).toBeGreaterThan(0);
    await expect(next(sourceOf({ updates: 2 }), model, 2)).rejects.toThrow("middle of round 0");
  });

  test("an evaluation changes nothing, and says the exact divergence", async () => {
    const model = await open();
    const source = sourceOf();
    expect((await measured(source, model)).metrics["exact_kl"]).toBe(0);
    await learn(model, source, 0, 3);
    const before = valuesOf(model, "parameter");
    const later = await measured(source, model);
    expect(valuesOf(model, "parameter")).toEqual(before);
    expect(later.metrics["exact_kl"]).toBeGreaterThan(0);
    expect(await measured(source, model)).toEqual(later);
  });

  test("pass@k is said where scores are 1 or 0", async () => {
    const model = await open();
    const rule: Rule = (_prompt, answer) => (answer.includes("1") ? 1 : 0);
    const { metrics } = await measured(sourceOf({}, { rewards: rewarded(rule) }), model);
    expect(metrics["pass@1"]).toBe(metrics["reward"]);
    expect(metrics["pass@4"]).toBeGreaterThanOrEqual(metrics["pass@1"]!);
    expect(metrics["best@4"]).toBe(metrics["pass@4"]);
  });

  test("of a sum of rewards: the best of a group by the sum, and what each part says of it", async () => {
    const model = await open();
    const long: Rule = (_prompt, answer) => answer.length;
    const short: Rule = (_prompt, answer) => -3 * answer.length;
    const rewards = [...rewarded(long, "long"), ...rewarded(short, "short")];
    const { metrics } = await measured(sourceOf({}, { rewards }), model);
    expect(metrics["best@4"]).toBeGreaterThan(metrics["reward"]!);
    expect(metrics["rewards/long/best@4"]).toBeLessThan(metrics["rewards/long/mean"]!);
    expect(metrics["rewards/short/best@4"]).toBeGreaterThan(metrics["rewards/short/mean"]!);
    expect(metrics["pass@1"]).toBeUndefined();
  });
});

/** Advantages against numbers worked out by hand, and their sums over groups. */
import { expect, test } from "vitest";
import { advantagesOf, type AdvantageRule } from "../../../../runtime/train/rl/advantages.ts";
import {
  generalisedAdvantages,
  tokenRewards,
  whitened,
} from "../../../../runtime/train/rl/token-advantages.ts";
import { randomStream } from "../../../../runtime/base/random.ts";

const ones = (count: number): number[] => Array.from({ length: count }, () => 1);
const valuesOf = (rewards: readonly (number | null)[], rule: AdvantageRule, group: number) =>
  advantagesOf(rewards, { rule, group, lengths: ones(rewards.length) });

const threeOfEight = [1, 0, 0, 1, 0, 0, 1, 0];

test.each<[AdvantageRule, right: number, wrong: number]>([
  ["group", 1.2074, -0.7244],
  ["mean", 0.625, -0.375],
  ["leave_one_out", 0.7143, -0.4286],
  ["batch", 1.2074, -0.7244],
  ["whiten", 1.291, -0.7746],
])("3 right of 8: %s", (rule, right, wrong) => {
  const { values, zeroStd } = valuesOf(threeOfEight, rule, 8);
  for (const [i, value] of values.entries())
    expect(value).toBeCloseTo(threeOfEight[i] === 1 ? right : wrong, 4);
  expect(zeroStd).toBe(0);
});

test("batch: the deviation is that of all groups together", () => {
  // deviation of 1, 0, 3, 0 with n − 1: √(22/4 … ) by hand: mean 1, squares 0 1 4 1, sum 6, /3 = 2
  const { values } = valuesOf([1, 0, 3, 0], "batch", 2);
  const by = Math.SQRT2 + 1e-4;
  expect(values).toEqual(
    [0.5 / by, -0.5 / by, 1.5 / by, -1.5 / by].map((v) => expect.closeTo(v, 12) as number),
  );
});

test("whiten counts tokens: a long answer moves the mean more", () => {
  const { values } = advantagesOf([1, 0], { rule: "whiten", group: 2, lengths: [3, 1] });
  // mean 3/4, variance 3/16
  expect(values[0]).toBeCloseTo(0.25 / Math.sqrt(3 / 16), 12);
  expect(values[0]! * 3 + values[1]!).toBeCloseTo(0, 12);
});

test("thread 20: equal rewards give exactly 0, and are counted; a group of one is refused", () => {
  for (const rule of ["group", "mean", "leave_one_out", "batch", "whiten"] as const) {
    const same = valuesOf([0.1, 0.1, 0.1, 0.1, 0.1, 0.1], rule, 3);
    expect(same).toEqual({ values: [0, 0, 0, 0, 0, 0], zeroStd: 1 });
    expect(() => valuesOf([1, 0], rule, 1)).toThrow("groups of 1 among 2 answers");
  }
  expect(valuesOf([1, 1, 1, 0], "group", 2).zeroStd).toBe(0.5);
  expect(() => valuesOf([1, 0, 1], "group", 2)).toThrow("groups of 2 among 3 answers");
});

test("thread 29: a prompt that comes twice has two groups", () => {
  // both groups ask the same; were they one, the advantages would be those of 2 right of 4
  const { values, zeroStd } = valuesOf([1, 1, 0, 0], "mean", 2);
  expect(values).toEqual([0, 0, 0, 0]);
  expect(zeroStd).toBe(1);
});

test("an answer without a score has no advantage, and no part in its group", () => {
  expect(valuesOf([1, null, 0], "mean", 3).values).toEqual([0.5, 0, -0.5]);
  expect(valuesOf([1, null, null, 0, 1, 0], "leave_one_out", 3).values).toEqual([0, 0, 0, -0.5, 1, -0.5]);
});

test("generalised advantages: γ = λ = 1 gives what is to come, less the value", () => {
  const random = randomStream(1, "gae");
  const rewards = Array.from({ length: 9 }, () => random.unit() - 0.5);
  const values = Array.from({ length: 9 }, () => random.unit());
  const { advantages, returns } = generalisedAdvantages({ rewards, values }, { gamma: 1, lambda: 1 });
  for (const [t, value] of values.entries()) {
    const coming = rewards.slice(t).reduce((a, b) => a + b, 0);
    expect(advantages[t]).toBeCloseTo(coming - value, 12);
    expect(returns[t]).toBeCloseTo(coming, 12);
  }
});

test("generalised advantages of two tokens by hand; λ = 0 looks one token ahead", () => {
  const answer = { rewards: [1, 2], values: [0.5, 0.25] };
  const both = generalisedAdvantages(answer, { gamma: 0.9, lambda: 0.5 });
  // δ₁ = 2 − 0.25 = 1.75; δ₀ = 1 + 0.9 · 0.25 − 0.5 = 0.725; A₀ = 0.725 + 0.45 · 1.75
  expect(both.advantages).toEqual([expect.closeTo(1.5125, 12), 1.75]);
  const one = generalisedAdvantages(answer, { gamma: 0.9, lambda: 0 });
  expect(one.advantages).toEqual([expect.closeTo(0.725, 12), 1.75]);
});

test("rewards of tokens: the divergence at each, the score at the last", () => {
  expect(tokenRewards(1, [0.5, -0.25], 0.1)).toEqual([-0.05, 1.025]);
  expect(tokenRewards(1, [NaN, 0], 0)).toEqual([0, 1]);
});

test("whitening is over the counted tokens of all answers together", () => {
  const white = whitened([
    [1, 2],
    [3, 4, 5],
  ]);
  const all = white.flat();
  expect(all.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 12);
  expect(all.reduce((a, b) => a + b * b, 0) / 4).toBeCloseTo(1, 6);
  expect(white.map((of) => of.length)).toEqual([2, 3]);
  expect(whitened([[7]])).toEqual([[7]]);
});

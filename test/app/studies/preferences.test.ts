/** Small forms of experiments X6 and X9. The whole: npm run study -- hidden-rewards, bayes-rate */
import { expect, test } from "vitest";
import { runBayesRate } from "../../../app/studies/posttraining/bayes-rate.ts";
import { runHiddenRewards } from "../../../app/studies/posttraining/hidden-rewards.ts";

const hidden = { beta: 0.5, steps: 120, lr: 2e-2, seed: 1, target: "simd" } as const;

test("X6: dpo finds the hidden rewards, at the entropy of the labels and at π*'s divergence", async () => {
  const found = await runHiddenRewards({ ...hidden, objective: "dpo" });
  expect(found.worst).toBeLessThan(0.05);
  expect(found.inOrder).toBeGreaterThan(0.99);
  expect(Math.abs(found.loss / found.entropy - 1)).toBeLessThan(0.01);
  expect(Math.abs(found.divergence - found.bestDivergence)).toBeLessThan(0.02);
});

test("X6: from pairs that say nothing, nothing is learnt", async () => {
  const found = await runHiddenRewards({ ...hidden, objective: "dpo", control: true });
  expect(found.inOrder).toBeLessThan(0.7);
  expect(found.divergence).toBeLessThan(1e-3);
});

test("X9: a reward model comes near its Bayes rate, and not below it", async () => {
  const found = await runBayesRate({ steps: 250, lr: 1e-2, pairs: 4000, seed: 1, target: "simd" });
  expect(Math.abs(found.accuracy - 0.82)).toBeLessThan(0.025); // 4 standard errors of 4,000 pairs
  expect(found.noiseFree).toBeGreaterThan(0.97);
  expect(found.above).toBeGreaterThan(-3);
  expect(found.loss - found.bayesLoss).toBeLessThan(0.02);
});

test("X9: labels that are drawn blindly teach nothing", async () => {
  const blind = { control: true, steps: 60, lr: 1e-2, pairs: 2000, seed: 1, target: "simd" } as const;
  const { accuracy } = await runBayesRate(blind);
  expect(Math.abs(accuracy - 0.5)).toBeLessThan(0.05);
});

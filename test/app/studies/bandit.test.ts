/** The small form of experiment X10: one kl, few steps. The whole of it: npm run study -- bandit */
import { expect, test } from "vitest";
import { runBandit, type BanditMethod } from "../../../app/studies/posttraining/bandit.ts";
import { bestObjective, bestShare } from "../../../runtime/train/rl/divergence.ts";

const KL = 0.5;
const best = bestShare(0.1, KL);
const most = bestObjective([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], KL);
const run = (method: BanditMethod) =>
  runBandit({ method, kl: KL, steps: 80, lr: 0.01, prompts: 8, seed: 1, target: "simd" });

test.each(["rloo", "ppo", "grpo"] as const)("%s ends at p*, and no better than J*", async (method) => {
  const { right, objective } = await run(method);
  expect(Math.abs(right - best)).toBeLessThan(0.03);
  expect(objective).toBeLessThanOrEqual(most + 1e-5); // by exact probabilities: f32 rounding is all
  expect(objective).toBeGreaterThan(most - 0.005);
});

test("thread 25: k1 in the loss holds nothing", async () => {
  const { right, divergence } = await run("control");
  expect(right).toBeGreaterThan(0.95);
  expect(divergence).toBeGreaterThan(2);
});

/** Estimates of a divergence against the exact one, the controller of its weight, and bounds. */
import { expect, test } from "vitest";
import { randomStream } from "../../../../runtime/base/random.ts";
import {
  bestObjective,
  bestShare,
  controlledKl,
  estimates,
  exactDivergence,
  leastDivergence,
} from "../../../../runtime/train/rl/divergence.ts";
import { mostFrequent, passAtK } from "../../../../runtime/train/rl/pass-at-k.ts";
import { deviationOf, meanOf } from "../../../../runtime/train/rl/statistics.ts";

const p = [0.5, 0.25, 0.15, 0.1];
const q = [0.2, 0.3, 0.4, 0.1];
const logs = (of: readonly number[]): Float32Array => Float32Array.from(of, Math.log);

test("thread 16: k1 and k3 estimate KL(model ‖ reference); k2 does not; k1 alone may be negative", () => {
  const exact = p.reduce((sum, x, i) => sum + x * Math.log(x / q[i]!), 0);
  expect(exactDivergence(logs(p), logs(q))).toBeCloseTo(exact, 6);
  const mean = (of: (d: number) => number): number =>
    p.reduce((sum, x, i) => sum + x * of(Math.log(x / q[i]!)), 0);
  expect(mean(estimates.k1)).toBeCloseTo(exact, 12);
  expect(mean(estimates.k3)).toBeCloseTo(exact, 12);
  expect(Math.abs(mean(estimates.k2) - exact)).toBeGreaterThan(0.01);
  const random = randomStream(2, "divergence");
  const drawn = Array.from({ length: 20_000 }, () => {
    let u = random.unit();
    const at = p.findIndex((x) => (u -= x) < 0);
    return Math.log(p[at]! / q[at]!);
  });
  for (const of of [estimates.k1, estimates.k3]) {
    const all = drawn.map(of);
    expect(Math.abs(meanOf(all) - exact)).toBeLessThan((3 * deviationOf(all)) / Math.sqrt(all.length));
  }
  expect(Math.min(...drawn.map(estimates.k1))).toBeLessThan(0);
  expect(Math.min(...drawn.map(estimates.k3))).toBeGreaterThanOrEqual(0);
});

test("thread 25: the sign is that of d = ln p − ln p of the reference", () => {
  const wrong = p.reduce(
    (sum, x, i) => sum + x * (Math.exp(Math.log(x / q[i]!)) - Math.log(x / q[i]!) - 1),
    0,
  );
  const right = p.reduce((sum, x, i) => sum + x * estimates.k3(Math.log(x / q[i]!)), 0);
  expect(Math.abs(wrong - right)).toBeGreaterThan(0.05);
  expect(estimates.k3(-1000)).toBe(Math.exp(20) - 1001);
});

test("the controller: by a fifth at most, in proportion to the answers of the step", () => {
  const control = { target: 6, horizon: 10_000 };
  expect(controlledKl(0.2, 6, 512, control)).toBe(0.2);
  expect(controlledKl(0.2, 60, 512, control)).toBeCloseTo(0.2 * (1 + 0.2 * 0.0512), 12);
  expect(controlledKl(0.2, 0, 512, control)).toBeCloseTo(0.2 * (1 - 0.2 * 0.0512), 12);
  expect(controlledKl(0.2, 6.6, 1000, control)).toBeCloseTo(0.2 * 1.01, 12);
  expect(controlledKl(0.2, 60, 512, { ...control, target: 0 })).toBe(0.2);
});

test.each([
  [1, 0.232, 0.073, 0.159],
  [0.5, 0.451, 0.408, 0.247],
  [0.2, 0.943, 1.958, 0.551],
])("one right of ten answers, kl %d: p* %d, KL* %d, J* %d", (kl, share, divergence, objective) => {
  const best = bestShare(0.1, kl);
  expect(best).toBeCloseTo(share, 3);
  expect(leastDivergence(best, 0.1)).toBeCloseTo(divergence, 3);
  const rewards = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  expect(bestObjective(rewards, kl)).toBeCloseTo(objective, 3);
  expect(best - kl * leastDivergence(best, 0.1)).toBeCloseTo(bestObjective(rewards, kl), 12);
});

test("what right answers cost at least", () => {
  expect(leastDivergence(0.9, 0.3)).toBeCloseTo(0.794, 3);
  expect(leastDivergence(0.9, 0.05)).toBeCloseTo(2.376, 3);
  expect(leastDivergence(0.3, 0.3)).toBe(0);
  expect(leastDivergence(1, 0.5)).toBeCloseTo(Math.LN2, 12);
  expect(bestObjective([1000, 999], 0.001)).toBeCloseTo(1000, 2);
});

test("pass@k is the chance that k of the n answers hold a right one", () => {
  expect(passAtK(8, 3, 1)).toBe(0.375);
  expect(passAtK(8, 0, 8)).toBe(0);
  expect(passAtK(8, 3, 6)).toBe(1);
  expect(passAtK(4, 2, 2)).toBeCloseTo(5 / 6, 12); // all pairs but the wrong one, of six
  expect(mostFrequent(["7", "8", "9", "8"])).toBe(1);
  expect(mostFrequent(["9", "7", "7", "9"])).toBe(0); // as many: the first
  expect(() => passAtK(4, 2, 5)).toThrow("pass@5 of 4 answers");
});

/**
 * The sampler: each cut by itself, the order of the chain, and a chi-square test over 100,000 draws. Also
 * random streams and initial values.
 */
import { describe, expect, it } from "vitest";
import { cpuMs } from "../../support/tokenizer-data.ts";
import { normalQuantile } from "../../../runtime/engine/init.ts";
import { randomFrom, randomStream } from "../../../runtime/base/random.ts";
import { sampleToken, samplerDefaults, type SamplerSettings } from "../../../runtime/sample/sampler.ts";

const plain: SamplerSettings = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  repeatLast: 64,
};
const DRAWS = 100_000;

/** How often each id was drawn. */
function counts(
  logits: readonly number[],
  settings: Partial<SamplerSettings>,
  recent: readonly number[] = [],
): number[] {
  const random = randomStream(5, "test");
  const out = logits.map(() => 0);
  for (let i = 0; i < DRAWS; i++)
    out[sampleToken(Float32Array.from(logits), { ...plain, ...settings }, recent, random)]!++;
  return out;
}

/** What the chain should leave, written the slow way: sort everything, cut, apply the temperature. */
function expected(logits: readonly number[], s: SamplerSettings): number[] {
  const softmax = (ids: readonly number[], t: number): number[] => {
    const e = ids.map((id) => Math.exp((logits[id]! - logits[ids[0]!]!) / t));
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / sum);
  };
  let ids = logits.map((_, id) => id).sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (s.topK > 0) ids = ids.slice(0, s.topK);
  if (s.topP < 1) {
    const p = softmax(ids, 1);
    let sum = 0;
    let n = 0;
    while (n < ids.length && sum < s.topP) sum += p[n++]!;
    ids = ids.slice(0, n);
  }
  if (s.minP > 0) {
    const p = softmax(ids, 1);
    ids = ids.filter((_, i) => p[i]! >= s.minP * p[0]!);
  }
  const p = softmax(ids, s.temperature);
  return logits.map((_, id) => (ids.includes(id) ? p[ids.indexOf(id)]! : 0));
}

/**
 * Σ (found − expected)² / expected. A value above its 99.99 % quantile (normal approximation) is a failure.
 */
function chiSquare(found: readonly number[], share: readonly number[]): void {
  let sum = 0;
  let freedom = -1;
  for (const [id, p] of share.entries()) {
    if (p === 0) {
      expect(found[id], `token ${id} should never come`).toBe(0);
      continue;
    }
    sum += (found[id]! - p * DRAWS) ** 2 / (p * DRAWS);
    freedom++;
  }
  expect(sum).toBeLessThan(freedom + 3.9 * Math.sqrt(2 * freedom) + 8);
}

const logits = Array.from({ length: 50 }, (_, i) => Math.sin(i * 1.3) * 3);

describe("draws follow their distribution", () => {
  const chains: Record<string, Partial<SamplerSettings>> = {
    "plain softmax": {},
    temperature: { temperature: 0.7 },
    hot: { temperature: 1.8 },
    "top-k": { topK: 7 },
    "top-p": { topP: 0.8 },
    "min-p": { minP: 0.1 },
    "top-k, then top-p among them": { topK: 12, topP: 0.7 },
    "all, temperature last": { ...samplerDefaults, temperature: 1.5, topK: 20 },
  };
  for (const [name, settings] of Object.entries(chains))
    it(name, () => chiSquare(counts(logits, settings), expected(logits, { ...plain, ...settings })));
});

describe("the chain", () => {
  const once = (
    values: readonly number[],
    settings: Partial<SamplerSettings>,
    recent: readonly number[] = [],
  ): number =>
    sampleToken(Float32Array.from(values), { ...plain, ...settings }, recent, randomStream(1, "one"));

  it("takes the likeliest at temperature 0, the lower id among equals", () => {
    expect(once([1, 5, 2], { temperature: 0 })).toBe(1);
    expect(once([1, 5, 5], { temperature: 0 })).toBe(1);
    expect(once([1, 5, 2], { topK: 1 })).toBe(1);
  });

  it("penalises what came lately, whichever sign its logit has", () => {
    expect(once([4, 3], { temperature: 0, repeatPenalty: 2 }, [0])).toBe(1);
    expect(once([-1, -1.5], { temperature: 0, repeatPenalty: 2 }, [0])).toBe(1);
    expect(once([4, 3], { temperature: 0, repeatPenalty: 2, repeatLast: 2 }, [0, 1, 1])).toBe(0);
    expect(once([4, 3], { temperature: 0, repeatPenalty: 2 }, [0, 1])).toBe(0);
  });

  it("always keeps one token", () => {
    for (const settings of [{ topP: 0 }, { minP: 1 }, { topP: 0, topK: 3 }, { topP: 1e-9, minP: 1 }])
      expect(once([1, 5, 2], settings)).toBe(1);
  });

  it("never takes an id beyond the tokenizer's", () => {
    for (let i = 0; i < 200; i++)
      expect(sampleToken(Float32Array.of(0, 0, 9), plain, [], randomStream(i, "size"), 2)).toBeLessThan(2);
  });

  it(
    "never takes an id that no token has, whatever the settings, and the others as often as " + "without it",
    () => {
      const absent = new Set([0, 3, 5, 99]);
      const logits = [9, 0.5, 1, 9, 0, 30, -1];
      for (const settings of [
        {},
        { temperature: 0 },
        { topK: 1 },
        { topK: 6 },
        { topP: 0.9 },
        { minP: 0.1 },
        { repeatPenalty: 3 },
        { topK: 4, topP: 0.99, temperature: 5 },
      ])
        for (let i = 0; i < 200; i++) {
          const drawn = sampleToken(
            Float32Array.from(logits),
            { ...plain, ...settings },
            [5, 3],
            randomStream(i, "absent"),
            logits.length,
            absent,
          );
          expect([1, 2, 4, 6]).toContain(drawn);
        }
      const random = randomStream(7, "gap");
      const seen = [0, 0, 0, 0];
      const order = [1, 2, 4, 6];
      for (let i = 0; i < DRAWS; i++)
        seen[
          order.indexOf(sampleToken(Float32Array.from(logits), plain, [], random, logits.length, absent))
        ]!++;
      chiSquare(
        seen,
        expected(
          order.map((id) => logits[id]!),
          plain,
        ),
      );
    },
  );

  it("says so when a logit is not a number", () => {
    expect(() => once([1, NaN, 2], {})).toThrow(/logit of token 1/);
  });

  it("is quick on a large vocabulary", () => {
    const large = Float32Array.from({ length: 50257 }, (_, i) => Math.sin(i * 7.7) * 4);
    const random = randomStream(3, "large");
    const began = cpuMs();
    for (let i = 0; i < 100; i++) sampleToken(large.slice(), samplerDefaults, [], random);
    expect((cpuMs() - began) / 100).toBeLessThan(5); // ms a token
  });
});

describe("random streams", () => {
  it("depend on seed and name only", () => {
    const take = (seed: number, name: string): number[] => {
      const r = randomStream(seed, name);
      return Array.from({ length: 4 }, r.word);
    };
    expect(take(1, "a")).toEqual(take(1, "a"));
    expect(new Set([take(1, "a"), take(2, "a"), take(1, "b"), take(11, "a")].map(String)).size).toBe(4);
  });

  it("go on from a saved state", () => {
    const r = randomStream(1, "x");
    for (let i = 0; i < 10; i++) r.word();
    const again = randomFrom(JSON.parse(JSON.stringify(r.state())));
    expect(Array.from({ length: 20 }, again.unit)).toEqual(Array.from({ length: 20 }, r.unit));
  });

  it("are even", () => {
    const r = randomStream(9, "even");
    const n = 20;
    const found = Array.from({ length: n }, () => 0);
    for (let i = 0; i < DRAWS; i++) found[r.below(n)]!++;
    chiSquare(
      found,
      found.map(() => 1 / n),
    );
  });

  it("give normal numbers by the quantile", () => {
    for (const [p, z] of [
      [0.5, 0],
      [0.975, 1.959963985],
      [0.0013498980316301, -3],
      [1e-6, -4.753424309],
      [1 - 1e-6, 4.753424309],
    ] as const)
      expect(Math.abs(normalQuantile(p) - z)).toBeLessThan(2e-6);
    const r = randomStream(2, "normal");
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < DRAWS; i++) {
      const z = normalQuantile((r.word() + 0.5) / 2 ** 32);
      sum += z;
      squares += z * z;
    }
    expect(Math.abs(sum / DRAWS)).toBeLessThan(0.015);
    expect(Math.abs(squares / DRAWS - 1)).toBeLessThan(0.02);
  });
});

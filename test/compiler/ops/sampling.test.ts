/**
 * sample_rows draws what runtime/sample/sampler.ts draws: the same token, the same random state afterwards,
 * the same log-probabilities, bit for bit.
 */
import { describe, expect, test } from "vitest";
import { sample_rows } from "../../../compiler/ops/sampling/sample_rows.ts";
import { kernelBench, type Bench } from "../../../bench/measure/kernel-bench.ts";
import { randomFrom, randomStream, type Random, type RandomState } from "../../../runtime/base/random.ts";
import { NO_TOKEN, samplerWords } from "../../../runtime/contract/sampler-words.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { logSumExp } from "../../../runtime/sample/logprobs.ts";
import { drawToken, type Drawn, type SamplerSettings } from "../../../runtime/sample/sampler.ts";

const T = 24; // most tokens of a text

/** One draw: what is given to both. */
interface Row {
  readonly logits: Float32Array;
  readonly settings: SamplerSettings;
  readonly ids: number;
  readonly text: readonly number[];
  readonly random: RandomState;
}

interface Result extends Drawn {
  readonly random: RandomState;
  /** Of the logits as they are. */
  readonly ofModel: number;
}

/** What the reference says; NO_TOKEN where it throws. */
function byReference({ logits, settings, ids, text, random }: Row, absent: ReadonlySet<number>): Result {
  const stream = randomFrom(random);
  try {
    const drawn = drawToken(logits.slice(), settings, text, stream, ids, absent);
    const ofModel = logits[drawn.token]! - logSumExp(logits);
    return { ...drawn, random: stream.state(), ofModel };
  } catch {
    return { token: NO_TOKEN, logprob: 0, random, ofModel: 0 };
  }
}

/** What the kernel makes of as many rows as it was compiled for; row i is the text of lane S − 1 − i. */
function byKernel(bench: Bench, rows: readonly Row[], absent: ReadonlySet<number>, workers = 1): Result[] {
  const { S, V, M } = bench.spec.d as Record<"S" | "V" | "M", number>;
  const lanes = rows.toReversed();
  const mask = new Int32Array(M);
  for (const id of absent) if (id < V) mask[id >> 5]! |= 1 << (id & 31);
  const numbers = (parts: readonly ArrayLike<number>[]): Float64Array =>
    Float64Array.from(parts.flatMap((part) => Array.from(part)));
  const out = bench.run(
    {
      logits: numbers(rows.map((r) => r.logits)),
      spans: numbers(rows.map((r, i) => [S - 1 - i, r.text.length - 1, i, 1])),
      samplers: numbers(lanes.map((r) => samplerWords({ ...r.settings, ids: r.ids, logprobs: true }))),
      absent: numbers(lanes.map(() => mask)),
      texts: numbers(lanes.map((r) => [...r.text, ...Array<number>(T - r.text.length).fill(-7)])),
      random: numbers(lanes.map((r) => r.random.map((word) => word | 0))),
    },
    { workers },
  );
  return rows.map((_, i) => ({
    token: out["drawn"]![i]!,
    ofModel: out["logprobs"]![2 * i]!,
    logprob: out["logprobs"]![2 * i + 1]!,
    random: [0, 1, 2, 3].map((w) => out["random_out"]![4 * (S - 1 - i) + w]! >>> 0) as unknown as RandomState,
  }));
}

const rounded = (r: Result): Result => ({
  ...r,
  logprob: Math.fround(r.logprob) + 0, // −0 is 0 to toEqual
  ofModel: Math.fround(r.ofModel),
});

const pick = <T>(random: Random, ...choices: readonly T[]): T => choices[random.below(choices.length)]!;

/** Any setting that the sampler knows, and those at the ends of their ranges more often. */
const anySettings = (random: Random, V: number): SamplerSettings => ({
  temperature: pick(random, 0, 1e-3, 0.5, 0.8, 1, 1, 1.7, 100),
  topK: pick(random, 0, 0, 1, 2, 3, 7, 40, V - 1, V, V + 5),
  topP: pick(random, 0, 1e-9, 0.3, 0.9, 0.95, 0.9999999999, 1, 1, 1),
  minP: pick(random, 0, 0, 0, 1e-9, 0.05, 0.5, 1),
  repeatPenalty: pick(random, 1, 1, 1.1, 0.7, 13),
  repeatLast: pick(random, 0, 1, 5, 64),
});

/** Noise of some width; often rounded, so that scores are equal; sometimes without a hope. */
function anyLogits(random: Random, V: number): Float32Array {
  const width = pick(random, 0, 0.1, 3, 3, 20, 1000);
  const step = pick(random, 0, 0, 0.5, 2);
  const holes = pick(random, 0, 0, 0, 0.5, 0.95);
  const logits = Float32Array.from({ length: V }, () => {
    const value = width * (2 * random.unit() - 1);
    return random.unit() < holes ? -Infinity : step === 0 ? value : Math.round(value / step) * step;
  });
  if (random.unit() < 0.03) logits[random.below(V)] = pick(random, NaN, Infinity, -Infinity);
  if (random.unit() < 0.03) logits.fill(-Infinity);
  if (random.unit() < 0.05) logits[random.below(V)] = 5;
  return logits;
}

const anyRow = (random: Random, V: number): Row => ({
  logits: anyLogits(random, V),
  settings: anySettings(random, V),
  ids: pick(random, V, V, Math.ceil(V / 2), Math.max(1, V - 1)),
  text: Array.from({ length: 1 + random.below(T) }, () => random.below(V)),
  random: [random.word(), random.word(), random.word(), random.word()],
});

const benchFor = (S: number, V: number, target: Target): Promise<Bench> =>
  kernelBench("sample_rows", sample_rows, { d: { S, V, A: S, M: Math.ceil(V / 32), T } }, target);

describe("draws what the sampler draws", () => {
  test.each(
    targets.flatMap((target) =>
      [1, 3, 16, 61, 640].map((V) => [target, V, target === "simd" ? 400 : 100] as const),
    ),
  )("%s, %i ids, %i times 8 rows", async (target, V, times) => {
    const bench = await benchFor(8, V, target);
    const random = randomStream(V, `rows/${target}`);
    for (let i = 0; i < times; i++) {
      const rows = Array.from({ length: 8 }, () => anyRow(random, V));
      const absent = new Set(random.unit() < 0.5 ? [] : Array.from({ length: 3 }, () => random.below(V + 9)));
      const expected = rows.map((row) => rounded(byReference(row, absent)));
      const found = byKernel(bench, rows, absent).map((r) => ({ ...r, logprob: r.logprob + 0 }));
      for (const [r, row] of rows.entries())
        expect(found[r], JSON.stringify({ ...row, logits: V < 100 ? [...row.logits] : i })).toEqual(
          expected[r],
        );
      if (i % 25 === 0)
        expect(byKernel(bench, rows, absent, 3), "three workers").toEqual(byKernel(bench, rows, absent));
    }
  });
});

test("its weights are those of JavaScript: the whole vocabulary's sum decides some draws", async () => {
  const bench = await benchFor(1, 5000, "simd");
  const random = randomStream(3, "flat");
  const plain = { temperature: 1, topK: 0, topP: 1, minP: 0, repeatPenalty: 1, repeatLast: 0 };
  const tokens = new Set<number>();
  for (let i = 0; i < 100; i++) {
    const row: Row = {
      logits: Float32Array.from({ length: 5000 }, () => random.unit()),
      settings: { ...plain, topP: pick(random, 1, 0.5) },
      ids: 5000,
      text: [1],
      random: [random.word(), random.word(), random.word(), random.word()],
    };
    const [found] = byKernel(bench, [row], new Set());
    expect(found).toEqual(rounded(byReference(row, new Set())));
    tokens.add(found!.token);
  }
  expect(tokens.size).toBeGreaterThan(50);
});

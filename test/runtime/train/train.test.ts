/**
 * The training loop: splits, windows, exact resume, interruption, the NaN guard. The model needs no kernels.
 */
import { describe, expect, it } from "vitest";
import { batchSource } from "../../../runtime/train/sources/batch-source.ts";
import { textCorpus } from "../../../runtime/train/sources/corpus.ts";
import { encodeText, randomBatch, split, windows } from "../../../runtime/train/sources/text-windows.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { evaluateText } from "../../../runtime/train/evaluate.ts";
import type { Host } from "../../../runtime/engine/host.ts";
import { randomFrom, randomStream } from "../../../runtime/base/random.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { charactersOf, characterTokenizer } from "../../../runtime/tokenizers/plain/characters.ts";
import { train, type ResumePoint, type TrainOptions } from "../../../runtime/train/train.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { bitsOf, fakeModel, settings } from "../../support/fake-model.ts";

const host: Host = {
  cores: 1,
  enableWide: () => false,
  compile: (bytes) => new WebAssembly.Module(bytes),
  startPool: () => Promise.reject(new Error("no pool")),
  breathe: async () => {},
  readUrl: () => Promise.reject(new Error("no files")),
};
const tokens = Uint16Array.from({ length: 400 }, (_, i) => (i * 7) % 16);

describe("data", () => {
  it("is split at the same place as nanoGPT's", () => {
    const { train: first, heldOut } = split(tokens, 0.1, 8);
    expect([first.length, heldOut.length]).toEqual([360, 40]);
    expect(split(tokens.subarray(0, 99), 0.1, 8).train.length).toBe(89);
  });

  it("every token but the first is a target once", () => {
    const seen: number[] = [];
    let batches = 0;
    for (const { tokens: x, targets } of windows(tokens.subarray(0, 61), 2, 8)) {
      batches++;
      for (const [i, t] of targets.entries())
        if (t >= 0) {
          seen.push(t);
          expect((x[i]! + 7) % 16).toBe(t);
        }
    }
    expect(seen).toEqual([...tokens.subarray(1, 61)]);
    expect(batches).toBe(4);
    expect([...windows(tokens.subarray(0, 2), 2, 8)]).toHaveLength(1);
    expect([...windows(tokens.subarray(0, 1), 2, 8)]).toHaveLength(0);
  });

  it.each([1, 3, 5, 8])(
    "windows that begin every %i tokens: each token a target once, from the 8 − stride before it at least",
    (stride) => {
      const text = Uint16Array.from({ length: 45 }, (_, i) => i);
      const seen: number[] = [];
      for (const { tokens: x, targets } of windows(text, 2, 8, { stride }))
        for (const [i, t] of targets.entries()) {
          if (t < 0) continue;
          expect(x[i]).toBe(t - 1);
          expect(i % 8).toBeGreaterThanOrEqual(Math.min(t - 1, 8 - stride));
          seen.push(t);
        }
      expect(seen).toEqual(Array.from({ length: 44 }, (_, i) => i + 1));
    },
  );

  it("an evaluation in between reads a spread of it", () => {
    expect([...windows(tokens, 2, 8, { most: 3 })]).toHaveLength(3);
    expect([...windows(tokens, 2, 8, { most: 1000 })]).toHaveLength(25);
  });

  it(
    "random windows are inside, the first and the last place are reached, and a saved stream " + "goes on",
    () => {
      const text = Uint16Array.from({ length: 12 }, (_, i) => i);
      const random = randomStream(1, "w");
      const starts = new Set<number>();
      for (let i = 0; i < 100; i++) {
        const again = randomFrom(JSON.parse(JSON.stringify(random.state())));
        const batch = randomBatch(text, 1, 8, random);
        expect(randomBatch(text, 1, 8, again)).toEqual(batch);
        expect([...batch.targets]).toEqual([...batch.tokens].map((t) => t + 1));
        starts.add(batch.tokens[0]!);
      }
      expect(starts).toEqual(new Set([0, 1, 2, 3]));
    },
  );

  it("what is wrong with it is said", () => {
    expect(() => split(tokens.subarray(0, 9), 0.1, 8)).toThrow(/too short: 9 tokens/);
    expect(() => encodeText("aé", byteTokenizer(), 128)).toThrow(/token 195/);
    expect(() => encodeText("abc", characterTokenizer(["a", "b"]), 16)).toThrow(/"c"/);
    const text = "ab ".repeat(400_000);
    expect(encodeText(text, characterTokenizer(charactersOf(text)), 16).length).toBe(text.length);
  });

  it("bits per byte counts bytes, not tokens", async () => {
    const text = "éa".repeat(30);
    const tokenizer = characterTokenizer(charactersOf(text));
    const e = await evaluateText(fakeModel(), encodeText(text, tokenizer, 16), tokenizer);
    expect(e).toMatchObject({ loss: 2, tokens: 59 });
    expect(e.bitsPerByte).toBeCloseTo((2 * 59) / Math.LN2 / (30 * 1 + 29 * 2));
  });
});

describe("training", () => {
  const corpus = textCorpus(tokens, byteTokenizer(), 8);
  const run = (over: Partial<TrainOptions> & { model?: ReturnType<typeof fakeModel> } = {}) => {
    const events: TrainEvent[] = [];
    const saves: ResumePoint[] = [];
    const model = over.model ?? fakeModel(3);
    const options: TrainOptions = {
      settings,
      data: batchSource(corpus.split(0.1), corpus, "text"),
      tokenizer: byteTokenizer(),
      host,
      sample: { settings: samplerDefaults, prompt: "\u0001", tokens: 5 },
      save: async (progress) => {
        saves.push(JSON.parse(JSON.stringify(progress)) as ResumePoint);
        return "file";
      },
      report: (event) => void events.push(event),
      ...over,
    };
    return { model, events, saves, end: train(model, options) };
  };

  it("reports steps, evaluations, samples and saves", async () => {
    const { events, saves, end } = run();
    expect(await end).toBe("done");
    const of = (kind: string): number[] => events.filter((e) => e.kind === kind).map((e) => e.step);
    expect(of("step")).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(of("eval")).toEqual([5, 10, 15, 20]);
    expect(of("sample")).toEqual([20]);
    expect(saves.map((s) => s.step)).toEqual([5, 10, 15, 20]);
    expect(saves.at(-1)!.tokens).toBe(20 * 16);
    expect(events.filter((e) => e.kind === "eval").map((e) => e.whole)).toEqual([false, false, false, true]);
    expect(events.find((e) => e.kind === "sample")!.text).toBe("\u0002\u0003\u0004\u0005\u0006");
  });

  it("goes on to the same bits", async () => {
    const whole = run();
    await whole.end;
    for (const at of [1, 7, 19]) {
      const stop = new AbortController();
      const part = fakeModel(3);
      const half = run({
        model: part,
        signal: stop.signal,
        report: (e) => {
          if (e.kind === "step" && e.step === at) stop.abort();
        },
      });
      expect(await half.end).toBe("interrupted");
      const rest = run({ model: part, from: half.saves.at(-1)! });
      await rest.end;
      expect(bitsOf(rest.model)).toBe(bitsOf(whole.model));
    }
  });

  it("stops after the step when asked, with a checkpoint", async () => {
    const stop = new AbortController();
    const { end, saves, events } = run({
      signal: stop.signal,
      report: (e) => {
        if (e.kind === "step" && e.step === 7) stop.abort();
      },
    });
    expect(await end).toBe("interrupted");
    expect(saves.at(-1)!.step).toBe(7);
    expect(events).toEqual([]);
  });

  it("stops at a NaN, names step and tensor, saves nothing", async () => {
    const { end, saves } = run({ model: fakeModel(3, { nanAt: 8 }) });
    const error = await end.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SinterError);
    expect((error as SinterError).message).toMatch(
      /step 8: the loss is NaN.*gradient of layers\.1\.mlp\.up\.weight\[0,3\] = NaN/,
    );
    expect(saves.map((s) => s.step)).toEqual([5]);
  });

  it("sums micro-batches", async () => {
    const { events, end } = run({ settings: { ...settings, accumulate: 3 } });
    await end;
    expect(events.filter((e) => e.kind === "step").at(-1)!.tokens).toBe(20 * 16 * 3);
  });

  it("has nothing to do when it is over", async () => {
    const { end, events } = run({ from: { step: 20, tokens: 320, batches: randomStream(1, "x").state() } });
    expect(await end).toBe("done");
    expect(events.map((e) => e.kind)).toEqual(["eval", "sample"]);
  });

  describe("with the best evaluation kept", () => {
    /** Held-out losses of the evaluations, in their order: step 0, 5, 10, 15, 20. */
    const withLosses = (losses: readonly number[], over: Partial<TrainOptions> = {}) => {
      const model = fakeModel(3);
      const steps: number[] = [];
      const evaluate: typeof model.evaluate = async () => {
        const at = steps.length;
        steps.push(at);
        return { sum: losses[Math.min(at, losses.length - 1)]!, count: 1 };
      };
      const one = { ...batchSource(corpus.split(0.1), corpus, "text") };
      const [first] = one.evaluate({ batch: 2, context: 8 });
      const data = { ...one, evaluate: () => [first!] };
      return run({ model: { ...model, evaluate }, data, best: { patience: 0 }, ...over });
    };

    it("is evaluated before the first step, and each better one is saved", async () => {
      const { events, saves, end } = withLosses([9, 4, 5, 3, 6], {
        settings: { ...settings, saveEvery: 0 },
      });
      expect(await end).toBe("done");
      expect(events.flatMap((e) => (e.kind === "eval" ? [[e.step, e.loss]] : []))).toEqual([
        [0, 9],
        [5, 4],
        [10, 5],
        [15, 3],
        [20, 6],
      ]);
      expect(saves.map(({ step, best }) => [step, best?.step])).toEqual([
        [5, 5],
        [15, 15],
        [20, 15],
      ]);
    });

    it("ends where evaluations bring nothing better, and stays ended", async () => {
      const { saves, end } = withLosses([9, 4, 5, 6, 7], { best: { patience: 2 } });
      expect(await end).toBe("done");
      expect(saves.at(-1)).toMatchObject({ step: 15, best: { step: 5, loss: 4, since: 2, seen: 15 } });
      const again = withLosses([1], { best: { patience: 2 }, from: saves.at(-1)! });
      expect(await again.end).toBe("done");
      expect(again.events.filter((e) => e.kind === "step")).toEqual([]);
    });

    it("ends where a metric is beyond its limit, keeps the best before, and stays ended", async () => {
      const distances = [0, 1, 4, 1];
      let seen = 0;
      const figures = () => ({ reward: seen, "objective/kl": distances[seen++]! });
      const one = batchSource(corpus.split(0.1), corpus, "text");
      const data = { ...one, measure: async () => ({ tokens: 1, metrics: figures() }) };
      const best = {
        patience: 0,
        by: { metric: "reward", largest: true },
        limit: { metric: "objective/kl", most: 3 },
      };
      const { saves, events, end } = run({ model: fakeModel(3), data, best });
      expect(await end).toBe("done");
      expect(events.flatMap((e) => (e.kind === "eval" ? [e.step] : []))).toEqual([0, 5, 10]);
      // the answers of step 10 are worth the most, and count for nothing
      expect(saves.at(-1)).toMatchObject({ step: 10, best: { step: 5, loss: 1, seen: 10, beyond: true } });
      const again = run({ model: fakeModel(3), data, best, from: saves.at(-1)! });
      expect(await again.end).toBe("done");
      expect(again.events.filter((e) => e.kind === "step")).toEqual([]);
    });

    it("makes the evaluation that an interruption has left out", async () => {
      const from = { ...({ step: 5, tokens: 80, batches: randomStream(1, "x").state() } as ResumePoint) };
      const { events, end } = withLosses([4], {
        from: { ...from, best: { step: 0, loss: 9, seen: 0, since: 0 } },
      });
      await end;
      expect(events[0]).toMatchObject({ kind: "eval", step: 5 });
    });
  });
});

/**
 * Caches of keys and values, end to end: cached decoding and prefill in chunks equal the forward over the
 * whole text at every position, also past the end of a ring, in f32 and near it in q8_0; on every target, for
 * any number of workers, over several memories. What V8 joins. The operations themselves are in ops.test.ts
 * and attention.test.ts.
 */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { compileModel, planModule } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { CacheFormat } from "../../../runtime/contract/memory-formats.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { attention_cached_q8 } from "../../../compiler/ops/attention/attention_cached_q8.ts";
import {
  cacheShapes,
  panelBytes,
  readCached,
  ringRows,
  writeCached,
} from "../../../compiler/ops/attention/kit/cache-layout.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { createSession } from "../../../runtime/sample/session.ts";
import { noise } from "../../../bench/measure/kernel-numbers.ts";
import { joinTrace } from "../../support/join-trace.ts";

const LONG = 180_000; // ms
/** A chunk of prefill has 128 rows: a band of 20 keeps 160 of 250. */
const CONTEXT = 250;
const TOKENS = 240;

const attentionOf = {
  gpt: "bias: true",
  banded: "window: 20, rope: rope(theta: 10000)",
  llama: "rope: rope(theta: 10000), qk_norm: rmsnorm()",
  alternate: "bias: true",
} as const;
type Kind = keyof typeof attentionOf;
const head: Readonly<Record<Kind, string>> = {
  gpt: "width 48  layers 2  heads 3  embed token + position",
  banded: "width 40  layers 2  heads 4  kv_heads 2  embed token",
  llama: "width 64  layers 2  heads 4  kv_heads 2  embed token",
  alternate: "width 32  layers 5 alternate banded, dense  heads 2  band 20  embed token + position",
};

function modelOf(kind: Kind): Model {
  const { models, diagnostics } = checkSource(`model tiny { vocab 61  context ${CONTEXT}  ${head[kind]}
    layer {
      x += attention(rmsnorm(x), ${attentionOf[kind]})
      x += mlp(rmsnorm(x), hidden: 64, activation: gelu_tanh)
    }
    output linear(rmsnorm(x))  train { batch 1  context ${TOKENS} } }`);
  expect(diagnostics).toEqual([]);
  return models[0]!;
}

const running = async (kind: Kind, options: CompileOptions, workers = 1): Promise<RunningModel> =>
  createModel(
    await compileModel(modelOf(kind), { modules: ["infer"], targets: ["wide"], verify: true, ...options }),
    "infer",
    { host: nodeHost, workers, target: options.targets?.[0] ?? "wide", seed: 5 },
  );

/** Louder than drawn ones, so that attention looks at something. */
async function louder(model: RunningModel): Promise<RunningModel> {
  for (const tensor of model.of("parameter"))
    if (/qkv.weight/.test(tensor.place.name))
      for (let s = 0; s < tensor.place.slices; s++)
        tensor.write(tensor.dense(s).map((v) => 3 * v) as Float32Array, s);
  return model;
}

const next = noise(11);
const tokens = Int32Array.from({ length: TOKENS }, () => Math.floor((next() + 1) * 30));
const targetIds = Int32Array.from([...tokens.subarray(1), 7]);

const crossEntropy = (logits: Float32Array, target: number): number => {
  const top = Math.max(...logits);
  return top + Math.log(logits.reduce((sum, v) => sum + Math.exp(v - top), 0)) - logits[target]!;
};

/** Losses of the whole text at once, without a cache. */
async function uncached(model: RunningModel): Promise<Float32Array> {
  await model.evaluate({ tokens, targets: targetIds });
  return model.tokenLosses().slice(0, TOKENS);
}

/** The same token by token, after a prompt in chunks. */
async function cached(model: RunningModel, prompt: number): Promise<Float32Array> {
  const losses = new Float32Array(TOKENS).fill(NaN);
  if (prompt > 0)
    losses[prompt - 1] = crossEntropy(
      await model.feed([...tokens.subarray(0, prompt)], 0),
      targetIds[prompt - 1]!,
    );
  for (let i = prompt; i < TOKENS; i++)
    losses[i] = crossEntropy(await model.feed([tokens[i]!], i), targetIds[i]!);
  return losses;
}

const worst = (found: Float32Array, exact: Float32Array): number =>
  exact.reduce((most, v, i) => (Number.isNaN(found[i]!) ? most : Math.max(most, Math.abs(v - found[i]!))), 0);
/** Of a token's loss, in nats. Measured, with weights so loud: 1e-5, and up to 0.06 after five layers. */
const OFF: Readonly<Record<CacheFormat, number>> = { f32: 1e-4, q8_0: 0.1 };

describe.each(["gpt", "banded", "llama", "alternate"] as const)("%s", (kind) => {
  test.each(["f32", "q8_0"] as const)(
    "a cache in %s: decoding is the forward at every position",
    async (cache) => {
      const model = await louder(await running(kind, { cache }));
      const exact = await uncached(model);
      const loss = (of: Float32Array): number => of.reduce((a, b) => a + b, 0) / TOKENS;
      const alone = await cached(model, 0);
      expect(worst(alone, exact)).toBeLessThan(OFF[cache]);
      expect(Math.abs(loss(alone) - loss(exact))).toBeLessThan(OFF[cache] / 20);
      for (const prompt of [1, 150]) {
        const found = await cached(model, prompt);
        const same = found.filter((v) => !Number.isNaN(v));
        expect(worst(found, exact), `after a prompt of ${prompt}`).toBeLessThan(OFF[cache]);
        expect(worst(found, alone), "and nearer to decoding alone").toBeLessThan(
          cache === "f32" ? 1e-4 : 0.02,
        );
        expect(same.length).toBe(TOKENS - Math.max(0, prompt - 1));
      }
      const two = await louder(await running(kind, { cache }, 2));
      expect([...(await cached(two, 150))]).toEqual([...(await cached(model, 150))]);
      for (const target of kind === "alternate" ? targets.filter((t) => t !== "wide") : []) {
        const other = await louder(await running(kind, { cache, targets: [target] }));
        expect(worst(await cached(other, 150), alone), target).toBeLessThan(cache === "f32" ? 1e-4 : 0.02);
        await other.close();
      }
      await model.close();
      await two.close();
    },
    LONG,
  );
});

describe("what is kept", () => {
  test("a band: what it sees and a chunk, in whole panels", () => {
    expect(ringRows(20, 128, 250)).toBe(160);
    expect(ringRows(256, 128, 2048)).toBe(384);
    expect(ringRows(256, 128, 300)).toBe(300);
    const { cache } = {
      cache: planModule(modelOf("alternate"), "infer").placement.regions.find(
        (r) => r.name === "key-value cache",
      )!,
    };
    // 5 layers, 3 of them bands; keys and values of 32 columns
    expect(cache.bytes).toBe((3 * 160 + 2 * 256) * 2 * 32 * 4);
  });
  test("the manifest says it", async () => {
    const of = async (kind: Kind, cache: CacheFormat) =>
      (await compileModel(modelOf(kind), { cache, targets: ["simd"] })).manifest.modules;
    const [exact, fewer] = [await of("alternate", "f32"), await of("alternate", "q8_0")];
    expect(exact.infer!.cache).toEqual({
      format: "f32",
      bytes: (3 * 160 + 2 * 256) * 2 * 32 * 4,
      bands: [{ window: 20, rows: 160 }],
    });
    expect(fewer.infer!.cache).toEqual({
      format: "q8_0",
      bytes: ((3 * 160 + 2 * 256) / 16) * 2 * 2 * panelBytes(16),
      bands: [{ window: 20, rows: 160 }],
    });
    expect(fewer.train).toEqual(exact.train);
    expect((await of("gpt", "q8_0")).infer!.cache!.bands).toEqual([]);
  });
  test.each(["banded", "alternate"] as const)(
    "%s: a session goes back as far as a band's rows allow",
    async (kind) => {
      const model = await louder(await running(kind, { cache: "q8_0" }));
      const session = createSession(model);
      const text = [...tokens];
      await session.feed(text.slice(0, 230));
      const near = text.slice(0, 200).concat(9, 9);
      const far = text.slice(0, 60).concat(9, 9);
      const back = await session.feed(near);
      const logits = back.logits.slice();
      expect(back.reused).toBe(200);
      session.forget();
      expect(worst((await session.feed(near)).logits, logits)).toBeLessThan(0.02);
      const again = await session.feed(far);
      const after = again.logits.slice();
      expect(again.reused).toBe(0);
      session.forget();
      expect([...(await session.feed(far)).logits]).toEqual([...after]);
      await model.close();
    },
    LONG,
  );
});

/** Of what can be cut at all. */
function smallestLimit(model: Model, bytes: number, cache: CacheFormat): number {
  for (let limit = Math.floor(bytes / 2); limit < bytes; limit += bytes >> 6)
    if (planModule(model, "infer", { targets: ["wide"], cache, memoryLimit: limit }).over?.partitions)
      return limit;
  throw new Error("it cannot be cut");
}

test.each(["gpt", "alternate"] as const)(
  "%s over several memories: the bits of one",
  async (kind) => {
    for (const cache of ["f32", "q8_0"] as const) {
      const one = await running(kind, { cache });
      const least = smallestLimit(modelOf(kind), one.module.memoryBytes, cache);
      const parts = await running(kind, { cache, memoryLimit: least });
      expect(parts.module.parts!.length).toBeGreaterThan(1);
      expect([...(await cached(parts, 200))]).toEqual([...(await cached(one, 200))]);
      expect(parts.module.cache!.bytes).toBe(one.module.cache!.bytes);
      await one.close();
      await parts.close();
    }
  },
  LONG,
);

describe("panels of int8", () => {
  test.each([1, 5, 8, 16, 31, 32, 33, 64, 80, 128])(
    "of %i columns give back what went in, to half a step",
    (D) => {
      for (const kind of ["keys", "values"] as const) {
        const view = new DataView(new ArrayBuffer(panelBytes(D)));
        const draw = noise(D);
        const rows = Array.from({ length: 16 }, () => Float32Array.from({ length: D }, draw));
        rows[3]!.fill(0);
        rows[4] = rows[4]!.map((v) => v * 1e-20);
        for (const [p, row] of rows.entries()) writeCached(kind, view, D, p, row);
        for (const [p, row] of rows.entries()) {
          const back = readCached(kind, view, D, p);
          for (let from = 0; from < D; from += 32) {
            const most = Math.max(...row.subarray(from, from + 32).map(Math.abs));
            for (let c = from; c < Math.min(D, from + 32); c++)
              expect(Math.abs(back[c]! - row[c]!)).toBeLessThanOrEqual((0.5001 / 127) * most);
          }
        }
      }
      expect(cacheShapes(5, 33, 2, D, "q8_0").keys).toEqual([5, 2, 3, panelBytes(D) / 4]);
    },
  );
});

test(
  "V8 joins the pairs of both products of a decode step",
  async () => {
    const trace = await joinTrace(
      "attention_cached_q8",
      attention_cached_q8,
      attention_cached_q8.cases.filter((c) => c.d["R"] === 1 && c.attrs?.["heads"] === 12),
    );
    // 2 groups × 4 steps × 2 pairs of keys; 2 groups × 2 steps × 4 pairs of values
    expect(trace.match(/PackNode \[I32x4DotI16x8S\]/g)?.length).toBe(32);
  },
  LONG,
);

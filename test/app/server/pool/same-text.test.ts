/**
 * A seeded text has the bits that it has alone: in whatever lane, beside whatever others, whoever joins and
 * leaves, whether its prompt is in a lane already or not, and in whatever pieces it runs. Three tests have
 * the names of those that llama.cpp's server skips or narrows.
 */
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPool } from "../../../../app/server/pool/pool.ts";
import type { Serving, TextAsk } from "../../../../app/server/pool/serving.ts";
import type { Compiled } from "../../../../compiler/compile.ts";
import { randomStream } from "../../../../runtime/base/random.ts";
import type { Host } from "../../../../runtime/engine/host.ts";
import { createModel, type RunningModel } from "../../../../runtime/engine/model.ts";
import { startPool, type WorkerReport } from "../../../../runtime/engine/pool.ts";
import { nodeHost } from "../../../../runtime/node/host.ts";
import { embedTokens } from "../../../../runtime/sample/embed.ts";
import { generate } from "../../../../runtime/sample/generate.ts";
import { scoreTokens } from "../../../../runtime/sample/score.ts";
import { byteTokenizer } from "../../../../runtime/tokenizers/plain/bytes.ts";
import { inProject } from "../../../support/paths.ts";
import { compileSmall, runningModels } from "../../../support/running-models.ts";
import { asking, compileServed, LANES, opened, poolOf, servedSpec, turn } from "./served.ts";

const tokenizer = byteTokenizer();
const run = runningModels();
let bundle: Compiled;
let one: RunningModel;
let pool: Serving;
beforeAll(async () => {
  bundle = await compileServed();
  one = await run(await compileSmall(servedSpec));
  pool = await poolOf(await run(bundle));
});
afterAll(() => pool.close());

const free = { temperature: 1, topK: 0, topP: 1, minP: 0 };
const prompt = (seed: number, length: number): number[] => {
  const random = randomStream(seed, "prompts");
  return Array.from({ length }, () => random.below(256));
};
/** What an ask gives alone, token by token from logits. */
async function alone({ tokens, sampling }: TextAsk): Promise<readonly number[]> {
  const o = { ...sampling, seed: sampling.seed!, prompt: tokens, whenFull: "stop", logprobs: 0 } as const;
  return (await generate(one, tokenizer, o)).tokens;
}

test("test_cache_vs_nocache_prompt", async () => {
  const ask = asking({ ...free, tokens: prompt(1, 60), most: 40, seed: 3 });
  const expected = await alone(ask);
  for (const [reuse, cached] of [
    [false, 0],
    [true, 59],
    [false, 0],
  ] as const)
    expect(await pool.complete({ ...ask, reuse })).toMatchObject({ cached, tokens: expected });
});

test("test_consistent_result_same_seed: batch sizes 1, 2, 4 at temperature 1", async () => {
  const asks = Array.from({ length: LANES }, (_, i) =>
    asking({ ...free, tokens: prompt(i, [40, 1, 17, 90][i]!), most: 25, seed: i }),
  );
  const expected = await Promise.all(asks.map(alone));
  for (const size of [1, 2, LANES]) {
    const made = await Promise.all(asks.slice(0, size).map((ask) => pool.complete(ask)));
    expect(made.map(({ tokens }) => tokens)).toEqual(expected.slice(0, size));
  }
});

test("the result is deterministic when using other slot than slot 0", async () => {
  const ask = asking({ ...free, tokens: prompt(5, 30), most: 30, seed: 8 });
  const expected = await alone(ask);
  for (let lane = 0; lane < LANES; lane++)
    expect(await pool.complete({ ...ask, lane })).toMatchObject({ lane, tokens: expected });
});

describe.each([1, 2])("on %i workers", (workers) => {
  test("whoever joins and leaves, at any moment", async () => {
    const several = await poolOf(await run(bundle, {}, workers), { queue: 60 });
    const random = randomStream(workers, "joining");
    const asks = Array.from({ length: 60 }, async (_, i) => {
      const stop = new AbortController();
      const shared = prompt(random.below(3), random.below(70)); // many begin alike
      const ask = asking({
        ...free,
        tokens: [...shared, ...prompt(i + 9, 1 + random.below(30))],
        most: 1 + random.below(50),
        seed: i,
        reuse: random.below(3) > 0,
        ...(random.below(4) === 0 && { logprobs: 1 }), // drawn from logits, and all others with it
        signal: stop.signal,
        // some leave between two pieces of the module's loop, some while the prompt runs
        onText: () => random.below(150) === 0 && stop.abort(),
        onProgress: () => random.below(20) === 0 && stop.abort(),
      });
      for (let turns = random.below(150); turns > 0; turns--) await turn();
      return { ask, made: await several.complete(ask) };
    });
    let left = 0;
    for (const { ask, made } of await Promise.all(asks).then((all) => all.values())) {
      const expected = await alone(ask);
      if (made.stop === "aborted") left++;
      expect(made.tokens).toEqual(
        expected.slice(0, made.stop === "aborted" ? made.tokens.length : undefined),
      );
    }
    expect(left).toBeGreaterThan(3);
    expect(several.counts()).toMatchObject({ running: 0, waiting: 0 });
  });
});

test("scores and vectors of texts, beside texts that grow", async () => {
  const model = await run(bundle);
  const several = await poolOf(model);
  const texts = [40, 90, 1, 70].map((length, i) => prompt(i, length));
  const expected = [];
  for (const text of texts)
    expected.push(await scoreTokens(model, text, { top: 2 }), await embedTokens(model, text));
  const asks = Array.from({ length: LANES + 1 }, (_, i) =>
    asking({ ...free, tokens: prompt(i, 60), most: 50, seed: i }),
  );
  const made = asks.map((ask) => several.complete(ask));
  const { signal } = new AbortController();
  const stop = new AbortController();
  const gone = several.score(texts[0]!, { top: 0, signal: stop.signal });
  const read = texts.flatMap((text) => [
    several.score(text, { top: 2, signal }),
    several.embed(text, { signal }),
  ]);
  stop.abort(new Error("gone"));
  await expect(gone).rejects.toThrow("gone");
  expect(several.counts().waiting).toBeGreaterThan(0);
  expect(await Promise.all(read)).toEqual(expected);
  expect((await Promise.all(made)).map(({ tokens }) => tokens)).toEqual(await Promise.all(asks.map(alone)));
  expect(several.counts()).toMatchObject({ running: 0, waiting: 0 });
  await expect(several.score([], { top: 0, signal })).rejects.toMatchObject({ kind: "bad token" });
  await expect(several.embed(Array(121).fill(1), { signal })).rejects.toMatchObject({
    refusal: { kind: "prompt too long", promptTokens: 121, context: 120 },
  });
  const plain = await poolOf(one);
  await expect(plain.embed([1], { signal })).rejects.toMatchObject({ kind: "not built" });
});

test("a worker ends: what runs is refused, and the rest is served by a new model", async () => {
  const threads: Worker[] = [];
  const host: Host = {
    ...nodeHost,
    startPool: (plan) =>
      startPool(plan, (workerData, { report, died }) => {
        const thread = new Worker(inProject("runtime/node/worker.ts"), { workerData });
        threads.push(thread);
        thread.on("message", (message: WorkerReport) => report(message));
        thread.on("exit", (code) => died(`its thread ended with code ${code}`));
        return { busy: () => {}, end: async () => void (await thread.terminate()) };
      }),
  };
  const fragile = openPool({
    open: async () =>
      opened(await createModel(bundle, "infer", { host, workers: 2, target: "relaxed", seed: 5 })),
  });
  await fragile.ready;
  let read: Promise<unknown> | undefined;
  const onText = (): void => {
    const { signal } = new AbortController();
    read ??= fragile.embed([1], { signal }).catch((error) => error); // waits for a lane
    void threads[1]!.terminate();
  };
  const endless = { most: 1e9, whenFull: "shift", onText } as const;
  const running = Array.from({ length: LANES }, () => fragile.complete(asking(endless)));
  const asks = [1, 2, 3].map((seed) => asking({ ...free, tokens: prompt(seed, 10), most: 50, seed }));
  const waiting = asks.slice(1).map((ask) => fragile.complete(ask));
  const failed = { status: "rejected", reason: { kind: "model failed" } };
  expect(await Promise.allSettled(running)).toMatchObject(Array(LANES).fill(failed));
  expect(await read).toMatchObject({ kind: "model failed" });
  const served = await Promise.all([fragile.complete(asks[0]!), ...waiting]);
  expect(served.map(({ tokens }) => tokens)).toEqual(await Promise.all(asks.map(alone)));
  expect(fragile.counts().restarts).toBe(1);
  expect(threads.length).toBe(4);

  // one that ends while nothing runs is not noticed by whoever asks next
  await threads[3]!.terminate();
  const { tokens } = await fragile.complete(asks[0]!);
  expect(tokens).toEqual(await alone(asks[0]!));
  expect(fragile.counts().restarts).toBe(2);
  await threads[5]!.terminate();
  await expect(fragile.embed([1], { signal: new AbortController().signal })).resolves.toBeTruthy();
  await fragile.close();
});

/**
 * Rollouts: each answer is the one that its prompt, its key and the weights give alone, whatever lanes,
 * workers, neighbours and order; and the sampler's log-probabilities are those of the training's forward.
 */
import { expect, test } from "vitest";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { rollOut, type Ask, type Rollout } from "../../../runtime/train/rollouts.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const VOCAB = 29;
const CONTEXT = 48;
const END = 3;
const LANES = 8;
const gpt = `width 32  layers 2  heads 2  embed token + position
  layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true, hidden: 64) }`;
const llama = `width 32  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += swiglu(rmsnorm(x), hidden: 64) }`;
const banded = `width 32  layers 2 alternate banded, dense  heads 4  kv_heads 2  band 10  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += swiglu(rmsnorm(x), hidden: 64) }`;

const run = runningModels();
const bundles = new Map<string, ReturnType<typeof compileSmall>>();

/** A training module, whose bundle is compiled once. */
async function open(spec: string, lanes: number, workers = 1, more?: CompileOptions): Promise<RunningModel> {
  const name = JSON.stringify([lanes, spec, more]);
  const source =
    `model tiny { vocab ${VOCAB}  context ${CONTEXT}  ${spec}  output linear(rmsnorm(x))  ` +
    `train { batch 2  context ${CONTEXT} } }`;
  const options = { lanes, perRow: { logprobs: true }, ...more };
  const bundle = bundles.get(name) ?? compileSmall(source, { module: "train", options });
  bundles.set(name, bundle);
  return run(await bundle, { module: "train" }, workers);
}

/** Five prompts, two of which begin alike for long, and four answers to each. */
const asks: readonly Ask[] = [1, 2, 12, 25, 30].flatMap((length, prompt) => {
  const random = randomStream(prompt === 4 ? 3 : prompt, "prompts");
  const tokens = Array.from({ length }, () => random.below(VOCAB));
  return [0, 1, 2, 3].map((answer) => ({ prompt: tokens, key: [7, prompt, answer] }));
});
const options = { most: 14, ends: [END], temperature: 1, seed: 1 };
const shown = (made: readonly Rollout[]): unknown => made.map((a) => ({ ...a, logprobs: [...a.logprobs] }));

test("an answer depends on its prompt and its key alone", async () => {
  const one = await open(llama, 1);
  const alone: Rollout[] = [];
  for (const ask of asks) alone.push(...(await rollOut(one, [ask], options)));
  expect(new Set(alone.map(({ tokens }) => tokens.length)).size).toBeGreaterThan(4); // ends differ
  expect(new Set(alone.map(({ tokens }) => tokens.join())).size).toBe(asks.length);
  for (const { tokens, logprobs, ended } of alone) {
    expect(tokens.indexOf(END)).toBe(ended ? tokens.length - 1 : -1);
    expect(ended || tokens.length === options.most).toBe(true);
    expect(logprobs.length).toBe(tokens.length);
    expect(logprobs.every((p) => p < 0)).toBe(true);
  }
  for (const [workers, taken] of [
    [1, 0],
    [2, 5],
    [3, 7],
  ] as const) {
    const model = await open(llama, LANES, workers);
    for (let i = 0; i < taken; i++) await model.openLane({}); // others have these
    expect(shown(await rollOut(model, asks, options)), `${LANES - taken} lanes`).toEqual(shown(alone));
    const backwards = await rollOut(model, asks.toReversed(), options);
    expect(shown(backwards.toReversed())).toEqual(shown(alone));
  }
});

test.each([
  ["the first memory embeds and the last one draws", llama, ""],
  ["the first memory embeds and draws", llama, ", tied: true"],
  ["rings of some layers", banded, ""],
  ["learned positions", gpt, ""],
])("in several memories, %s: the answers of one memory", async (_, spec, tied) => {
  const source = `model tiny { vocab ${VOCAB}  context ${CONTEXT}  ${spec}  output linear(rmsnorm(x)${tied})
    train { batch 2  context ${CONTEXT} } }`;
  const compiled = { module: "train", options: { lanes: LANES } } as const;
  const divided = await compileSmall(source, { ...compiled, cut: true });
  expect(divided.manifest.modules.train!.parts!.length).toBeGreaterThan(1);
  const one = await run(await compileSmall(source, compiled), { module: "train" });
  const expected = shown(await rollOut(one, asks, options));
  for (const workers of [1, 2]) {
    const model = await run(divided, { module: "train" }, workers);
    expect(shown(await rollOut(model, asks, options)), `${workers} workers`).toEqual(expected);
    expect(shown(await rollOut(model, asks.toReversed(), options))).toEqual((expected as []).toReversed());
  }
});

test("a call that was interrupted leaves nothing behind that the next one could tell", async () => {
  const expected = shown(await rollOut(await open(llama, LANES), asks, options));
  const model = await open(llama, LANES, 2);
  for (const runs of [1, 2, 3]) {
    const stop = new AbortController();
    let left = runs;
    await model.inTurn(async (lanes) => {
      const { loop } = lanes;
      const draw = loop!.draw.bind(loop);
      loop!.draw = (...given) => {
        if (--left === 0) stop.abort(new Error("stopped"));
        return draw(...given);
      };
    });
    await expect(rollOut(model, asks, { ...options, signal: stop.signal })).rejects.toThrow("stopped");
    expect(shown(await rollOut(model, asks, options))).toEqual(expected);
  }
});

test("keys and values of older weights are never used again", async () => {
  const model = await open(llama, LANES);
  const before = shown(await rollOut(model, asks, options));
  const tokens = Int32Array.from({ length: 2 * CONTEXT }, (_, i) => i % VOCAB);
  await model.trainStep([{ tokens, targets: tokens }], { lr: 1e-2, step: 1 });
  const after = shown(await rollOut(model, asks, options));
  expect(after).not.toEqual(before);
  const other = await open(llama, LANES);
  for (const [i, tensor] of other.of("parameter").entries()) {
    const from = model.of("parameter")[i]!;
    for (let slice = 0; slice < tensor.place.slices; slice++)
      tensor.write(from.dense(slice) as Float32Array, slice);
  }
  expect(shown(await rollOut(other, asks, options))).toEqual(after);
});

test("what cannot be asked for, and what cannot be drawn", async () => {
  const model = await open(llama, LANES);
  const ask = (prompt: number[]) => rollOut(model, [{ prompt, key: [0] }], options);
  await expect(ask([])).rejects.toThrow("prompt 0 of the rollouts has 0 tokens, the context 48");
  await expect(ask([VOCAB])).rejects.toThrow(`prompt 0 of the rollouts has token ${VOCAB}`);
  const full = Array.from({ length: CONTEXT }, () => 1);
  await expect(ask([...full, 1])).rejects.toMatchObject({ kind: "input" });
  const [last] = await ask(full);
  expect(last!.tokens.length).toBe(1); // the context ends there
  expect(await rollOut(model, [], options)).toEqual([]);
  const absent = Array.from({ length: VOCAB }, (_, id) => id).filter((id) => id % 5 > 0);
  for (const { tokens } of await rollOut(model, asks, { ...options, absent }))
    expect(tokens.every((id) => id % 5 === 0)).toBe(true);
  const weights = model.tensors.get("output.linear.weight")!;
  weights.write(weights.dense().fill(NaN));
  await expect(ask([1])).rejects.toMatchObject({ kind: "corrupt" });
});

/**
 * Both compute the same logits but for the order of their sums, and then ln p in other steps: one or two
 * units in the last place of numbers down to −7.
 */
const SAMPLER_TRAINER = 1e-6;

/** Some steps, after which some tokens are likely and others are not. */
async function sharpen(model: RunningModel): Promise<void> {
  const squares = Int32Array.from({ length: 2 * CONTEXT + 1 }, (_, i) => (i * i) % VOCAB);
  const batch = { tokens: squares.slice(0, -1), targets: squares.slice(1) };
  for (let step = 1; step <= 20; step++) await model.trainStep([batch], { lr: 1e-2, step });
}

const adapters: CompileOptions = { weights: "q4_0", lora: { rank: 4, alpha: 8, on: ["all"] } };
const kinds: Readonly<Record<string, readonly [spec: string, options?: CompileOptions]>> = {
  gpt: [gpt],
  llama: [llama],
  "windows by layer": [banded],
  "adapters beside a base in q4_0": [gpt, adapters],
};

test.each(Object.entries(kinds))(
  "%s: what is sampled is what is sampled alone, and what training computes",
  async (_name, [spec, more]) => {
    const model = await open(spec, LANES, 2, more);
    await sharpen(model);
    const unending = { ...options, ends: [] };
    const made = await rollOut(model, asks, unending);
    for (const [i, ask] of asks.entries())
      expect(shown(await rollOut(model, [ask], unending))).toEqual(shown([made[i]!]));
    for (let pair = 0; pair < asks.length; pair += 2) {
      const tokens = new Int32Array(2 * CONTEXT);
      const targets = new Int32Array(2 * CONTEXT).fill(-1);
      const begins = [0, 1].map((b) => b * CONTEXT + asks[pair + b]!.prompt.length - 1);
      for (const [b, begin] of begins.entries()) {
        const answer = made[pair + b]!.tokens;
        tokens.set([...asks[pair + b]!.prompt, ...answer.slice(0, -1)], b * CONTEXT);
        targets.set(answer, begin);
      }
      await model.evaluate({ tokens, targets });
      for (const [b, begin] of begins.entries())
        for (const [i, logprob] of made[pair + b]!.logprobs.entries())
          expect(Math.abs(logprob - model.logprobs()[begin + i]!)).toBeLessThanOrEqual(SAMPLER_TRAINER);
    }
  },
);

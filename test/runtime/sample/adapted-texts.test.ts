/**
 * Texts of a model and of the same model with its adapters grow beside each other: those with adapters are
 * what they are alone, those without are what the model says that never had any; neither takes over what the
 * other has in its lanes.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { rowEntries } from "../../../runtime/contract/entries.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { generateTogether, type BatchTextOptions } from "../../../runtime/sample/batch.ts";
import { embedTokens } from "../../../runtime/sample/embed.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { scoreTokens } from "../../../runtime/sample/score.ts";
import { createSession } from "../../../runtime/sample/session.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { noise } from "../../../bench/measure/kernel-numbers.ts";
import { compileSmall, runningModels, type Compiling } from "../../support/running-models.ts";

const source = `model small { vocab 256  context 96  width 32  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += swiglu(rmsnorm(x), hidden: 48) }
  output linear(rmsnorm(x))  train { batch 1  context 32 } }`;
const run = runningModels();
const lora = { rank: 4, alpha: 8, on: ["all"] } as const;

async function open(how: Compiling, hasAdapters: boolean): Promise<RunningModel> {
  const options = { lanes: 4, entries: rowEntries, verify: true, ...how.options };
  const model = await run(
    await compileSmall(source, { ...how, options: { ...options, ...(hasAdapters && { lora }) } }),
  );
  const draw = noise(3);
  for (const t of model.of("parameter"))
    if (t.place.name.endsWith("lora_b"))
      for (let slice = 0; slice < t.place.slices; slice++) t.fill(slice, () => 0.3 * draw());
  return model;
}

const ids = (seed: number, length: number): number[] => {
  const random = randomStream(seed, "texts");
  return Array.from({ length }, () => random.below(256));
};
const PROMPT = ids(1, 40);
/** Two of each kind begin alike; two are drawn from logits. */
const asked = (adapters: boolean): BatchTextOptions[] =>
  [PROMPT, [...PROMPT, 7], ids(2, 5)].map((prompt, i) => ({
    ...samplerDefaults,
    prompt,
    tokens: [20, 12, 30][i]!,
    temperature: 1,
    seed: i,
    adapters,
    ...(i === 2 && { logprobs: 1 }),
  }));

const grow = async (model: RunningModel, texts: readonly BatchTextOptions[]): Promise<unknown[]> =>
  (await generateTogether(model, byteTokenizer(), texts)).map(({ tokens, logprobs }) => ({
    tokens,
    logprobs,
  }));

describe.each<[string, Compiling]>([
  ["f32", {}],
  ["q8_0 in several memories", { options: { weights: "q8_0" }, cut: true }],
])("%s", (_, how) => {
  let base: RunningModel;
  let adapted: RunningModel;
  beforeAll(async () => {
    base = await open(how, false);
    adapted = await open(how, true);
  });

  test("each text as alone, and without adapters as the model that has none", async () => {
    const without = await grow(base, asked(false));
    const alone: unknown[] = [];
    for (const text of asked(true)) alone.push(...(await grow(adapted, [text])));
    expect(alone).not.toEqual(without);
    const mixed = asked(true).flatMap((text, i) => [text, asked(false)[i]!]);
    const grown = await grow(adapted, mixed);
    expect(grown.filter((_text, i) => i % 2 === 0)).toEqual(alone);
    expect(grown.filter((_text, i) => i % 2 === 1)).toEqual(without);
    // and once more, with both kinds' beginnings in the lanes
    expect(await grow(adapted, mixed)).toEqual(grown);
  });

  test("so are scores and vectors; a session has the adapters, whoever had its lane before", async () => {
    const feed = async (): Promise<number[]> => [...(await createSession(adapted).feed(PROMPT)).logits];
    const first = await feed();
    expect(await scoreTokens(adapted, PROMPT, { adapters: false })).toEqual(await scoreTokens(base, PROMPT));
    expect(await embedTokens(adapted, PROMPT, { adapters: false })).toEqual(await embedTokens(base, PROMPT));
    expect(await embedTokens(adapted, PROMPT)).not.toEqual(await embedTokens(base, PROMPT));
    for (const lane of [0, 1, 2, 3]) await grow(adapted, [{ ...asked(false)[0]!, lane }]);
    expect(await feed()).toEqual(first);
  });
});

test("a module whose adapters count for all alike says so", async () => {
  const trains = await run(await compileSmall(source, { module: "train", options: { lanes: 2, lora } }), {
    module: "train",
  });
  await expect(grow(trains, [asked(false)[0]!])).rejects.toThrow("count for all texts alike");
});

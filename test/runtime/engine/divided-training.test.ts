/**
 * Training over several memories: losses, norms, weights and logits are those of one memory, bit for bit, for
 * any number of workers, and a checkpoint of either goes on in the other.
 */
import { describe, expect, test } from "vitest";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { Batch, RunningModel } from "../../../runtime/engine/model.ts";
import { loadNewest, saveCheckpoint } from "../../../runtime/store/checkpoint.ts";
import { bitsOf } from "../../support/fake-model.ts";
import { memoryFiles } from "../../support/memory-files.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const R = 32;
interface Case {
  readonly model: string;
  readonly options?: CompileOptions;
  /** The order of the memories' legs. */
  readonly runs: readonly string[];
}

const cases: Readonly<Record<string, Case>> = {
  "a GPT, both ends in the first memory, moments in 8 bits, logits in blocks": {
    model: `width 64
      layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true) }
      output linear(layernorm(x), tied: true)  train { batch 2  optimizer adamw8  recompute layers }`,
    options: { logitBytes: 4096 },
    runs: ["0.train", "1.train", "0.train_2", "1.train_2", "0.train_3", "0.train_4", "1.train_3"],
  },
  "a mixture with windows": {
    model: `width 32
      layer { x += attention(rmsnorm(x), rope: rope(), window: 7)
              x += experts(rmsnorm(x), count: 4, top: 2, hidden: 24) }
      output linear(rmsnorm(x))  train { batch 2 }`,
    runs: ["0.train", "1.train", "0.train_2", "0.train_3", "1.train_2"],
  },
};

const open = runningModels();

const batch = (seed: number): Batch => ({
  tokens: Int32Array.from({ length: R }, (_, i) => (i * 11 + seed) % 61),
  targets: Int32Array.from({ length: R }, (_, i) => (i % 9 === 4 ? -1 : (i * 7 + seed) % 61)),
});

/** What two updates of two micro-batches say, the weights behind them, an evaluation and logits. */
async function trained(model: RunningModel, first: number): Promise<string> {
  const said: unknown[] = [];
  for (let step = first; step < first + 2; step++)
    said.push(await model.trainStep([batch(step), batch(step + 5)], { lr: 1e-2, step }));
  said.push(await model.evaluate(batch(9)), [...(await model.feed([1, 2, 3], 0))]);
  return JSON.stringify(said) + bitsOf(model);
}

/** A model goes on where another one is. */
async function handOver(from: RunningModel, to: RunningModel): Promise<void> {
  const files = memoryFiles();
  const batches = randomStream(1, "batches").state();
  await saveCheckpoint(files, "run", from, { step: 2, tokens: 256, batches, identity: {} }, 1);
  await loadNewest(files, "run", to, "all");
}

describe.each(Object.entries(cases))("%s", (_, { model: text, options, runs }) => {
  test("has the bits of one memory", async () => {
    const source = `model m { vocab 61  context 16  layers 3  heads 2  embed token + position
      tokenizer characters  ${text} }`;
    const module = "train" as const;
    const compiled = { module, ...(options && { options }) };
    const divided = await compileSmall(source, { ...compiled, cut: true });
    const { parts, entries } = divided.manifest.modules.train!;
    expect(parts!.length).toBe(2);
    expect(entries[0]!.runs!.map(({ part, entry }) => `${part}.${entry}`)).toEqual(runs);

    const one = await open(await compileSmall(source, compiled), { module });
    const [alone, shared] = [await open(divided, { module }, 1), await open(divided, { module }, 2)];
    const expected = await trained(one, 1);
    expect(await trained(alone, 1)).toBe(expected);
    await handOver(one, shared);
    await handOver(alone, one);
    const later = await trained(one, 3);
    for (const model of [alone, shared]) expect(await trained(model, 3)).toBe(later);
  });
});

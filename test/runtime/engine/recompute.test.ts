/**
 * Layers that are computed again in the backward: losses, norms and weights are those of a training that
 * keeps everything, bit for bit, for any number of workers.
 */
import { describe, expect, test } from "vitest";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { Batch, RunningModel } from "../../../runtime/engine/model.ts";
import { bitsOf } from "../../support/fake-model.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const R = 32;
interface Case {
  readonly layer: string;
  readonly options?: CompileOptions;
  readonly rows?: Pick<Batch, "positions" | "first">;
}

const cases: Readonly<Record<string, Case>> = {
  "a GPT, its logits in blocks": {
    layer: "layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true) }",
    options: { logitBytes: 4096 },
  },
  "a mixture with windows": {
    layer:
      "layer { x += attention(rmsnorm(x), rope: rope(), window: 7) " +
      "x += experts(rmsnorm(x), count: 4, top: 2, hidden: 24) }",
  },
  "adapters on a base in int8, documents side by side": {
    layer: "layer { x += attention(rmsnorm(x), rope: rope())  x += swiglu(rmsnorm(x), hidden: 40) }",
    options: { lora: { rank: 4, alpha: 8, on: ["all"] }, weights: "q8_0", packed: true },
    rows: {
      positions: Int32Array.from({ length: R }, (_, i) => i % 8),
      first: Int32Array.from({ length: R }, (_, i) => 8 * Math.floor((i % 16) / 8)),
    },
  },
};

const sourceOf = (layer: string, recompute: string): string =>
  `model m { vocab 61  context 16  width 32  layers 3  heads 2  embed token + position  ${layer}
    output linear(layernorm(x))  tokenizer characters  train { batch 2  recompute ${recompute} } }`;

const open = runningModels();

/** Losses and norms of two updates, each of two micro-batches, and the weights at their end. */
async function trained(model: RunningModel, rows: Case["rows"]): Promise<string> {
  const batch = (seed: number): Batch => ({
    tokens: Int32Array.from({ length: R }, (_, i) => (i * 11 + seed) % 61),
    targets: Int32Array.from({ length: R }, (_, i) => (i % 9 === 4 ? -1 : (i * 7 + seed) % 61)),
    ...rows,
  });
  const said: unknown[] = [];
  for (let step = 1; step <= 2; step++)
    said.push(await model.trainStep([batch(step), batch(step + 5)], { lr: 1e-2, step }));
  return JSON.stringify(said) + bitsOf(model);
}

describe.each(Object.entries(cases))("%s", (_, { layer, options, rows }) => {
  test("has the same bits", async () => {
    const compiled = (recompute: string) =>
      compileSmall(sourceOf(layer, recompute), { module: "train", ...(options && { options }) });
    const [kept, again] = [await compiled("none"), await compiled("layers")];
    const expected = await trained(await open(kept, { module: "train" }), rows);
    for (const workers of [1, 2]) {
      const model = await open(again, { module: "train" }, workers);
      expect(model.memoryBytes).toBeLessThan(kept.manifest.modules.train!.memoryBytes);
      expect(await trained(model, rows)).toBe(expected);
    }
  });
});

/**
 * Training over several memories: losses, norms, weights and logits are those of one memory, bit for bit, for
 * any number of workers, and a checkpoint of either goes on in the other. Other models are in
 * divided-training.variants.test.ts.
 */
import { test } from "vitest";
import { expectSameBits } from "../../support/divided-training.ts";
import { runningModels } from "../../support/running-models.ts";

const open = runningModels();

test("a GPT, both ends in the first memory, moments in 8 bits, logits in blocks", () =>
  expectSameBits(
    {
      model: `width 64
        layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true) }
        output linear(layernorm(x), tied: true)  train { batch 2  optimizer adamw8  recompute layers }`,
      options: { logitBytes: 4096 },
      runs: ["0.train", "1.train", "0.train_2", "1.train_2", "0.train_3", "0.train_4", "1.train_3"],
    },
    open,
  ));

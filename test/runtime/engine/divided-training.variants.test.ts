/** Training over several memories, of models of other kinds: see divided-training.test.ts. */
import { test } from "vitest";
import { expectSameBits, ROWS, type DividedCase } from "../../support/divided-training.ts";
import { runningModels } from "../../support/running-models.ts";

const both = ["0.train", "1.train", "0.train_2", "1.train_2", "0.train_3", "0.train_4", "1.train_3"];
const untied = ["0.train", "1.train", "0.train_2", "0.train_3", "1.train_2"];

const cases: Readonly<Record<string, DividedCase>> = {
  "a mixture with windows": {
    model: `width 32
      layer { x += attention(rmsnorm(x), rope: rope(), window: 7)
              x += experts(rmsnorm(x), count: 4, top: 2, hidden: 24) }
      output linear(rmsnorm(x))  train { batch 2 }`,
    runs: untied,
  },
  "an untied GPT, moments in 8 bits": {
    model: `width 64
      layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true) }
      output linear(layernorm(x))  train { batch 2  optimizer adamw8 }`,
    runs: untied,
  },
  "adapters on a base in int8, documents side by side": {
    model: `width 32
      layer { x += attention(rmsnorm(x), rope: rope())  x += swiglu(rmsnorm(x), hidden: 40) }
      output linear(rmsnorm(x), tied: true)  train { batch 2 }`,
    options: { lora: { rank: 4, alpha: 8, on: ["all"] }, weights: "q8_0", packed: true },
    rows: {
      positions: Int32Array.from({ length: ROWS }, (_, i) => i % 8),
      first: Int32Array.from({ length: ROWS }, (_, i) => 8 * Math.floor((i % 16) / 8)),
    },
    runs: both,
  },
};

const open = runningModels();

test.each(Object.entries(cases))("%s", (_, divided) => expectSameBits(divided, open));

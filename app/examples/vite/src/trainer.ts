/** The thread in which the model lives: it learns, shows what it has learnt, and goes on. */
import { byteTokenizer, createModel, generate, samplerDefaults } from "@sinter/runtime";
import { browserHost } from "@sinter/runtime/browser";
import type Flowers from "./flowers.sinter?train";
import { flowers } from "./flowers.ts";

/** What the page is told. */
export interface Learnt {
  readonly step: number;
  readonly loss: number;
  /** Names that the model has made up; none at most steps. */
  readonly names: readonly string[];
  /** The row of the token table of each letter from a to z. */
  readonly letters: Float32Array;
}

const STEPS = 600;
const WARMUP = 20;
const SHOW_EVERY = 20;

async function learn(bundle: typeof Flowers): Promise<void> {
  // every name and number below is checked against the spec, by TypeScript
  const model = await createModel(bundle, "train", { host: browserHost, workers: 1, seed: 1 });
  const { batch, context } = model.entry("train");
  const { width } = bundle.manifest.model.sizes;
  const table = model.tensors.get("token_embedding.weight");

  const tokenizer = byteTokenizer();
  const text = tokenizer.encode(flowers);
  for (let step = 1; step <= STEPS; step++) {
    const tokens = new Int32Array(batch * context);
    const targets = new Int32Array(batch * context);
    for (let row = 0; row < batch; row++) {
      const at = Math.floor(Math.random() * (text.length - context));
      tokens.set(text.slice(at, at + context), row * context);
      targets.set(text.slice(at + 1, at + context + 1), row * context);
    }
    const lr = 3e-3 * Math.min(1, step / WARMUP);
    const { loss } = await model.trainStep([{ tokens, targets }], { lr, step });

    const names: string[] = [];
    if (step % SHOW_EVERY === 0) {
      const options = { ...samplerDefaults, prompt: "\n", tokens: context - 1, seed: step };
      names.push(...(await generate(model, tokenizer, options)).text.split("\n").slice(0, -1));
    }
    const letters = table.dense().slice(0x61 * width, 0x7b * width) as Float32Array;
    postMessage({ step, loss, names, letters } satisfies Learnt);
  }
}

addEventListener("message", ({ data }: MessageEvent<typeof Flowers>) => void learn(data).catch(reportError));

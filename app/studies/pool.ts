/**
 * npm run study -- pool [--model SPEC:NAME:WEIGHTS] [--asks 1,2,4,8] [--prompt 16] [--answer 128]
 * [--long 512] [--workers 2] [--target wide] [--ms 0]
 *
 * The server's pool without HTTP: tokens per second of all answers together, for several numbers of asks at
 * once, by turns, and how many times one ask's that is; beside the largest number the same texts in a batch
 * of their own, which says what the pool's turn-taking costs. Then what a long prompt does to texts that
 * grow: the longest time between two of their tokens, and until the prompt's first token, with prompts cut by
 * time, as the pool does, and whole. Weights are drawn at random: speed does not depend on them.
 */
import { parseArgs } from "node:util";
import { compileModel } from "../../compiler/compile.ts";
import { joinPairs } from "../../bench/measure/kernel-numbers.ts";
import { median, rounds } from "../../bench/measure/statistics.ts";
import { randomStream } from "../../runtime/base/random.ts";
import { targets } from "../../runtime/contract/targets.ts";
import { fillTensors } from "../../runtime/engine/fill.ts";
import { createModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { generateTogether, TextBatch, type BatchTextOptions } from "../../runtime/sample/batch.ts";
import { samplerDefaults } from "../../runtime/sample/sampler.ts";
import type { Tokenizer } from "../../runtime/tokenizers/base/tokenizer.ts";
import { byteTokenizer } from "../../runtime/tokenizers/plain/bytes.ts";
import { named } from "../cli/options/option.ts";
import { weightsFrom } from "../cli/options/weights.ts";
import { openPool } from "../server/pool/pool.ts";
import type { Serving } from "../server/pool/serving.ts";
import { modelIn } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    model: { type: "string", default: "specs/gpt2.sinter:gpt2:q8_0" },
    asks: { type: "string", default: "1,2,4,8" },
    prompt: { type: "string", default: "16" },
    answer: { type: "string", default: "128" },
    long: { type: "string", default: "512" },
    workers: { type: "string", default: "2" },
    target: { type: "string", default: "wide" },
    ms: { type: "string", default: "0" },
  },
});
const counts = o.asks.split(",").map(Number);
const [PROMPT, ANSWER, LONG] = [Number(o.prompt), Number(o.answer), Number(o.long)];
const most = Math.max(...counts);
const target = named("target", targets, o.target);
joinPairs(target);

const [spec, name, weights] = o.model.split(":") as [string, string, string];
const found = modelIn(spec, name);
const context = Math.min(found.sizes.context, Math.max(PROMPT + ANSWER, LONG + 1));
const how = {
  targets: [target],
  modules: ["infer"],
  weights: weightsFrom(weights),
  lanes: most + 1,
} as const;
const bundle = await compileModel({ ...found, sizes: { ...found.sizes, context } }, how);
const model = await createModel(bundle, "infer", { host: nodeHost, workers: Number(o.workers), target });
fillTensors(model.of("parameter"));
const { vocab } = found.sizes;
const bytes = Uint8Array.of("x".charCodeAt(0));
const tokenizer: Tokenizer = { ...byteTokenizer(), size: vocab, bytes: () => bytes };
const facts = { tokenizer, name, weightsBytes: 0, fingerprint: "", spec: "", created: 0 };
const pool = openPool({ open: async () => ({ model, facts }) });
await pool.ready;

/** Texts that no other one begins like; `seed` makes others of them. */
const textOf = (seed: number, i: number, prompt: number, tokens: number): BatchTextOptions => {
  const random = randomStream(seed, `text ${i}`);
  const ids = Array.from({ length: prompt }, () => random.below(vocab));
  return { ...samplerDefaults, prompt: ids, tokens, seed: seed * most + i, whenFull: "stop" };
};
await compareRates();
await compareWaits();
await pool.close();

async function askAll(serving: Serving, texts: readonly BatchTextOptions[]): Promise<string> {
  const { signal } = new AbortController();
  const asks = texts.map(({ prompt, ...sampling }) =>
    serving.complete({ tokens: prompt as readonly number[], sampling, signal }),
  );
  return (await Promise.all(asks)).map(({ tokens }) => tokens.join()).join(" ");
}

async function compareRates(): Promise<void> {
  const pooled = counts.map((): number[] => []);
  const batched: number[] = [];
  await askAll(pool, [textOf(0, 0, PROMPT, 8)]); // touches all weights once
  await rounds({ warm: 0, least: 3, ms: Number(o.ms) }, async (_, cycle) => {
    for (const [i, B] of counts.entries()) {
      const texts = Array.from({ length: B }, (_, text) => textOf(cycle, text, PROMPT, ANSWER));
      const began = performance.now();
      const asked = await askAll(pool, texts);
      pooled[i]!.push(performance.now() - began);
      if (B === most) await batchAlone(texts, asked);
    }
  });
  console.log(`${name} in ${weights}, ${o.target}, ${model.workers} workers`);
  console.log(`prompts of ${PROMPT}, answers of ${ANSWER}`);
  print("asks", "tok/s", "× one ask");
  for (const [i, B] of counts.entries()) {
    const gain = median(pooled[i]!.map((ms, cycle) => (B * pooled[0]![cycle]!) / (counts[0]! * ms)));
    print(`${B}`, ((1000 * B * ANSWER) / median(pooled[i]!)).toFixed(1), gain.toFixed(2));
  }
  const largest = pooled[counts.indexOf(most)]!;
  const cost = median(largest.map((ms, cycle) => ms / batched[cycle]! - 1));
  console.log(`the pool's turn-taking costs ${(100 * cost).toFixed(1)} % with ${most} asks`);

  async function batchAlone(texts: readonly BatchTextOptions[], asked: string): Promise<void> {
    model.weightsChanged(); // nothing is taken over from the texts before
    const began = performance.now();
    const made = await generateTogether(model, tokenizer, texts);
    batched.push(performance.now() - began);
    if (asked !== made.map(({ tokens }) => tokens.join()).join(" "))
      throw new Error(`${most} asks: other texts`);
  }
}

/** A long prompt beside `most` texts that grow. */
async function compareWaits(): Promise<void> {
  console.log(`\na prompt of ${LONG} beside ${most} texts`);
  print("pieces of", "longest wait", "first token");
  for (const promptMs of [100, Infinity]) {
    const waits: number[] = [];
    const firsts: number[] = [];
    const batch = new TextBatch(model, tokenizer, { promptMs });
    for (let seed = 1; seed <= 4; seed++) {
      const { wait, first } = await waitsBeside(batch, seed);
      if (seed === 1) continue; // the batch learns the size of its pieces
      waits.push(wait);
      firsts.push(first);
    }
    const piece = promptMs === Infinity ? "all" : `${promptMs} ms`;
    print(piece, `${median(waits).toFixed(0)} ms`, `${median(firsts).toFixed(0)} ms`);
  }
}

async function waitsBeside(batch: TextBatch, seed: number): Promise<{ wait: number; first: number }> {
  for (let i = 0; i < most; i++) batch.addText(textOf(seed, i, PROMPT, ANSWER));
  for (let step = 0; step < 8; step++) await batch.step();
  const began = performance.now();
  const long = batch.addText(textOf(seed, most, LONG, 1));
  let wait = 0;
  for (let last = began; !long.made; last = performance.now()) {
    await batch.step();
    wait = Math.max(wait, performance.now() - last);
  }
  const first = performance.now() - began;
  batch.close();
  return { wait, first };
}

function print(...cells: readonly string[]): void {
  console.log(cells.map((cell, i) => cell.padStart(i === 0 ? 9 : 14)).join(""));
}

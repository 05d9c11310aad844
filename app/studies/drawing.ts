/**
 * npm run study -- drawing [--model SPEC:NAME]… [--texts 1,8,32,64] [--tokens 32] [--workers 1,2]
 * [--target wide] [--ms 4000] [--context 128]
 *
 * Tokens that a module draws by itself, beside the same tokens drawn from logits in JavaScript: B texts at
 * once, by turns, in tokens per second of all texts together. The settings are the sampler's defaults; both
 * have to draw the same tokens. Weights are drawn at random, since speed does not depend on them.
 */
import { parseArgs } from "node:util";
import { compileModel } from "../../compiler/compile.ts";
import { joinPairs } from "../../bench/measure/kernel-numbers.ts";
import { median, rounds } from "../../bench/measure/statistics.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { targets } from "../../runtime/contract/targets.ts";
import { randomStream, type Random } from "../../runtime/base/random.ts";
import type { Lanes } from "../../runtime/engine/lanes.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { sampleToken, samplerDefaults } from "../../runtime/sample/sampler.ts";
import { named } from "../cli/options/option.ts";
import { modelIn } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    model: {
      type: "string",
      multiple: true,
      default: ["specs/quickstart.sinter:quickstart", "specs/llama2.sinter:stories260K"],
    },
    texts: { type: "string", default: "1,8,32,64" },
    tokens: { type: "string", default: "32" },
    workers: { type: "string", default: "1,2" },
    target: { type: "string", default: "wide" },
    ms: { type: "string", default: "4000" },
    context: { type: "string", default: "128" },
  },
});
const target = named("target", targets, o.target);
const numbers = (list: string): number[] => list.split(",").map(Number);
const TOKENS = Number(o.tokens);
/** Turns that come first and do not count. */
const WARM = 3;
const LEAST = 5;
const streamOf = (text: number, seed: number): Random => randomStream(seed, `text ${text}`);
const firstToken = (text: number): number => 1 + (text % 200);

joinPairs(target);
print("model", "workers", "texts", "from logits", "in the module", "ratio");
for (const text of o.model) {
  const [spec, name] = text.split(":") as [string, string];
  const found = modelIn(spec, name);
  const source: Model = { ...found, sizes: { ...found.sizes, context: Number(o.context) } };
  for (const B of numbers(o.texts)) {
    const bundle = await compileModel(source, { targets: [target], modules: ["infer"], lanes: B });
    for (const workers of numbers(o.workers)) {
      const model = await createModel(bundle, "infer", { host: nodeHost, workers, target, seed: 1 });
      await measure(name, model, B);
      await model.close();
    }
  }
}

async function measure(name: string, model: RunningModel, B: number): Promise<void> {
  const times: Record<"logits" | "module", number[]> = { logits: [], module: [] };
  const timed = async (how: keyof typeof times, work: (lanes: Lanes) => Promise<number[][]>) => {
    const began = performance.now();
    const tokens = await model.inTurn(work);
    return { how, tokens, ms: performance.now() - began };
  };
  await rounds({ warm: WARM, least: LEAST, ms: Number(o.ms) }, async (counts, seed) => {
    const logits = await timed("logits", (lanes) => fromLogits(lanes, B, seed));
    const module = await timed("module", (lanes) => inModule(lanes, B, seed));
    if (JSON.stringify(logits.tokens) !== JSON.stringify(module.tokens))
      throw new Error(`${name}, ${B} texts: other tokens`);
    if (counts) for (const { how, ms } of [logits, module]) times[how].push(ms);
  });
  const rate = (how: keyof typeof times): number => (1000 * B * TOKENS) / median(times[how]);
  const ratio = median(times.logits.map((ms, i) => ms / times.module[i]!));
  const rates = [rate("logits").toFixed(0), rate("module").toFixed(0), ratio.toFixed(2)];
  print(name, `${model.workers}`, `${B}`, ...rates);
}

/** A run for all texts, then a token for each of them from its logits, and so on. */
async function fromLogits(lanes: Lanes, B: number, seed: number): Promise<number[][]> {
  const texts = lanes.all.slice(0, B).map((lane, i) => ({
    lane,
    tokens: [firstToken(i)],
    random: streamOf(i, seed),
  }));
  const logits = new Float32Array(lanes.classes);
  for (let step = 0; step < TOKENS; step++) {
    await lanes.run(texts.map(({ lane, tokens }) => ({ lane, start: step, tokens: [tokens[step]!] })));
    for (const [row, { tokens, random }] of texts.entries()) {
      lanes.readLogits(logits, row);
      tokens.push(sampleToken(logits, samplerDefaults, tokens, random));
    }
  }
  return texts.map(({ tokens }) => tokens.slice(1));
}

async function inModule(lanes: Lanes, B: number, seed: number): Promise<number[][]> {
  const loop = lanes.loop;
  if (!loop) throw new Error("this module draws no tokens by itself");
  const own = lanes.all.slice(0, B);
  for (const [i, lane] of own.entries()) {
    lane.lose();
    loop.begin(lane, {
      tokens: [firstToken(i)],
      most: TOKENS,
      draw: { ...samplerDefaults, ids: lanes.classes, logprobs: false },
      absent: [],
      ends: [],
      random: streamOf(i, seed).state(),
    });
  }
  const added = await loop.draw(own, TOKENS);
  return added.map(({ tokens }) => [...tokens]);
}

function print(...cells: readonly string[]): void {
  console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(16) : cell.padStart(14))).join(""));
}

/**
 * npm run study -- rollouts [--model SPEC:NAME]… [--answers 64] [--lanes 64] [--group 8] [--prompt 12]
 * [--tokens 48] [--workers 1,2] [--target wide] [--ms 6000] [--alone 8]
 *
 * Answers that a training module samples at once, beside the same module with one lane, which samples them
 * one after the other: by turns, in tokens per second. Both have to give the same tokens and
 * log-probabilities. Answers end at different times: one id in the vocabulary is an end. Only the first
 * `--alone` answers are sampled one by one. Weights are drawn at random, since speed does not depend on them.
 * Last column: by how much the sampler's log-probabilities differ at most from those of the module's entry
 * `evaluate`.
 */
import { parseArgs } from "node:util";
import { compileModel } from "../../compiler/compile.ts";
import { joinPairs } from "../../bench/measure/kernel-numbers.ts";
import { median, rounds } from "../../bench/measure/statistics.ts";
import { randomStream } from "../../runtime/base/random.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { targets } from "../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { rollOut, type Ask, type Rollout } from "../../runtime/train/rollouts.ts";
import { named } from "../cli/options/option.ts";
import { modelIn } from "./asked.ts";

const SPECS = "bench/specs/bench-sizes.sinter";
const { values: o } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: [`${SPECS}:S`, `${SPECS}:M`] },
    answers: { type: "string", default: "64" },
    lanes: { type: "string", default: "64" },
    group: { type: "string", default: "8" },
    prompt: { type: "string", default: "12" },
    tokens: { type: "string", default: "48" },
    workers: { type: "string", default: "1,2" },
    target: { type: "string", default: "wide" },
    ms: { type: "string", default: "6000" },
    alone: { type: "string", default: "8" },
  },
});
const target = named("target", targets, o.target);
const numbers = (list: string): number[] => list.split(",").map(Number);
const [answers, group, promptTokens, most] = [o.answers, o.group, o.prompt, o.tokens].map(Number) as [
  number,
  number,
  number,
  number,
];
const END = 0;
const shown = ({ tokens, logprobs }: Rollout): string => `${tokens.join()} ${logprobs.join()}`;

joinPairs(target);
print("model", "workers", "lanes", "one by one", "at once", "ratio", "difference");
for (const text of o.model) {
  const [spec, name] = text.split(":") as [string, string];
  const source = modelIn(spec, name);
  const compiled = (lanes: number) =>
    compileModel(source, { targets: [target], modules: ["train"], lanes, perRow: { logprobs: true } });
  const single = await compiled(1);
  for (const lanes of numbers(o.lanes)) {
    const many = await compiled(lanes);
    for (const workers of numbers(o.workers)) {
      const open = (bundle: typeof many): Promise<RunningModel> =>
        createModel(bundle, "train", { host: nodeHost, workers, target, seed: 1 });
      const [one, several] = [await open(single), await open(many)];
      const { alone, atOnce, ratio } = await measure(one, several, source.sizes.vocab);
      const rates = [alone.toFixed(0), atOnce.toFixed(0), ratio.toFixed(2)];
      const difference = await largestDifference(several, source);
      print(name, `${workers}`, `${lanes}`, ...rates, difference.toExponential(1));
      await one.close();
      await several.close();
    }
  }
}

/** Tokens per second, and the median of the turns' ratios. */
async function measure(one: RunningModel, several: RunningModel, vocab: number) {
  const rates: Record<"alone" | "atOnce", number[]> = { alone: [], atOnce: [] };
  await rounds({ warm: 1, least: 3, ms: Number(o.ms) }, async (counts, step) => {
    const asks = asksOf(step, vocab);
    const alone = await timed(one, asks.slice(0, Number(o.alone)));
    const atOnce = await timed(several, asks);
    const same = alone.made.every((answer, i) => shown(answer) === shown(atOnce.made[i]!));
    if (!same) throw new Error(`step ${step}: other answers at once than one by one`);
    if (!counts) return;
    rates.alone.push(alone.rate);
    rates.atOnce.push(atOnce.rate);
  });
  const ratio = median(rates.alone.map((rate, i) => rates.atOnce[i]! / rate));
  return { alone: median(rates.alone), atOnce: median(rates.atOnce), ratio };
}

/** The prompts of one step, `group` answers to each. */
function asksOf(step: number, vocab: number): readonly Ask[] {
  const random = randomStream(step, "prompts");
  return Array.from({ length: Math.ceil(answers / group) }, (_, prompt) => {
    const tokens = Array.from({ length: promptTokens }, () => random.below(vocab));
    return Array.from({ length: group }, (_, answer) => ({ prompt: tokens, key: [step, prompt, answer] }));
  })
    .flat()
    .slice(0, answers);
}

async function timed(model: RunningModel, asks: readonly Ask[]) {
  const began = performance.now();
  const made = await rollOut(model, asks, { most, ends: [END], temperature: 1, seed: 1 });
  const seconds = (performance.now() - began) / 1000;
  return { made, rate: made.reduce((sum, { tokens }) => sum + tokens.length, 0) / seconds };
}

/** Between the log-probabilities of the sampler and of the training's forward, over the answers of a step. */
async function largestDifference(model: RunningModel, { train, sizes }: Model): Promise<number> {
  const asks = asksOf(0, sizes.vocab);
  const { made } = await timed(model, asks);
  let largest = 0;
  for (let i = 0; i < asks.length; i += train.batch) {
    const tokens = new Int32Array(train.batch * train.context);
    const targets = new Int32Array(tokens.length).fill(-1);
    const places = asks.slice(i, i + train.batch).map(({ prompt }, b) => {
      const answer = made[i + b]!.tokens;
      tokens.set([...prompt, ...answer.slice(0, -1)], b * train.context);
      const first = b * train.context + prompt.length - 1;
      targets.set(answer, first);
      return first;
    });
    await model.evaluate({ tokens, targets });
    const trained = model.logprobs();
    for (const [b, first] of places.entries())
      for (const [t, sampled] of made[i + b]!.logprobs.entries())
        largest = Math.max(largest, Math.abs(sampled - trained[first + t]!));
  }
  return largest;
}

function print(...cells: readonly string[]): void {
  console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(8) : cell.padStart(12))).join(""));
}

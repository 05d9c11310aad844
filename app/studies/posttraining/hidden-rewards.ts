/**
 * Preferences that come from hidden rewards (experiment X6), whose outcome is known exactly: 8 prompts, 8
 * answers of one token to each, R ~ N(0, 1); of two answers the better one is chosen with probability
 * σ(R_a − R_b). Every pair counts with that probability, so nothing is left to chance. What dpo ends at is
 *
 *   π* ∝ π_ref · e^{R / beta}      beta · ln(π* / π_ref) = R, up to a number per prompt
 *
 * and its least loss is the entropy of the labels, not 0 (Rafailov et al. 2023). ipo and kto are asked for
 * the order alone. The negative control has pairs that say nothing: each way with probability ½.
 */
import { checkSource } from "../../../compiler/2-check/check.ts";
import { objectiveOf } from "../../../compiler/2-check/objectives.ts";
import { compileModel } from "../../../compiler/compile.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { normalQuantile } from "../../../runtime/engine/init.ts";
import { createModel, type Batch, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";

export interface HiddenRewardsOptions {
  readonly objective: "dpo" | "ipo" | "kto";
  /** The pairs say nothing. */
  readonly control?: boolean;
  readonly beta: number;
  readonly steps: number;
  readonly lr: number;
  readonly seed: number;
  readonly target?: Target;
}

export interface HiddenRewardsResult {
  /** The largest |difference of implicit rewards − difference of R|, over all pairs of a prompt. */
  readonly worst: number;
  /** Of the pairs of answers whose R differ: how many are in the right order. */
  readonly inOrder: number;
  /** The expected loss at the end, and the entropy of the labels. */
  readonly loss: number;
  readonly entropy: number;
  /** KL(model ‖ reference), mean over prompts, and that of π*. */
  readonly divergence: number;
  readonly bestDivergence: number;
}

const PROMPTS = 8;
const ANSWERS = 8;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const range = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => i);

export async function runHiddenRewards(o: HiddenRewardsOptions): Promise<HiddenRewardsResult> {
  const units = o.objective === "kto" ? judged(o) : pairs(o);
  const target = o.target ?? "simd";
  const model = modelOf(units.length * each(o), o.seed);
  const objective = objectiveOf(o.objective);
  const bundle = await compileModel(model, {
    targets: [target],
    modules: ["train"],
    objective,
    perRow: { weights: true, logprobs: true },
  });
  const running = await createModel(bundle, "train", {
    host: nodeHost,
    workers: 1,
    target,
    seed: o.seed,
  });
  try {
    const before = await logprobsOf(running);
    const batch = batchOf(units, before, o);
    let loss = NaN;
    for (let step = 1; step <= o.steps; step++) {
      const lr = o.lr * Math.min(1, (2 * (o.steps - step + 1)) / o.steps);
      const { objective: means } = await running.trainStep([batch], { lr, step, settings: { beta: o.beta } });
      loss = means!.weighted;
    }
    return { loss, ...figuresOf(before, await logprobsOf(running), o) };
  } finally {
    await running.close();
  }
}

const each = ({ objective }: HiddenRewardsOptions): number => (objective === "kto" ? 1 : 2);

function modelOf(batch: number, seed: number): Model {
  const spec = `model bandits {
  vocab ${PROMPTS + ANSWERS}   context 2   width 32   layers 1   heads 1
  embed token
  layer { x += mlp(rmsnorm(x), hidden: 64) }
  output linear(rmsnorm(x))
  tokenizer ids
  train { batch ${batch}  context 2  decay 0  clip 0  beta2 0.99  seed ${seed} }
}`;
  return checkSource(spec).models[0]!;
}

/** R of each answer to each prompt. */
function rewardsOf({ seed }: HiddenRewardsOptions): readonly (readonly number[])[] {
  const { word } = randomStream(seed, "hidden rewards");
  return range(PROMPTS).map(() => range(ANSWERS).map(() => normalQuantile((word() + 0.5) / 2 ** 32)));
}

/** One answer, or the chosen one of a pair, with how often it comes. */
interface Unit {
  readonly prompt: number;
  readonly answer: number;
  readonly rejected?: number;
  readonly label?: number;
  readonly share: number;
}

/** How often answer a to a prompt is preferred to answer b. */
const preferred = (rewards: readonly number[], a: number, b: number, control = false): number =>
  control ? 0.5 : sigmoid(rewards[a]! - rewards[b]!);

function pairs(o: HiddenRewardsOptions): readonly Unit[] {
  return rewardsOf(o).flatMap((rewards, prompt) =>
    range(ANSWERS).flatMap((answer) =>
      range(ANSWERS).flatMap((rejected) => {
        if (rejected === answer) return [];
        return [{ prompt, answer, rejected, share: preferred(rewards, answer, rejected, o.control) }];
      }),
    ),
  );
}

/** Each answer by itself: wanted as often as it wins against the others. */
function judged(o: HiddenRewardsOptions): readonly Unit[] {
  return rewardsOf(o).flatMap((rewards, prompt) =>
    range(ANSWERS).flatMap((answer) => {
      const others = range(ANSWERS).filter((b) => b !== answer);
      const wins = sum(others.map((b) => preferred(rewards, answer, b, o.control))) / others.length;
      return [
        { prompt, answer, label: 1, share: wins },
        { prompt, answer, label: -1, share: 1 - wins },
      ];
    }),
  );
}

function batchOf(units: readonly Unit[], reference: Logprobs, o: HiddenRewardsOptions): Batch {
  const all = sum(units.map(({ share }) => share));
  const sequences = units.flatMap(({ rejected, ...unit }) =>
    rejected === undefined ? [unit] : [unit, { ...unit, answer: rejected }],
  );
  const rows = 2 * sequences.length;
  const batch = {
    tokens: new Int32Array(rows),
    targets: new Int32Array(rows).fill(-1),
    weights: new Float32Array(rows),
    referenceLogprobs: new Float32Array(rows),
    labels: new Float32Array(sequences.length),
  };
  for (const [b, { prompt, answer, label = 0, share }] of sequences.entries()) {
    batch.tokens[2 * b] = prompt;
    batch.targets[2 * b] = PROMPTS + answer;
    batch.weights[2 * b] = share / all;
    batch.referenceLogprobs[2 * b] = reference[prompt]![answer]!;
    batch.labels[b] = label;
  }
  return o.objective === "kto" ? batch : { ...batch, labels: new Float32Array(sequences.length) };
}

/** ln p of each answer, by prompt. */
type Logprobs = readonly (readonly number[])[];

async function logprobsOf(model: RunningModel): Promise<Logprobs> {
  const all: number[][] = [];
  for (const prompt of range(PROMPTS)) {
    const logits = await model.feed([prompt], 0);
    const most = Math.max(...logits);
    const total = Math.log(sum([...logits].map((v) => Math.exp(v - most)))) + most;
    all.push([...logits.subarray(PROMPTS, PROMPTS + ANSWERS)].map((v) => v - total));
  }
  return all;
}

function figuresOf(
  before: Logprobs,
  after: Logprobs,
  o: HiddenRewardsOptions,
): Omit<HiddenRewardsResult, "loss"> {
  const rewards = rewardsOf(o);
  let [worst, right, count, entropy] = [0, 0, 0, 0];
  const divergences: (readonly [number, number])[] = [];
  for (const prompt of range(PROMPTS)) {
    const implicit = range(ANSWERS).map((a) => o.beta * (after[prompt]![a]! - before[prompt]![a]!));
    for (const a of range(ANSWERS))
      for (const b of range(a)) {
        const wanted = rewards[prompt]![a]! - rewards[prompt]![b]!;
        const found = implicit[a]! - implicit[b]!;
        worst = Math.max(worst, Math.abs(found - wanted));
        if (found * wanted > 0) right++;
        count++;
        const p = sigmoid(wanted);
        entropy -= p * Math.log(p) + (1 - p) * Math.log(1 - p);
      }
    divergences.push(divergenceOf(before[prompt]!, after[prompt]!, rewards[prompt]!, o.beta));
  }
  return {
    worst,
    inOrder: right / count,
    entropy: entropy / count,
    divergence: sum(divergences.map(([found]) => found)) / PROMPTS,
    bestDivergence: sum(divergences.map(([, best]) => best)) / PROMPTS,
  };
}

/** KL to the reference among the answers: the model's, and that of π*. */
function divergenceOf(
  before: readonly number[],
  after: readonly number[],
  rewards: readonly number[],
  beta: number,
): readonly [found: number, best: number] {
  const among = (logs: readonly number[]): readonly number[] => {
    const total = Math.log(sum(logs.map(Math.exp)));
    return logs.map((log) => log - total);
  };
  const kl = (p: readonly number[], q: readonly number[]): number =>
    sum(p.map((log, i) => Math.exp(log) * (log - q[i]!)));
  const reference = among(before);
  return [
    kl(among(after), reference),
    kl(among(reference.map((log, i) => log + rewards[i]! / beta)), reference),
  ];
}

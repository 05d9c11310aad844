/**
 * A reward model whose best is known (experiment X9): of two strings of 16 letters, of which each is a vowel
 * with probability 0.4, the first is chosen with probability σ(V₁ − V₂), V being their vowels. Who knows V is
 * right in 0.8200 of held-out pairs (ties count one half), at a loss of 0.3793 nats. Below that loss,
 * held-out pairs have been learnt. The negative control's labels are drawn without a look at the strings.
 */
import { checkSource } from "../../../compiler/2-check/check.ts";
import { objectiveOf } from "../../../compiler/2-check/objectives.ts";
import { compileModel } from "../../../compiler/compile.ts";
import { randomStream, type Random } from "../../../runtime/base/random.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { createModel, type Batch, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { scoresOf } from "../../../runtime/train/score-answers.ts";

export interface BayesRateOptions {
  readonly control?: boolean;
  readonly steps: number;
  readonly lr: number;
  /** Held-out pairs. */
  readonly pairs: number;
  readonly seed: number;
  readonly target?: Target;
}

export interface BayesRateResult {
  /** Of held-out pairs, by their labels; and by the vowels, where those differ. */
  readonly accuracy: number;
  readonly noiseFree: number;
  readonly loss: number;
  /** The loss of who knows V, on the same pairs; and by how many standard errors the loss is above it. */
  readonly bayesLoss: number;
  readonly above: number;
  /** How a label's log-odds rise with the difference of scores: 1 where these are calibrated. */
  readonly slope: number;
}

const LETTERS = 16;
const VOWELS = [0, 4, 8, 14, 20];
const CONSONANTS = Array.from({ length: 26 }, (_, i) => i).filter((i) => !VOWELS.includes(i));
const SHARE = 0.4;
const END = 26;
/** Pairs of a batch. */
const PAIRS = 64;
const CONTEXT = LETTERS + 1;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export async function runBayesRate(o: BayesRateOptions): Promise<BayesRateResult> {
  const target = o.target ?? "simd";
  const bundle = await compileModel(modelOf(o.seed), {
    targets: [target],
    modules: ["train"],
    objective: objectiveOf("reward"),
  });
  const model = await createModel(bundle, "train", { host: nodeHost, workers: 1, target, seed: o.seed });
  try {
    const random = randomStream(o.seed, "training pairs");
    for (let step = 1; step <= o.steps; step++) {
      const lr = o.lr * Math.min(1, step / 20, (2 * (o.steps - step + 1)) / o.steps);
      await model.trainStep([drawnPairs(random, o.control).batch], { lr, step });
    }
    return await heldOut(model, o);
  } finally {
    await model.close();
  }
}

const modelOf = (seed: number) =>
  checkSource(`model judge {
  vocab ${END + 1}   context ${CONTEXT}   width 16   layers 1   heads 1
  embed token + position
  layer { x += attention(rmsnorm(x))  x += mlp(rmsnorm(x), hidden: 32) }
  output linear(rmsnorm(x))
  head reward linear(x)
  tokenizer ids
  train { batch ${2 * PAIRS}  context ${CONTEXT}  decay 0  beta2 0.99  seed ${seed} }
}`).models[0]!;

interface Drawn {
  readonly batch: Batch;
  /** V of the chosen string, less V of the rejected one. */
  readonly differences: readonly number[];
}

const uniform = ({ word }: Random): number => (word() + 0.5) / 2 ** 32;

function drawnPairs(random: Random, control = false): Drawn {
  const tokens = new Int32Array(2 * PAIRS * CONTEXT).fill(END);
  const targets = new Int32Array(2 * PAIRS * CONTEXT).fill(-1);
  const differences: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    const [a, b] = [drawnString(random), drawnString(random)];
    const first = uniform(random) < (control ? 0.5 : sigmoid(a.vowels - b.vowels));
    const [chosen, rejected] = first ? [a, b] : [b, a];
    for (const [i, { letters }] of [chosen, rejected].entries()) {
      const at = (2 * pair + i) * CONTEXT;
      tokens.set(letters, at);
      targets[at + LETTERS] = END;
    }
    differences.push(chosen.vowels - rejected.vowels);
  }
  return { batch: { tokens, targets }, differences };
}

function drawnString(random: Random): { readonly letters: readonly number[]; readonly vowels: number } {
  const isVowel = Array.from({ length: LETTERS }, () => uniform(random) < SHARE);
  const letters = isVowel.map((is) => {
    const among = is ? VOWELS : CONSONANTS;
    return among[random.below(among.length)]!;
  });
  return { letters, vowels: isVowel.filter((is) => is).length };
}

async function heldOut(model: RunningModel, o: BayesRateOptions): Promise<BayesRateResult> {
  const random = randomStream(o.seed, "held-out pairs");
  const margins: number[] = [];
  const vowels: number[] = [];
  while (margins.length < o.pairs) {
    const { batch, differences } = drawnPairs(random, o.control);
    await model.evaluate(batch);
    const scores = scoresOf(model, batch);
    for (const [pair, difference] of differences.entries()) {
      margins.push(scores[2 * pair]! - scores[2 * pair + 1]!);
      vowels.push(difference);
    }
  }
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const lossOf = (margin: number): number => Math.log1p(Math.exp(-margin));
  const excess = margins.map((margin, i) => lossOf(margin) - lossOf(vowels[i]!));
  const spread = Math.sqrt(mean(excess.map((e) => (e - mean(excess)) ** 2)) / margins.length);
  const decided = margins.map((margin, i) => [margin, vowels[i]!] as const).filter(([, v]) => v !== 0);
  return {
    accuracy: mean(margins.map((margin) => (margin > 0 ? 1 : 0))),
    noiseFree: mean(decided.map(([margin, v]) => (margin * v > 0 ? 1 : 0))),
    loss: mean(margins.map(lossOf)),
    bayesLoss: mean(vowels.map(lossOf)),
    above: mean(excess) / spread,
    slope: slopeOf(margins),
  };
}

/** The s that makes Σ ln σ(s · margin) the largest (Newton's method). */
function slopeOf(margins: readonly number[]): number {
  let s = 1;
  for (let i = 0; i < 20; i++) {
    let [gradient, curvature] = [0, 0];
    for (const margin of margins) {
      const p = sigmoid(s * margin);
      gradient += (1 - p) * margin;
      curvature += p * (1 - p) * margin * margin;
    }
    s += gradient / curvature;
  }
  return s;
}

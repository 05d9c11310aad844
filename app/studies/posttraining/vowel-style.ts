/**
 * Texts of 20 characters by a small model of the built-in text, and a reward for their style:
 *
 *   leash     (X15) the reward is the share of vowels, less beta times the divergence from the start. The
 *             best that can be is known: J* = beta · ln E_ref[e^{R / beta}]. The control's rewards change
 *             places among the answers.
 *   hacking   (X16) the reward is a reward model's, which has seen 300 pairs of the start's own texts, judged
 *             by their vowels that do not repeat what stands right before. Without a leash the model finds
 *             what the pairs never showed: the reward rises, and what was meant falls.
 */
import { checkSource } from "../../../compiler/2-check/check.ts";
import { objectiveOf } from "../../../compiler/2-check/objectives.ts";
import { compileModel } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { characterTokenizer } from "../../../runtime/tokenizers/plain/characters.ts";
import { ruleReward, type Reward } from "../../../runtime/train/rewards/reward.ts";
import { answerRows } from "../../../runtime/train/rl/answer-rows.ts";
import { bestObjective } from "../../../runtime/train/rl/divergence.ts";
import { sampleAnswers, scoresOf, tokenNumbers, type Prompt } from "../../../runtime/train/rl/experience.ts";
import { PolicySource } from "../../../runtime/train/rl/policy-source.ts";
import { referenceNow, type Reference } from "../../../runtime/train/rl/reference.ts";
import { deviationOf, meanOf, sumOf } from "../../../runtime/train/rl/statistics.ts";
import { scoreAnswers } from "../../../runtime/train/score-answers.ts";
import { builtinText } from "../../../runtime/train/sources/builtin-text.ts";
import { shuffled } from "../../../runtime/train/sources/row-plan.ts";
import { randomBatch } from "../../../runtime/train/sources/text-windows.ts";
import { copyParameters } from "./copy-parameters.ts";
import { learnPolicy } from "./learn-policy.ts";
import { plainSettings } from "./policy-task.ts";

export interface StyleOptions {
  readonly seed: number;
  readonly steps: number;
  readonly lr: number;
  /** Weight of the divergence in the reward; 0: no leash. */
  readonly beta: number;
  readonly evalEvery: number;
  /** Rewards change places among the answers of a step. */
  readonly isControl?: boolean;
  heard?(line: string): void;
}

/** Of texts that are sampled afresh. */
export interface StylePoint {
  readonly step: number;
  /** What is learnt from, without the divergence: mean per text. */
  readonly reward: number;
  /** What is meant. Of `leash` it is the same. */
  readonly meant: number;
  /** Nats per text from the start. */
  readonly divergence: number;
  /** reward − beta · divergence, and its standard error. */
  readonly objective: number;
  readonly error: number;
}

export interface StyleResult {
  readonly before: StylePoint;
  readonly points: readonly StylePoint[];
  /** The most that the objective can be, and the standard error of its estimate. Of a leash alone. */
  readonly best: number;
  readonly bestError: number;
}

const LENGTH = 20;
const PROMPTS = 32;
const CONTEXT = LENGTH + 1;
const BASE = { steps: 600, batch: 64, lr: 3e-3 } as const;
/** Of a step: eight to each prompt. */
const ANSWERS = 8 * PROMPTS;
const MEASURED = 2048;
const DRAWN = 32_768;
const PAIRS = { learnt: 300, batch: 50, epochs: 20, lr: 3e-3 } as const;
/** The log-odds of a label, for each vowel more. */
const SURENESS = 1;

const isVowel = (letter: string): boolean => "aeiou".includes(letter);
export const vowels = (text: string): number => [...text].filter(isVowel).length / LENGTH;
/** Without those that repeat a letter of the two before. */
export const freshVowels = (text: string): number => {
  const letters = [...text];
  const isFresh = (letter: string, i: number): boolean =>
    !letters.slice(Math.max(0, i - 2), i).includes(letter);
  return letters.filter((letter, i) => isVowel(letter) && isFresh(letter, i)).length / LENGTH;
};

const text = builtinText().toLowerCase();
const END = "<|endoftext|>";
const tokenizer: Tokenizer = characterTokenizer([...new Set(text), END]);
const ids = Int32Array.from(tokenizer.encode(text));
const prompts: readonly Prompt[] = Array.from({ length: PROMPTS }, (_, i) => ({
  example: {
    kind: "prompt",
    row: i + 1,
    prompt: [{ role: "user", content: "\n" }],
    columns: { prompt: "\n" },
  },
  ids: tokenizer.encode("\n"),
}));

const specOf = (name: string, sizes: string, batch: number, more = ""): string => `model ${name} {
  vocab ${tokenizer.size}   context ${CONTEXT + 1}   ${sizes}
  embed token + position
  layer { x += attention(rmsnorm(x))  x += mlp(rmsnorm(x)) }
  output linear(rmsnorm(x))
  ${more}
  tokenizer characters
  train { batch ${batch}  context ${CONTEXT + 1}  decay 0  beta2 0.99 }
}`;

async function opened(spec: string, seed: number, options: CompileOptions): Promise<RunningModel> {
  const bundle = await compileModel(checkSource(spec).models[0]!, {
    targets: ["wide"],
    modules: ["train"],
    lanes: 64,
    ...options,
  });
  return createModel(bundle, "train", { host: nodeHost, workers: 1, target: "wide", seed });
}

const sizes = "width 64   layers 2   heads 4";

/** The start: what the text has taught. */
async function learnBase(policy: RunningModel, seed: number): Promise<void> {
  const base = await opened(specOf("style", sizes, BASE.batch), seed, {});
  try {
    const random = randomStream(seed, "windows");
    const { batch, context } = base.entry("train");
    for (let step = 1; step <= BASE.steps; step++) {
      const lr = BASE.lr * Math.min(1, step / 50, (2 * (BASE.steps - step + 1)) / BASE.steps);
      await base.trainStep([randomBatch(ids, batch, context, random)], { lr, step });
    }
    copyParameters(base, policy);
  } finally {
    await base.close();
  }
}

interface Rewards {
  readonly reward: Reward;
  meant(text: string): number;
  close(): Promise<void>;
}

export const styles = {
  leash: async (): Promise<Rewards> => ({
    reward: ruleReward("vowels", (_prompt, answer) => vowels(answer)),
    meant: vowels,
    close: async () => {},
  }),
  hacking: async (policy: RunningModel, seed: number): Promise<Rewards> => {
    const judge = await learnJudge(policy, seed);
    return {
      reward: {
        name: "judge",
        score: (answers) =>
          scoreAnswers(
            judge,
            answers.map(({ text: said }) => judgedTokens(said)),
          ),
      },
      meant: freshVowels,
      close: () => judge.close(),
    };
  },
} as const;
export type StyleName = keyof typeof styles;

const judgedTokens = (said: string) => ({
  prompt: tokenizer.encode("\n"),
  answer: [...tokenizer.encode(said), tokenizer.endOfText!],
});

/** A reward model that has seen 300 pairs of the start's texts. */
async function learnJudge(policy: RunningModel, seed: number): Promise<RunningModel> {
  const said = await texts(policy, 2 * PAIRS.learnt, seed, "pairs");
  const random = randomStream(seed, "labels");
  const pairs = Array.from({ length: PAIRS.learnt }, (_, i) => {
    const [a, b] = [said[2 * i]!, said[2 * i + 1]!];
    const odds = Math.exp(SURENESS * LENGTH * (freshVowels(b) - freshVowels(a)));
    return (random.word() + 0.5) / 2 ** 32 < 1 / (1 + odds) ? [a, b] : [b, a];
  });
  const spec = specOf("judge", "width 32   layers 1   heads 2", 2 * PAIRS.batch, "head reward linear(x)");
  const judge = await opened(spec, seed, { objective: objectiveOf("reward"), lanes: 1 });
  const { batch, context } = judge.entry("train");
  const steps = (PAIRS.epochs * PAIRS.learnt) / PAIRS.batch;
  for (let step = 1, pair = 0; step <= steps; step++) {
    const tokens = new Int32Array(batch * context).fill(tokenizer.endOfText!);
    const targets = new Int32Array(batch * context).fill(-1);
    for (let b = 0; b < batch; b += 2, pair++)
      for (const [i, one] of pairs[pair % PAIRS.learnt]!.entries()) {
        const { prompt, answer } = judgedTokens(one);
        tokens.set([...prompt, ...answer.slice(0, -1)], (b + i) * context);
        targets[(b + i) * context + answer.length - 1 + prompt.length - 1] = answer.at(-1)!;
      }
    const lr = PAIRS.lr * Math.min(1, (2 * (steps - step + 1)) / steps);
    await judge.trainStep([{ tokens, targets }], { lr, step });
  }
  return judge;
}

const answersTo = (model: RunningModel, count: number, seed: number, key: string) =>
  sampleAnswers(model, {
    prompts: prompts.slice(0, 1),
    group: count,
    most: LENGTH,
    seed,
    key: [key],
    tokenizer,
  });

const texts = async (model: RunningModel, count: number, seed: number, key: string): Promise<string[]> =>
  (await answersTo(model, count, seed, key)).map(({ text: said }) => said);

export async function runStyle(name: StyleName, o: StyleOptions): Promise<StyleResult> {
  const policy = await opened(specOf("style", sizes, ANSWERS), o.seed, {
    objective: objectiveOf("rloo"),
    perRow: { weights: true, logprobs: true, entropies: true },
  });
  let rewards: Rewards | undefined;
  try {
    await learnBase(policy, o.seed);
    const reference = await referenceNow(policy);
    rewards = await styles[name](policy, o.seed);
    const before = await measured(policy, reference, rewards, 0, o);
    const start = name === "leash" ? (await texts(policy, DRAWN, o.seed, "start")).map(vowels) : [];
    const points: StylePoint[] = [];
    await learnPolicy(policy, sourceOf(rewards.reward, reference, o), {
      steps: o.steps,
      lr: o.lr,
      async heard(step) {
        if (step % o.evalEvery !== 0 && step !== o.steps) return;
        points.push(await measured(policy, reference, rewards!, step, o));
        o.heard?.(lineOf(points.at(-1)!));
      },
    });
    return { before, points, ...bestOf(start, o.beta) };
  } finally {
    await rewards?.close();
    await policy.close();
  }
}

const lineOf = ({ step, reward, meant, divergence, objective }: StylePoint): string =>
  `step ${step}  reward ${reward.toFixed(3)}  meant ${meant.toFixed(3)}  KL ${divergence.toFixed(2)} nats  ` +
  `objective ${objective.toFixed(3)}`;

/** J* of rewards of the start's texts, and its spread over eight parts of them. */
function bestOf(rewards: readonly number[], beta: number): Pick<StyleResult, "best" | "bestError"> {
  if (rewards.length === 0 || beta === 0) return { best: NaN, bestError: NaN };
  const size = rewards.length / 8;
  const parts = Array.from({ length: 8 }, (_, i) =>
    bestObjective(rewards.slice(i * size, (i + 1) * size), beta),
  );
  return { best: bestObjective(rewards, beta), bestError: deviationOf(parts) / Math.sqrt(8) };
}

function sourceOf(
  reward: Reward,
  reference: Reference,
  { seed, beta, isControl }: StyleOptions,
): PolicySource {
  return new PolicySource({
    settings: {
      ...plainSettings("rloo", prompts.length, LENGTH),
      advantage: "leave_one_out",
      kl: beta,
    },
    prompts,
    heldOut: [],
    rewards: [{ reward: isControl ? mixed(reward, seed) : reward, weight: 1 }],
    reference: () => reference,
    tokenizer,
    seed,
    identity: "",
  });
}

/** Scores that change places among all answers of a step. */
function mixed(reward: Reward, seed: number): Reward {
  let round = 0;
  return {
    name: reward.name,
    async score(answers) {
      const scores = await reward.score(answers);
      const order = shuffled(scores.length, { seed, number: round++ }, "control");
      return [...order].map((i) => scores[i]!);
    },
  };
}

async function measured(
  model: RunningModel,
  reference: Reference,
  { reward, meant }: Rewards,
  step: number,
  { seed, beta }: StyleOptions,
): Promise<StylePoint> {
  const answers = await answersTo(model, MEASURED, seed, `measured ${step}`);
  const { total } = await scoresOf([{ reward, weight: 1 }], answers);
  const scores = total.map((score) => score!);
  const { logprobs, references } = await tokenNumbers(
    model,
    answerRows(answers, model.entry("evaluate")),
    reference,
  );
  const divergences = logprobs.map((of, i) => sumOf(of) - sumOf(references![i]!));
  const objectives = scores.map((score, i) => score - beta * divergences[i]!);
  return {
    step,
    reward: meanOf(scores),
    meant: meanOf(answers.map(({ text: said }) => meant(said))),
    divergence: meanOf(divergences),
    objective: meanOf(objectives),
    error: deviationOf(objectives) / Math.sqrt(MEASURED),
  };
}

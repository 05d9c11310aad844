/**
 * Addition by policy gradients (experiment X12): a model that is right in about a third of its answers learns
 * from nothing but whether each is right. Sums of two numbers of two digits, as characters; the digits of the
 * sum come in reverse, the ones first:
 *
 *   57+68=521⏎       8,100 problems, a tenth of which is held out
 *
 * It begins from the first checkpoint of supervised learning whose pass@1 is within 0.25 and 0.40. Negative
 * controls: rewards that are shuffled among the answers to a prompt, and a start that is never right.
 */
import { checkSource } from "../../../compiler/2-check/check.ts";
import { objectiveOf } from "../../../compiler/2-check/objectives.ts";
import { compileModel } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { characterTokenizer } from "../../../runtime/tokenizers/plain/characters.ts";
import { builtInReward, type WeighedReward } from "../../../runtime/train/rewards/read-reward.ts";
import type { Reward } from "../../../runtime/train/rewards/reward.ts";
import { answerRows } from "../../../runtime/train/rl/answer-rows.ts";
import type { Prompt } from "../../../runtime/train/rl/experience.ts";
import { leastDivergence } from "../../../runtime/train/rl/divergence.ts";
import { evaluatePolicy } from "../../../runtime/train/rl/evaluate-policy.ts";
import type { PolicySettings } from "../../../runtime/train/rl/policy-settings.ts";
import { PolicySource } from "../../../runtime/train/rl/policy-source.ts";
import { referenceNow, type Reference } from "../../../runtime/train/rl/reference.ts";
import type { Figures } from "../../../runtime/train/sources/batch-source.ts";
import { shuffled } from "../../../runtime/train/sources/row-plan.ts";
import { copyParameters } from "./copy-parameters.ts";
import { learnPolicy } from "./learn-policy.ts";

export interface AdditionOptions {
  readonly seed: number;
  readonly steps: number;
  readonly lr: number;
  /** Prompts per step, 8 answers to each. */
  readonly prompts: number;
  /** How many held-out problems an evaluation asks. */
  readonly asked: number;
  readonly evalEvery: number;
  /** `shuffled`: rewards change places within a group. `untrained`: the start has learnt nothing. */
  readonly control?: "shuffled" | "untrained";
  readonly target?: Target;
  heard?(line: string): void;
}

export interface AdditionPoint {
  readonly step: number;
  /** Of held-out problems, at temperature 1. */
  readonly pass1: number;
  /** Nats per answer from the start, as its answers say; the least that this change of pass@1 costs. */
  readonly divergence: number;
  readonly least: number;
  readonly entropy: number;
  /** Of the step's groups. */
  readonly zeroStd: number;
}

export interface AdditionResult {
  readonly seed: number;
  readonly control: AdditionOptions["control"] | "none";
  /** Steps of supervised learning before it. */
  readonly sftSteps: number;
  readonly before: number;
  readonly points: readonly AdditionPoint[];
}

const ANSWERS_PER_PROMPT = 8;
const CONTEXT = 10; // 6 of the prompt, at most 3 digits and the end
const MOST = 4;
const SFT = { batch: 64, lr: 2e-3, checkEvery: 5, most: 4000 } as const;
const START = { least: 0.25, most: 0.4 } as const;

const tokenizer = characterTokenizer([..."0123456789+=", "<|endoftext|>"]);

export async function runAddition(o: AdditionOptions): Promise<AdditionResult> {
  const { learnt, heldOut } = problems();
  const asked = heldOut.slice(0, o.asked);
  const policy = await opened(o, {
    objective: objectiveOf("grpo"),
    perRow: { weights: true, logprobs: true, entropies: true },
  });
  try {
    const sftSteps = o.control === "untrained" ? 0 : await startFrom(policy, learnt, asked, o);
    const reference = await referenceNow(policy);
    const before = (await measured(policy, asked, reference, o))["pass@1"]!;
    const source = new PolicySource({
      settings: settingsOf(o),
      prompts: learnt,
      heldOut: [],
      rewards: [rightAnswer(o)],
      reference: () => reference,
      tokenizer,
      seed: o.seed,
      identity: "",
    });
    const points: AdditionPoint[] = [];
    await learnPolicy(policy, source, {
      steps: o.steps,
      lr: o.lr,
      async heard(step) {
        if (step % o.evalEvery !== 0 && step !== o.steps) return;
        const point = pointOf(step, before, await measured(policy, asked, reference, o), source.figures());
        points.push(point);
        o.heard?.(lineOf(point));
      },
    });
    return { seed: o.seed, control: o.control ?? "none", sftSteps, before, points };
  } finally {
    await policy.close();
  }
}

function pointOf(step: number, before: number, now: Figures, round: Figures): AdditionPoint {
  const pass1 = now["pass@1"]!;
  return {
    step,
    pass1,
    divergence: now["objective/kl"]!,
    least: leastDivergence(pass1, before),
    entropy: now["entropy"]!,
    zeroStd: round["frac_reward_zero_std"]!,
  };
}

const lineOf = ({ step, pass1, divergence, least, entropy, zeroStd }: AdditionPoint): string =>
  `step ${step}  pass@1 ${pass1.toFixed(3)}  KL ${divergence.toFixed(3)} (at least ${least.toFixed(3)})  ` +
  `entropy ${entropy.toFixed(3)}  groups without a difference ${zeroStd.toFixed(2)}`;

const settingsOf = ({ prompts }: AdditionOptions): PolicySettings => ({
  objective: { unit: "token" },
  prompts,
  group: ANSWERS_PER_PROMPT,
  answer: MOST,
  updates: 1,
  truncated: "keep",
  penalty: 0,
  advantage: "group",
  gamma: 1,
  lambda: 1,
  normalise: "tokens",
  kl: 0,
  klIn: "reward",
  target: 0,
  horizon: 1,
});

function rightAnswer({ control, seed }: AdditionOptions): WeighedReward {
  const exact = builtInReward("exact_answer")!;
  return { reward: control === "shuffled" ? shuffledWithin(exact, seed) : exact, weight: 1 };
}

/** The scores of each group's answers change places. */
function shuffledWithin(reward: Reward, seed: number): Reward {
  let round = 0;
  return {
    name: reward.name,
    async score(answers) {
      const scores = await reward.score(answers);
      const orders = Array.from({ length: answers.length / ANSWERS_PER_PROMPT }, (_, p) =>
        shuffled(ANSWERS_PER_PROMPT, { seed, number: round * answers.length + p }, "control"),
      );
      round++;
      return scores.map((_, i) => {
        const p = Math.floor(i / ANSWERS_PER_PROMPT);
        return scores[p * ANSWERS_PER_PROMPT + orders[p]![i % ANSWERS_PER_PROMPT]!]!;
      });
    },
  };
}

/** All problems, a tenth of which is held out by its hash. */
function problems(): { readonly learnt: readonly Prompt[]; readonly heldOut: readonly Prompt[] } {
  const parts = { learnt: [] as Prompt[], heldOut: [] as Prompt[] };
  for (let n = 0; n < 8100; n++) {
    const [a, b] = [10 + Math.floor(n / 90), 10 + (n % 90)];
    const text = `${a}+${b}=`;
    const answer = [...`${a + b}`].toReversed().join("");
    const columns = { prompt: text, answer };
    const example = {
      kind: "prompt",
      row: n + 1,
      prompt: [{ role: "user", content: text }],
      columns,
    } as const;
    const isHeldOut = randomStream(0, text).below(10) === 0;
    (isHeldOut ? parts.heldOut : parts.learnt).push({ example, ids: tokenizer.encode(text) });
  }
  // in no order, so that the first ones are like all
  const order = shuffled(parts.heldOut.length, { seed: 0, number: 0 });
  return { learnt: parts.learnt, heldOut: [...order].map((i) => parts.heldOut[i]!) };
}

const modelOf = ({ prompts, seed }: AdditionOptions): Model =>
  checkSource(`model addition {
  vocab ${tokenizer.size}   context ${CONTEXT}   width 64   layers 2   heads 4
  embed token + position
  layer { x += attention(rmsnorm(x))  x += mlp(rmsnorm(x)) }
  output linear(rmsnorm(x))
  tokenizer characters
  train { batch ${Math.min(SFT.batch, prompts * ANSWERS_PER_PROMPT)}  context ${CONTEXT}  decay 0
          beta2 0.99  seed ${seed} }
}`).models[0]!;

async function opened(o: AdditionOptions, options: CompileOptions): Promise<RunningModel> {
  const target = o.target ?? "wide";
  const bundle = await compileModel(modelOf(o), {
    targets: [target],
    modules: ["train"],
    lanes: 64,
    ...options,
  });
  return createModel(bundle, "train", { host: nodeHost, workers: 1, target, seed: o.seed });
}

const measured = async (
  model: RunningModel,
  prompts: readonly Prompt[],
  reference: Reference | undefined,
  { seed }: AdditionOptions,
): Promise<Figures> => {
  const { figures } = await evaluatePolicy(model, {
    prompts,
    group: 1,
    most: MOST,
    seed,
    key: ["eval"],
    tokenizer,
    rewards: [{ reward: builtInReward("exact_answer")!, weight: 1 }],
    reference,
    shape: model.entry("evaluate"),
  });
  return figures;
};

/** Supervised learning until pass@1 is within the window. Returns its steps. */
async function startFrom(
  policy: RunningModel,
  learnt: readonly Prompt[],
  asked: readonly Prompt[],
  o: AdditionOptions,
): Promise<number> {
  const model = await opened(o, {});
  try {
    const random = randomStream(o.seed, "sft");
    const shape = model.entry("train");
    for (let step = 1; step <= SFT.most; step++) {
      const rows = answerRows(
        Array.from({ length: shape.batch }, () => taught(learnt[random.below(learnt.length)]!)),
        shape,
      );
      await model.trainStep(rows.batches, { lr: SFT.lr * Math.min(1, step / 50), step });
      if (step % SFT.checkEvery !== 0) continue;
      const pass1 = (await measured(model, asked, undefined, o))["pass@1"]!;
      if (pass1 < START.least) continue;
      if (pass1 > START.most) throw new Error(`pass@1 is ${pass1} after ${step} steps: past the window`);
      copyParameters(model, policy);
      return step;
    }
    throw new Error(`pass@1 has not reached ${START.least} in ${SFT.most} steps`);
  } finally {
    await model.close();
  }
}

const taught = ({ ids, example }: Prompt) => ({
  prompt: ids,
  tokens: [...tokenizer.encode(`${example.columns["answer"]}`), tokenizer.endOfText!],
});

/**
 * Tasks in characters that a model learns from rewards for its own answers: addition (X12), sorting (X14),
 * and echoing from nothing (X13). It begins with the first checkpoint of supervised learning whose pass@1 is
 * within a window, or with weights that have learnt nothing. Negative controls: rewards that change places
 * among the answers to a prompt, and a start that is never right.
 */
import { checkSource } from "../../../compiler/2-check/check.ts";
import {
  objectiveOf,
  type ObjectiveName,
  type ObjectiveSetting,
} from "../../../compiler/2-check/objectives.ts";
import { compileModel } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { Head, Model } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { createModel, type RunningModel, type StepResult } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { builtInReward, type WeighedReward } from "../../../runtime/train/rewards/read-reward.ts";
import type { Reward } from "../../../runtime/train/rewards/reward.ts";
import { answerRows } from "../../../runtime/train/rl/answer-rows.ts";
import { leastDivergence } from "../../../runtime/train/rl/divergence.ts";
import { evaluatePolicy } from "../../../runtime/train/rl/evaluate-policy.ts";
import type { Prompt } from "../../../runtime/train/rl/experience.ts";
import type { PolicySettings } from "../../../runtime/train/rl/policy-settings.ts";
import { PolicySource } from "../../../runtime/train/rl/policy-source.ts";
import { referenceNow, type Reference } from "../../../runtime/train/rl/reference.ts";
import { meanOf } from "../../../runtime/train/rl/statistics.ts";
import type { Figures } from "../../../runtime/train/sources/batch-source.ts";
import { shuffled } from "../../../runtime/train/sources/row-plan.ts";
import { copyParameters } from "./copy-parameters.ts";
import { learnPolicy } from "./learn-policy.ts";

/** What is asked, and how it is learnt. */
export interface PolicyTask {
  readonly tokenizer: Tokenizer;
  /** Their columns `answer` are the right ones. */
  readonly prompts: { readonly learnt: readonly Prompt[]; readonly heldOut: readonly Prompt[] };
  /** Tokens of a prompt with its answer and the end. */
  readonly context: number;
  /** Tokens of an answer, with the end. */
  readonly most: number;
  readonly objective: ObjectiveName;
  /** Numbers of the equation that are other than in the table. */
  readonly weights?: Readonly<Partial<Record<ObjectiveSetting, number>>>;
  readonly settings: Partial<PolicySettings>;
  /** Updates, with which it is measured. */
  readonly steps: number;
  /** What is learnt from. Evaluations count right answers, whatever it is. */
  readonly reward: Reward;
  /** Supervised learning until pass@1 is within a window; undefined: the start has learnt nothing. */
  readonly start?: PolicyStart;
}

export interface PolicyStart {
  readonly least: number;
  readonly most: number;
  readonly batch: number;
  readonly lr: number;
  /** Steps between looks at pass@1. */
  readonly checkEvery: number;
  readonly steps: number;
}

export const policyControls = ["shuffled", "untrained"] as const;
export type PolicyControl = (typeof policyControls)[number];

export interface PolicyTaskOptions {
  readonly seed: number;
  readonly steps: number;
  readonly lr: number;
  /** Prompts per step, 8 answers to each. */
  readonly prompts: number;
  /** How many held-out problems an evaluation asks. */
  readonly asked: number;
  readonly evalEvery: number;
  /** `shuffled`: rewards change places within a group. `untrained`: the start has learnt nothing. */
  readonly control?: PolicyControl;
  readonly target?: Target;
  heard?(line: string): void;
}

export interface PolicyPoint {
  readonly step: number;
  /** Of held-out problems, at temperature 1. */
  readonly pass1: number;
  /** Nats per answer from the start, as its answers say. */
  readonly divergence: number;
  /** The least that this change of pass@1 costs; undefined where none of the start's answers was right. */
  readonly least?: number;
  readonly entropy: number;
  /** Of the step's groups; undefined where answers are not compared within groups. */
  readonly zeroStd?: number;
  /** Of a value head, means since the point before. */
  readonly value?: ValueFigures;
}

export interface ValueFigures {
  /** The share of the returns' variance that it foretells, before it learns from them. */
  readonly explained: number;
  /** ½ (value − return)² of a token. */
  readonly loss: number;
}

export interface PolicyResult {
  readonly seed: number;
  readonly control: PolicyControl | "none";
  /** Steps of supervised learning before it. */
  readonly sftSteps: number;
  readonly before: number;
  readonly points: readonly PolicyPoint[];
}

const ANSWERS_PER_PROMPT = 8;
/** Of the value head that ppo compares with. */
const valueHead: Head = { name: "value", bias: true };

export async function runPolicyTask(task: PolicyTask, o: PolicyTaskOptions): Promise<PolicyResult> {
  const { learnt, heldOut } = task.prompts;
  const asked = heldOut.slice(0, o.asked);
  const objective = objectiveOf(task.objective);
  const policy = await opened(task, o, {
    objective: { ...objective, settings: { ...objective.settings, ...task.weights } },
    perRow: { weights: true, logprobs: true, entropies: true },
  });
  try {
    const begins = o.control === "untrained" ? undefined : task.start;
    const sftSteps = begins ? await startFrom(policy, task, begins, asked, o) : 0;
    const reference = await referenceNow(policy);
    const before = (await measured(policy, task, asked, reference, o))["pass@1"]!;
    const source = new PolicySource({
      settings: settingsOf(task, o),
      prompts: learnt,
      heldOut: [],
      rewards: [rewardOf(task, o)],
      reference: () => reference,
      tokenizer: task.tokenizer,
      seed: o.seed,
      identity: "",
    });
    const points: PolicyPoint[] = [];
    let values: ValueFigures[] = [];
    await learnPolicy(policy, source, {
      steps: o.steps,
      lr: o.lr,
      async heard(step, result) {
        if (task.objective === "ppo") values.push(valuesOf(source.figures(), result));
        if (step % o.evalEvery !== 0 && step !== o.steps) return;
        const now = await measured(policy, task, asked, reference, o);
        const point = { ...pointOf(step, before, now, source.figures()), ...valueMeans(values) };
        points.push(point);
        values = [];
        o.heard?.(lineOf(point));
      },
    });
    return { seed: o.seed, control: o.control ?? "none", sftSteps, before, points };
  } finally {
    await policy.close();
  }
}

function pointOf(step: number, before: number, now: Figures, round: Figures): PolicyPoint {
  const pass1 = now["pass@1"]!;
  const { frac_reward_zero_std: zeroStd } = round;
  return {
    step,
    pass1,
    divergence: now["objective/kl"]!,
    ...(before > 0 && { least: leastDivergence(pass1, before) }),
    entropy: now["entropy"]!,
    ...(zeroStd !== undefined && { zeroStd }),
  };
}

const valuesOf = (round: Figures, { objective }: StepResult): ValueFigures => ({
  explained: round["val/explained_variance"]!,
  loss: objective!.metrics["loss/value_avg"]!,
});

const valueMeans = (values: readonly ValueFigures[]): Pick<PolicyPoint, "value"> =>
  values.length === 0
    ? {}
    : {
        value: {
          explained: meanOf(values.map(({ explained }) => explained)),
          loss: meanOf(values.map(({ loss }) => loss)),
        },
      };

const lineOf = ({ step, pass1, divergence, least, entropy, zeroStd, value }: PolicyPoint): string =>
  `step ${step}  pass@1 ${pass1.toFixed(3)}  KL ${divergence.toFixed(3)}` +
  (least === undefined ? "" : ` (at least ${least.toFixed(3)})`) +
  `  entropy ${entropy.toFixed(3)}` +
  (zeroStd === undefined ? "" : `  groups without a difference ${zeroStd.toFixed(2)}`) +
  (value === undefined
    ? ""
    : `  variance explained ${value.explained.toFixed(2)}  value loss ${value.loss.toFixed(5)}`);

/** Eight answers to each prompt, compared with each other, in one update; no divergence is paid for. */
export const plainSettings = (name: ObjectiveName, prompts: number, most: number): PolicySettings => ({
  objective: objectiveOf(name),
  prompts,
  group: ANSWERS_PER_PROMPT,
  answer: most,
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

const settingsOf = (task: PolicyTask, { prompts }: PolicyTaskOptions): PolicySettings => ({
  ...plainSettings(task.objective, prompts, task.most),
  ...task.settings,
});

const rewardOf = ({ reward }: PolicyTask, { control, seed }: PolicyTaskOptions): WeighedReward => ({
  reward: control === "shuffled" ? shuffledWithin(reward, seed) : reward,
  weight: 1,
});

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

/** Prompts with their right answers, a share of which is held out by its hash, in no order. */
export function promptsOf(
  { encode }: Tokenizer,
  problems: readonly (readonly [prompt: string, answer: string])[],
  share: number,
): PolicyTask["prompts"] {
  const parts = { learnt: [] as Prompt[], heldOut: [] as Prompt[] };
  for (const [i, [text, answer]] of problems.entries()) {
    const example = {
      kind: "prompt",
      row: i + 1,
      prompt: [{ role: "user", content: text }],
      columns: { prompt: text, answer },
    } as const;
    const isHeldOut = randomStream(0, text).below(1000) < 1000 * share;
    (isHeldOut ? parts.heldOut : parts.learnt).push({ example, ids: encode(text) });
  }
  const order = shuffled(parts.heldOut.length, { seed: 0, number: 0 }); // so that the first are like all
  return { learnt: parts.learnt, heldOut: [...order].map((i) => parts.heldOut[i]!) };
}

function modelOf(task: PolicyTask, { prompts, seed }: PolicyTaskOptions): Model {
  const { tokenizer, context, start, objective } = task;
  const answers = prompts * ANSWERS_PER_PROMPT;
  const model = checkSource(`model task {
  vocab ${tokenizer.size}   context ${context}   width 64   layers 2   heads 4
  embed token + position
  layer { x += attention(rmsnorm(x))  x += mlp(rmsnorm(x)) }
  output linear(rmsnorm(x))
  tokenizer characters
  train { batch ${Math.min(start?.batch ?? answers, answers)}  context ${context}  decay 0
          beta2 0.99  seed ${seed} }
}`).models[0]!;
  return objective === "ppo" ? { ...model, head: valueHead } : model;
}

async function opened(
  task: PolicyTask,
  o: PolicyTaskOptions,
  options: CompileOptions,
): Promise<RunningModel> {
  const target = o.target ?? "wide";
  const bundle = await compileModel(modelOf(task, o), {
    targets: [target],
    modules: ["train"],
    lanes: 64,
    ...options,
  });
  return createModel(bundle, "train", { host: nodeHost, workers: 1, target, seed: o.seed });
}

const measured = async (
  model: RunningModel,
  { tokenizer, most }: PolicyTask,
  prompts: readonly Prompt[],
  reference: Reference | undefined,
  { seed }: PolicyTaskOptions,
): Promise<Figures> => {
  const { figures } = await evaluatePolicy(model, {
    prompts,
    group: 1,
    most,
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
  task: PolicyTask,
  start: PolicyStart,
  asked: readonly Prompt[],
  o: PolicyTaskOptions,
): Promise<number> {
  const { learnt } = task.prompts;
  const model = await opened(task, o, {});
  try {
    const random = randomStream(o.seed, "sft");
    const shape = model.entry("train");
    for (let step = 1; step <= start.steps; step++) {
      const rows = answerRows(
        Array.from({ length: shape.batch }, () => taught(learnt[random.below(learnt.length)]!, task)),
        shape,
      );
      await model.trainStep(rows.batches, { lr: start.lr * Math.min(1, step / 50), step });
      if (step % start.checkEvery !== 0) continue;
      const pass1 = (await measured(model, task, asked, undefined, o))["pass@1"]!;
      if (pass1 < start.least) continue;
      if (pass1 > start.most) throw new Error(`pass@1 is ${pass1} after ${step} steps: past the window`);
      copyParameters(model, policy);
      return step;
    }
    throw new Error(`pass@1 has not reached ${start.least} in ${start.steps} steps`);
  } finally {
    await model.close();
  }
}

const taught = ({ ids, example }: Prompt, { tokenizer }: PolicyTask) => ({
  prompt: ids,
  tokens: [...tokenizer.encode(`${example.columns["answer"]}`), tokenizer.endOfText!],
});

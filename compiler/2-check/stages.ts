/**
 * THE tables of the stages after pre-training: what their blocks may say, with defaults for small models. A
 * default may use numbers of the model's own training by the name `train_…`, and of the model's context.
 */
import { flag, number, word, words, type Fields, type Known } from "./fields.ts";
import {
  loraRanges,
  objectiveRanges,
  rlRanges,
  stageRanges,
  trainRanges,
} from "../../runtime/contract/limits.ts";
import {
  advantageWords,
  chatFormatWords,
  klPlaces,
  learntParts,
  loraTargets,
  normalisations,
  optimizers,
  packings,
  rewardWords,
  schedules,
  truncatedWords,
  type StageName,
} from "../../runtime/contract/model.ts";
import { klEstimators, objectiveFields } from "./objectives.ts";
import { laterOptimizers, optimizerDoc, recomputeWords } from "./settings.ts";
import { preferObjectives, referenceWords, rewardObjectives, rlObjectives } from "./stage-objectives.ts";

/** A default that is the number of training from the beginning. */
const asInTraining = (name: string) =>
  [`train's ${name}`, (known: Known) => known[`train_${name}`]!] as const;

interface Differing {
  readonly steps: number;
  /** The learning rate is that of training from the beginning, divided by this. */
  readonly slower: number;
}

/** What every stage says about its training. */
const training = ({ steps, slower }: Differing) => ({
  batch: number("Sequences per micro-batch.", trainRanges.batch, asInTraining("batch")),
  context: number("Tokens per sequence, at most the model's context.", trainRanges.context, [
    "train's context",
    ({ train_context }) => train_context!,
  ]),
  steps: number("Updates.", trainRanges.steps, steps),
  accumulate: number("Micro-batches whose gradients are summed before an update.", trainRanges.accumulate, 1),
  recompute: word("What the backward computes again.", recomputeWords, ["train's recompute", () => "none"]),
  lr: number("Peak learning rate.", trainRanges.lr, [
    `train's lr / ${slower}`,
    ({ train_lr }) => train_lr! / slower,
  ]),
  min_lr: number("Learning rate at the end of the schedule; 0 is possible.", trainRanges.minLr, 0),
  warmup: number("Steps in which the learning rate rises from 0 to lr.", trainRanges.warmup, [
    "steps / 20, at most 100",
    ({ steps: all }) => Math.min(100, Math.floor(all! / 20)),
  ]),
  schedule: word("How the learning rate falls after the warm-up.", schedules, "linear"),
  optimizer: word(optimizerDoc, optimizers, ["train's optimizer", () => "adamw"], laterOptimizers),
  beta1: number("AdamW: memory of the gradient's mean.", trainRanges.beta1, asInTraining("beta1")),
  beta2: number("AdamW: memory of the gradient's square.", trainRanges.beta2, asInTraining("beta2")),
  eps: number("AdamW: added to the root of the square.", trainRanges.eps, asInTraining("eps")),
  decay: number("AdamW: weight decay, on matrices only.", trainRanges.decay, 0),
  clip: number(
    "Global gradient norm above which gradients are scaled down; 0: never.",
    trainRanges.clip,
    asInTraining("clip"),
  ),
  seed: number("Seed of all that is drawn.", trainRanges.seed, asInTraining("seed")),
  held_out: number(
    "Share of the prompts that is kept for evaluation, where no other file is named for it.",
    trainRanges.heldOut,
    0.1,
  ),
  eval_every: number("Steps between evaluations; 0: only at the end.", trainRanges.evalEvery, 50),
  sample_every: number("Steps between samples; 0: only at the end.", trainRanges.sampleEvery, 0),
  save_every: number("Steps between checkpoints; 0: only at the end.", trainRanges.saveEvery, 100),
  patience: number(
    "Ends the stage after so many evaluations without a better one; 0: never. The checkpoint of the best " +
      "one is kept in any case.",
    stageRanges.patience,
    0,
  ),
  chat_format: word(
    "How dialogues are written. `auto`: as the tokenizer's template or marks say; where it has none, as " +
      "`turns`, whose tokens the vocabulary gets.",
    chatFormatWords,
    "auto",
  ),
});

/** Two sequences to a pair. */
const evenBatch = number("Sequences per micro-batch, two to a pair.", trainRanges.batch, [
  "train's batch, made even",
  ({ train_batch }) => Math.max(2, 2 * Math.floor(train_batch! / 2)),
]);

const reference = word(
  "The model that answers are compared with: the one that the stage begins with, or none. It must be as " +
    "the objective has it.",
  referenceWords,
  ["as the objective has it", () => "start"],
);

const { beta, label_smoothing, nll, gamma, lambda, desirable, undesirable, center } = objectiveFields;

/** Of rl, `clip` is that of the ratio. */
const { clip: gradientClip, ...trainingByRatio } = training({ steps: 200, slower: 10 });

const keysOf = <K extends string>(table: Readonly<Record<K, unknown>>): readonly K[] =>
  Object.keys(table) as K[];

export const stageFields = {
  sft: {
    ...training({ steps: 300, slower: 3 }),
    loss: word(
      "What is learnt of a dialogue: all answers, each with the token that ends it; the last one alone; or " +
        "everything that anyone says.",
      learntParts,
      "answers",
    ),
    packing: word(
      "How examples get into rows of `context` tokens. `best_fit`: as many as have room, each of which " +
        "sees itself alone. `none`: one in each.",
      packings,
      "best_fit",
    ),
  },
  prefer: {
    ...training({ steps: 200, slower: 20 }),
    batch: evenBatch,
    objective: word(
      "What is made smaller: one of the objectives of pairs, or kto, or the name of one of the model's own.",
      preferObjectives,
      "dpo",
    ),
    average: flag(
      "Whether log-probabilities are averaged over an answer's tokens, instead of summed: of dpo and ipo, " +
        "which have both forms.",
      ["as the objective is", () => false],
    ),
    reference,
    beta,
    label_smoothing,
    nll,
    gamma,
    lambda,
    desirable,
    undesirable,
  },
  reward: {
    ...training({ steps: 200, slower: 10 }),
    batch: evenBatch,
    objective: word(
      "What is made smaller: that of scores, or of scores that differ by each pair's `margin`; or the name " +
        "of one of the model's own.",
      rewardObjectives,
      "reward",
    ),
    center,
  },
  rl: {
    ...trainingByRatio,
    batch: number("Answers per micro-batch.", trainRanges.batch, ["group", ({ group }) => group!]),
    accumulate: number(
      "Micro-batches whose gradients are summed before an update: all answers of a step.",
      trainRanges.accumulate,
      [
        "prompts * group / batch",
        ({ prompts, group, batch }) => Math.max(1, Math.floor((prompts! * group!) / batch!)),
      ],
    ),
    grad_clip: gradientClip,
    objective: word(
      "What is made smaller: one of the objectives of tokens, or the name of one of the model's own. " +
        "dr_grpo is grpo with `advantage mean` and `normalise longest`, dapo is grpo with `clip_high 0.28`.",
      keysOf(rlObjectives),
      "grpo",
    ),
    prompts: number("Prompts of a step.", rlRanges.prompts, 8),
    group: number("Answers to each prompt.", rlRanges.group, 8),
    answer: number("Most tokens of an answer, its end included.", rlRanges.answer, [
      "context / 2",
      ({ context }) => Math.max(1, Math.floor(context! / 2)),
    ]),
    updates: number("Updates that are made of the same answers.", rlRanges.updates, 1),
    normalise: word(
      "What tokens count: each the same within the step (dapo), within its answer (grpo), within its " +
        "micro-batch (bnpo); or each 1 / `answer` (dr_grpo).",
      keysOf(normalisations),
      "tokens",
    ),
    advantage: word(
      "What an answer's reward is compared with: the mean of its prompt's answers, divided by their " +
        "deviation (group) or not (mean); the mean of the others; the mean, divided by the deviation of " +
        "the whole batch; the same for tokens (whiten); what a value head expects at each token (gae).",
      advantageWords,
      ["group; rloo leave_one_out, dr_grpo and reinforce mean, ppo gae", () => "group"],
    ),
    clip: objectiveFields.clip,
    clip_high: objectiveFields.clip_high,
    dual_clip: objectiveFields.dual_clip,
    kl: number(
      "How much the divergence from the reference costs, per nat; 0: there is no reference.",
      objectiveRanges.coefficient,
      0,
    ),
    kl_in: word("Where it counts: it lessens the reward, or is part of the loss.", klPlaces, "reward"),
    estimator: word(
      "How the divergence is estimated. In the reward: k1, which is right on average. In the loss: k2, " +
        "whose gradient is that of KL(model ‖ reference); k3 pulls by that of KL(reference ‖ model), and " +
        "k1 not at all.",
      keysOf(klEstimators),
      ["k1 in the reward, k2 in the loss", () => "k1"],
    ),
    target: number(
      "The divergence of an answer, in nats, that `kl` is moved towards; 0: `kl` stays as it is.",
      rlRanges.target,
      0,
    ),
    max_kl: number(
      "Ends the stage once held-out answers are further from the model that it began with, in nats per " +
        "answer; 0: never. The best checkpoint before that is kept.",
      rlRanges.target,
      0,
    ),
    horizon: number("Answers in which `kl` is moved by as much as it is off.", rlRanges.horizon, 10_000),
    reference: { ...reference, shown: "start where kl is above 0, else none" },
    truncated: word(
      "What becomes of an answer that is as long as it may be and has not ended: it counts as it is, is " +
        "left out of the loss, or its reward is lessened by `penalty`.",
      truncatedWords,
      "mask",
    ),
    penalty: number("What an answer costs that has not ended.", rlRanges.penalty, 1),
    reward: word(
      "What an answer is worth; `--reward` names others: with what they take, reward models, sums.",
      rewardWords,
      "exact_answer",
    ),
    value_weight: objectiveFields.value_weight,
    value_clip: objectiveFields.value_clip,
    entropy_weight: objectiveFields.entropy_weight,
    gamma: number("gae: what a reward counts a token earlier.", rlRanges.share, 1),
    lambda: number("gae: how far the value head's errors reach back.", rlRanges.share, 0.95),
  },
} satisfies Record<StageName, Fields>;

/** What each stage is for. */
export const stageDocs = {
  sft: "Supervised fine-tuning: questions with their answers are learnt, and where answers end.",
  prefer: "Preferences: of two answers to a prompt, the better one becomes likelier than the other.",
  reward: "A reward model: a scalar head learns to score the better one of two answers higher.",
  rl: "Reinforcement: the model answers prompts itself, and what was worth more becomes likelier.",
} as const satisfies Record<Stage, string>;

/** `lora { … }` inside of a stage's block. */
export const loraFields = {
  rank: number("Inner width of the two thin matrices.", loraRanges.rank, 8),
  alpha: number("What an adapter adds is multiplied by alpha / rank.", loraRanges.alpha, [
    "2 * rank",
    ({ rank }) => 2 * rank!,
  ]),
  on: words(
    "Which linear maps get one: those of attention, of mlp (the gated ones too), of linear; or all of the " +
      "layers.",
    loraTargets,
    ["all"],
  ),
} satisfies Fields;

/** A block: that of a stage, or of the adapters inside of it. */
export type BlockName = Stage | `${Stage}.lora`;
export const loraOf = (stage: Stage): `${Stage}.lora` => `${stage}.lora`;

export type Stage = StageName;
export const stages = Object.keys(stageFields) as readonly Stage[];
export const blockNames: readonly BlockName[] = stages.flatMap((stage) => [stage, loraOf(stage)]);
/** What each block may say. */
export const blockFields: Readonly<Record<BlockName, Fields>> = {
  ...stageFields,
  "sft.lora": loraFields,
  "prefer.lora": loraFields,
  "reward.lora": loraFields,
  "rl.lora": loraFields,
};

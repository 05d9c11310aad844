/**
 * THE tables of the stages after pre-training: what their blocks may say, with defaults for small models. A
 * default may use numbers of the model's own training by the name `train_…`, and of the model's context.
 */
import { number, word, words, type Fields, type Known } from "./fields.ts";
import { loraRanges, stageRanges, trainRanges } from "../../runtime/contract/limits.ts";
import {
  chatFormatWords,
  learntParts,
  loraTargets,
  packings,
  schedules,
  type StageName,
} from "../../runtime/contract/model.ts";

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
} satisfies Partial<Record<StageName, Fields>>;

/** What each stage is for. */
export const stageDocs = {
  sft: "Supervised fine-tuning: questions with their answers are learnt, and where answers end.",
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

export type Stage = keyof typeof stageFields;
export const stages = Object.keys(stageFields) as readonly Stage[];
export const blockNames: readonly BlockName[] = stages.flatMap((stage) => [stage, loraOf(stage)]);
/** What each block may say. */
export const blockFields: Readonly<Record<BlockName, Fields>> = { ...stageFields, "sft.lora": loraFields };

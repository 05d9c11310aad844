/** Options of the verbs of stages after pre-training, and what they ask for. */
import type { Stage } from "../../../compiler/2-check/stages.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { chatFormatWords } from "../../../runtime/contract/model.ts";
import { weightFormats } from "../../../runtime/contract/memory-formats.ts";
import { pathFrom, type Io } from "../terminal/io.ts";
import {
  flag,
  oneWord,
  optionalText,
  read,
  text,
  whole,
  wholeWithin,
  withDefault,
  type Options,
} from "./option.ts";
import { checkOptions, specOptions } from "./spec.ts";
import {
  beginOptions,
  refuseBoth,
  setting,
  settingsAsked,
  machineOptions,
  watchOptions,
} from "./training-options.ts";
import { tuneOptions } from "./tune-options.ts";
import { weightsFrom } from "./weights.ts";

/** `data`: what its file holds; `behind`: what stands behind the name of --from in that of the new run. */
export const stageOptions = (data: string, behind: string) => ({
  ...specOptions,
  ...tuneOptions,
  from: text("<dir>", "the run, or the imported model, whose model, weights and tokenizer it begins with"),
  data: text("<file>", data),
  eval: text("<file>", "examples that are held out (default: a share of the data)"),
  out: text("<dir>", `folder of the run (default: the one of --from with ${behind} behind it)`),
  chatFormat: read(
    text("<name>", `how dialogues are written: ${chatFormatWords.join(", ")} (default: the block's)`),
    (given, name) => oneWord(chatFormatWords, given, name),
  ),
  preview: optionalText(
    "[n]",
    "show n examples (default: 1) with what is learnt of them, and do nothing else",
  ),
  dropWrong: flag("leave out rows that are wrong, instead of refusing the file; they are counted and named"),
  lora: whole("<rank>", "train adapters of this rank beside the linear maps, and leave all else as it is", {
    least: 1,
  }),
  weights: read(
    text(
      "<format>",
      `with --lora: how matrices that stay as they are are kept: ${weightFormats.join(", ")} (default: f32)`,
    ),
    weightsFrom,
  ),
  steps: setting("updates"),
  seed: setting("seed of the order of the data"),
  ...machineOptions,
  tokenizer: text("<path>", "without --from: the tokenizer's file, or the folder that holds it"),
  ...beginOptions,
  evalEvery: setting("steps between evaluations"),
  sampleEvery: setting("steps between answers that are shown"),
  saveEvery: setting("steps between checkpoints"),
  keep: withDefault("3", whole("<n>", "checkpoints to keep, besides the best one", { least: 1 })),
  ...watchOptions,
  json: flag("one JSON object a line, for programs"),
});
export type StageOptions = Options<ReturnType<typeof stageOptions>>;

/** Settings of the block that have options of their own, by name. */
export function settingsOf(asked: StageOptions): Record<string, string> {
  const { steps, seed, evalEvery, sampleEvery, saveEvery, chatFormat, lora } = asked;
  return settingsAsked({ steps, seed, evalEvery, sampleEvery, saveEvery, chatFormat, "lora.rank": lora });
}

/** The settings of --set, for a run that goes on: without the name of the block. */
export const withoutBlock = (stage: Stage, asked: StageOptions): Record<string, string> =>
  Object.fromEntries(
    Object.entries(checkOptions(asked).set ?? {}).map(([name, value]) => [
      name.startsWith(`${stage}.`) ? name.slice(stage.length + 1) : name,
      value,
    ]),
  );

/** How many examples are to be shown; undefined: none. */
export function previewOf({ preview }: StageOptions): number | undefined {
  const count = preview === true ? "1" : preview;
  return count === undefined ? undefined : wholeWithin("--preview", count, { least: 1 });
}

export interface StagePlaces {
  readonly from: string | undefined;
  readonly folder: string;
  /** What is missing to begin a run; undefined: nothing is. */
  readonly lacks: string | undefined;
}

/**
 * Where a stage begins and where it goes. Throws SinterError "usage" where the options contradict themselves.
 */
export function stagePlaces(
  stage: Stage,
  asked: StageOptions,
  spec: string | undefined,
  io: Io,
): StagePlaces {
  const from = asked.from === undefined ? undefined : pathFrom(io, asked.from);
  refuseBoth(asked, from);
  if (asked.resume && asked.weights !== undefined)
    throw new SinterError("usage", "a run keeps its weights as it began: --weights is for one that begins");
  const begins = spec !== undefined || from !== undefined;
  if (!begins && !(asked.resume && asked.out !== undefined))
    throw new SinterError(
      "usage",
      "which model?",
      `sinter ${stage} --from RUN --data FILE, or sinter ${stage} --resume --out DIR`,
    );
  const out = asked.out ?? `${asked.from ?? `runs/${spec!}`.replace(/\.sinter$/, "")}-${stage}`;
  const lacks = begins ? undefined : `Begin one: sinter ${stage} --from RUN --data FILE --out DIR`;
  return { from, folder: pathFrom(io, out), lacks };
}

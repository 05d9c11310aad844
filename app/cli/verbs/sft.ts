/**
 * `sinter sft --from RUN --data FILE`: supervised fine-tuning. A model learns answers to questions, and where
 * answers end.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import { chatFormatWords } from "../../../runtime/contract/model.ts";
import { sftStage } from "../train/sft.ts";
import { prepareStage, reopenStage } from "../train/stage.ts";
import { stageSpec } from "../train/stage-settings.ts";
import { startRun } from "../train/start.ts";
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
} from "../options/option.ts";
import { checkOptions, specOptions } from "../options/spec.ts";
import {
  beginOptions,
  refuseBoth,
  setting,
  settingsAsked,
  threadOptions,
} from "../options/training-options.ts";
import { tuneOptions } from "../options/tune-file.ts";
import { pathFrom } from "../terminal/io.ts";
import { defineVerb } from "./verb.ts";

const options = {
  ...specOptions,
  ...tuneOptions,
  from: text("<dir>", "the run, or the imported model, whose model, weights and tokenizer it begins with"),
  data: text(
    "<file>",
    "examples: JSON Lines or a JSON array; - is standard input (default: built-in questions)",
  ),
  eval: text("<file>", "examples that are held out (default: a share of the data)"),
  out: text("<dir>", "folder of the run (default: the one of --from with -sft behind it)"),
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
  steps: setting("updates"),
  seed: setting("seed of the order of the data"),
  ...threadOptions,
  tokenizer: text("<path>", "without --from: the tokenizer's file, or the folder that holds it"),
  ...beginOptions,
  evalEvery: setting("steps between evaluations"),
  sampleEvery: setting("steps between answers that are shown"),
  saveEvery: setting("steps between checkpoints"),
  keep: withDefault("3", whole("<n>", "checkpoints to keep, besides the best one", { least: 1 })),
  json: flag("one JSON object a line, for programs"),
};
type Asked = Options<typeof options>;

export const sftVerb = defineVerb({
  name: "sft",
  summary: "teach a model to answer, from examples",
  arguments: [{ name: "[spec]", help: "spec whose sft block counts (default: that of --from)" }],
  options,
  notes: [
    "Rows are known by their keys: prompt + completion, question + answer, instruction (+ input) + output,",
    "messages (role, content), conversations (from, value), text. The loss is over answers alone,",
    "each with the token that ends it. A tokenizer without tokens for turns gets them.",
    "Settings are those of the sft block: of the spec that is named, else of the run's own spec,",
    "else the defaults; which, is printed. --set lr=1e-4 changes one of them.",
    "The checkpoint with the best held-out loss is kept, and is the one that chat, eval and export use.",
  ],
  examples: [
    "sinter sft --from runs/base --data questions.jsonl --preview",
    "sinter sft --from runs/base --data questions.jsonl --out runs/answers",
    "sinter sft tasks.sinter --from runs/base --data train.jsonl --eval test.jsonl --out runs/answers",
    "sinter sft --resume --out runs/answers --steps 600",
  ],
  async run([spec], asked, io) {
    const from = asked.from === undefined ? undefined : pathFrom(io, asked.from);
    refuseContradictions(asked, spec);
    const out = asked.out ?? `${asked.from ?? `runs/${spec!}`.replace(/\.sinter$/, "")}-sft`;
    const folder = pathFrom(io, out);
    const { steps, seed, evalEvery, sampleEvery, saveEvery, chatFormat, lora } = asked;
    const own = { steps, seed, evalEvery, sampleEvery, saveEvery, chatFormat, "lora.rank": lora };
    const settings = settingsAsked(own);
    const count = asked.preview === true ? "1" : asked.preview;
    const shown = count === undefined ? undefined : wholeWithin("--preview", count, { least: 1 });
    const begins = spec !== undefined || from !== undefined;
    const lacks = begins ? undefined : "Begin one: sinter sft --from RUN --data FILE --out DIR";
    return startRun(
      { ...asked, folder, from, lacks },
      {
        prepare: (source) => {
          const block = stageSpec("sft", { spec, options: asked, settings }, source?.run, io);
          return prepareStage(sftStage, folder, block, { ...asked, preview: shown }, io, source);
        },
        reopen: () =>
          reopenStage(sftStage, folder, { ...asked, set: { ...withoutBlock(asked), ...settings } }, io),
      },
      io,
    );
  },
});

/** The settings of --set, for a run that goes on: without the name of the block. */
const withoutBlock = (asked: Asked): Record<string, string> =>
  Object.fromEntries(
    Object.entries(checkOptions(asked).set ?? {}).map(([name, value]) => [name.replace(/^sft\./, ""), value]),
  );

function refuseContradictions(asked: Asked, spec: string | undefined): void {
  const { resume, from, out } = asked;
  refuseBoth(asked, from);
  if (spec === undefined && from === undefined && !(resume && out !== undefined))
    throw new SinterError(
      "usage",
      "which model?",
      "sinter sft --from RUN --data FILE, or sinter sft --resume --out DIR",
    );
}

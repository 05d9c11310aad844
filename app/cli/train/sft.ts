/** How supervised fine-tuning begins, or goes on: its examples, format, tokenizer and bundle. */
import { layerParts } from "../../../compiler/2-check/parameters.ts";
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { counted } from "../../../runtime/contract/amounts.ts";
import type { Model, SftSettings } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { contentsOf, tokenizerFor, type Run } from "../../../runtime/store/run-folder.ts";
import { newRecord, type RunRecord, type StageRecord } from "../../../runtime/store/run-record.ts";
import { SCHEDULE_RULE } from "../../../runtime/train/schedule.ts";
import { exampleSource } from "../../../runtime/train/sources/example-source.ts";
import { rowCount, type LearntExample } from "../../../runtime/train/sources/learnt-rows.ts";
import type { ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import { renderPrompt } from "../../../runtime/tokenizers/chat/render-dialogue.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { openRunAt } from "../runs/use-run.ts";
import type { TuneOptions } from "../options/tune-file.ts";
import type { Io } from "../terminal/io.ts";
import { compiled, type Amount, type Prepared, type Reopened, type TrainingData } from "./begin.ts";
import { changesAsked } from "./changes.ts";
import { adaptedModule, trainedText } from "./adapted-module.ts";
import {
  encodeStage,
  packingLine,
  readStageData,
  textOf,
  type StageExamples,
  type StageRows,
} from "./example-data.ts";
import { findTokenizer } from "./find-tokenizer.ts";
import { checkSameParameters, type Source } from "./from.ts";
import { specWithVocabulary, withVocabulary } from "./grow-vocabulary.ts";
import { preview } from "./preview.ts";
import { formatOf, stageFormat } from "./stage-format.ts";
import type { StageSpec } from "./stage-settings.ts";

export interface SftAsked extends TuneOptions {
  readonly data: string | undefined;
  readonly eval: string | undefined;
  readonly tokenizer: string | undefined;
  readonly target: Target | undefined;
  readonly dropWrong: boolean;
  readonly json: boolean;
  /** How many examples to show instead of training; undefined: train. */
  readonly preview: number | undefined;
}

type Say = (line: string) => void;

/**
 * Prepares a run that begins. Everything that can be wrong is found here, and cheap checks come before the
 * compiler's work. Undefined: examples were shown, and nothing more was asked for.
 */
export async function prepareSft(
  folder: string,
  spec: StageSpec<"sft">,
  asked: SftAsked,
  io: Io,
  source?: Source,
): Promise<Prepared | undefined> {
  const { settings } = spec;
  const packed = isPacked(settings);
  if (packed) refuseLookingAhead(spec.model);
  const say = sayer(io, asked.json);
  say(`settings of sft: from ${spec.block}`);
  const share = settings.train.heldOut;
  const examples = await readStageData({ ...asked, share }, say, io);
  const { tokenizer, recorded, model, added } = await grown(spec, examples, asked, io, source, say);
  const format = formatOf(recorded, tokenizer);
  try {
    const options = { format, tokenizer, loss: settings.loss };
    if (asked.preview !== undefined) {
      await preview(examples.train, { ...options, count: asked.preview }, io);
      return undefined;
    }
    const { context } = settings.train;
    const { vocab } = model.sizes;
    const rows = await encodeStage(examples, { ...options, context, vocab, dropWrong: asked.dropWrong }, say);
    if (packed) say(packingLine(rows.train, context));
    const adapted = settings.lora && adaptedModule(model, settings.lora, added);
    const bundle = await compiled(spec.path, model, asked, io, { ...adapted, packed });
    if (adapted) say(trainedText(bundle.manifest.modules.train!, adapted.lora));
    const grownSpec = model.sizes.vocab === spec.model.sizes.vocab;
    const contents = contentsOf(
      bundle,
      tokenizer,
      grownSpec ? spec.source : specWithVocabulary(spec.source, model),
    );
    const stage = stageRecord(settings, recorded, examples, spec.block, asked.dropWrong);
    const record = await newRecord(factsOf(model, examples, stage, asked, source), contents);
    const run: Run = { folder, record, bundle, tokenizer, notes: [] };
    if (source) checkSameParameters(source.run, run);
    return { run, contents, data: await dataOf(run, rows, examples, format) };
  } finally {
    format.close();
  }
}

const isPacked = ({ packing }: Pick<SftSettings, "packing">): boolean => packing === "best_fit";

/** Examples that share a row are kept apart by attention, each of whose rows sees what comes before it. */
function refuseLookingAhead(model: Model): void {
  if (layerParts(model).some((part) => part.part === "attention" && !part.causal))
    throw new SinterError(
      "input",
      "attention with `causal: false` can not keep examples apart that share a row",
      "Give each example a row of its own: --set sft.packing=none",
    );
}

const sayer =
  (io: Io, json: boolean): Say =>
  (line) =>
    json ? io.err(`${line}\n`) : io.out(`${line}\n`);

interface Grown {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly recorded: StageRecord["chatFormat"];
  /** Whether the tokenizer has got tokens. */
  readonly added: boolean;
}

/** The model as the stage trains it: with the stage's settings, and rows for the tokens that it needs. */
async function grown(
  { model, settings, path }: StageSpec<"sft">,
  { train, heldOut }: StageExamples,
  asked: SftAsked,
  io: Io,
  source: Source | undefined,
  say: Say,
): Promise<Grown> {
  const own = source
    ? source.run.tokenizer
    : tokenizerFor(
        model,
        await findTokenizer(model, textOf([...train, ...heldOut]), asked.tokenizer, path, io),
      );
  const { recorded, tokenizer, added } = await stageFormat(settings.chatFormat, own, source?.run);
  say(`dialogues are written as: ${recorded === "template" ? "the tokenizer's template" : recorded}`);
  const vocab = Math.max(model.sizes.vocab, tokenizer.size);
  const rows = { ...settings.train, ...(model.train.rows && { rows: model.train.rows }) };
  const changed: Model = { ...withVocabulary(model, vocab), train: rows, sft: settings };
  if (added.length > 0)
    say(
      `the vocabulary gets ${added.join(", ")}: ` +
        (vocab > model.sizes.vocab
          ? `${counted(vocab - model.sizes.vocab, "row")} more in the model's table, ${vocab} in all`
          : "in rows that the model has kept free"),
    );
  return {
    model: changed,
    tokenizer: tokenizerFor(changed, tokenizer),
    recorded,
    added: added.length > 0,
  };
}

const stageRecord = (
  { loss, packing, patience, lora }: SftSettings,
  chatFormat: StageRecord["chatFormat"],
  { heldOutFile }: StageExamples,
  block: string,
  dropWrong: boolean,
): StageRecord => ({
  stage: "sft",
  chatFormat,
  loss,
  packing,
  patience,
  dropWrong,
  ...(heldOutFile && { heldOut: heldOutFile }),
  ...(lora && { lora }),
  block,
});

const factsOf = (
  model: Model,
  { data }: StageExamples,
  stage: StageRecord,
  { target }: SftAsked,
  source: Source | undefined,
): Omit<RunRecord, "id" | "files"> => ({
  model: model.name,
  data,
  settings: model.train,
  scheduleRule: SCHEDULE_RULE,
  target,
  compiler: COMPILER_VERSION,
  from: source && { id: source.run.record.id, step: source.checkpoint.state.step },
  stage,
});

/** How many held-out questions are answered for people to read. */
const QUESTIONS = 3;

async function dataOf(
  { record, tokenizer }: Run,
  { train, heldOut }: StageRows,
  examples: StageExamples,
  format: ChatFormat,
): Promise<TrainingData> {
  const asked = (examples.heldOut.length > 0 ? examples.heldOut : examples.train).slice(0, QUESTIONS);
  const questions = await Promise.all(asked.map((example) => questionOf(example, format, tokenizer)));
  return {
    source: exampleSource({
      train,
      heldOut,
      seed: record.settings.seed,
      tokenizer,
      identity: record.data.sha256,
      packed: isPacked(record.stage!),
    }),
    train: amountOf(train),
    heldOut: heldOut ? amountOf(heldOut) : { tokens: 0, examples: { count: 0, learnt: 0 } },
    questions: questions.filter((question) => question !== undefined),
    best: { patience: record.stage!.patience },
  };
}

const amountOf = (rows: StageRows["train"]): Amount => ({
  tokens: rows.tokens.length,
  examples: { count: rowCount(rows), learnt: rows.counted },
});

type Question = NonNullable<TrainingData["questions"]>[number];

/** The prompt of an example; undefined: it is a text, which asks nothing. */
async function questionOf(
  example: LearntExample,
  format: ChatFormat,
  tokenizer: Tokenizer,
): Promise<Question | undefined> {
  if (example.kind === "text") return undefined;
  const prompt = example.messages.slice(0, example.learnt.at(-1));
  return { shown: prompt.at(-1)!.content, ids: await renderPrompt(format, tokenizer, prompt) };
}

export interface ReopenAsked {
  /** Settings that are given on the command line, by name. */
  readonly set: Readonly<Record<string, string>>;
  readonly data: string | undefined;
  readonly eval: string | undefined;
  readonly json: boolean;
}

/** Opens a run to go on with: it keeps its bundle, tokenizer and format, and takes the same files alone. */
export async function reopenSft(folder: string, asked: ReopenAsked, io: Io): Promise<Reopened> {
  const run = await openRunAt(folder, io);
  const { record, tokenizer } = run;
  const { stage, settings } = record;
  if (stage?.stage !== "sft")
    throw new SinterError(
      "input",
      `${folder} holds no run of sinter sft`,
      `Begin one from its weights: sinter sft --from ${folder} --data FILE --out DIR`,
    );
  const changes = changesAsked(run, asked.set, undefined);
  const say = sayer(io, asked.json);
  const examples = await readStageData(
    {
      data: sameFile(asked.data, record.data.path, "--data"),
      eval: stage.heldOut ? sameFile(asked.eval, stage.heldOut.path, "--eval") : undefined,
      dropWrong: stage.dropWrong,
      share: settings.heldOut,
    },
    say,
    io,
  );
  checkSame("data", examples.data.sha256, record.data.sha256);
  if (stage.heldOut) checkSame("held-out data", examples.heldOutFile!.sha256, stage.heldOut.sha256);
  const format = formatOf(stage.chatFormat, tokenizer);
  try {
    const { vocab } = run.bundle.manifest.model.sizes;
    const { loss, dropWrong } = stage;
    const { context } = settings;
    const rows = await encodeStage(examples, { format, tokenizer, loss, context, vocab, dropWrong }, say);
    return { run, changes, data: await dataOf(run, rows, examples, format) };
  } finally {
    format.close();
  }
}

/** The file that is named, else the recorded one; undefined: the built-in questions. */
function sameFile(
  given: string | undefined,
  recorded: string | undefined,
  option: string,
): string | undefined {
  if (given !== undefined || recorded !== "-") return given ?? recorded;
  throw new SinterError(
    "input",
    "the data of this run came from standard input, which is not kept",
    `Give the same again: ${option} FILE`,
  );
}

function checkSame(what: string, found: string, recorded: string): void {
  if (found !== recorded)
    throw new SinterError(
      "input",
      `the ${what} are not those that this run began with`,
      "Give the same file again, or begin another run with --out DIR.",
    );
}

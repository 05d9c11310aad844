/**
 * How a stage after pre-training begins, or goes on: its examples, format, tokenizer and bundle. What differs
 * between stages is in a StageKind; everything that can go wrong in the same way goes wrong here.
 */
import type { Stage } from "../../../compiler/2-check/stages.ts";
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { counted } from "../../../runtime/contract/amounts.ts";
import type { Weights } from "../../../runtime/contract/memory-formats.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { contentsOf, learntText, tokenizerFor, type Run } from "../../../runtime/store/run-folder.ts";
import { newRecord, type RunRecord, type StageRecord } from "../../../runtime/store/run-record.ts";
import { SCHEDULE_RULE } from "../../../runtime/train/schedule.ts";
import { promptOf, type ExampleKind } from "../../../runtime/train/examples/example.ts";
import type { ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import { renderPrompt } from "../../../runtime/tokenizers/chat/render-dialogue.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { openRunAt } from "../runs/use-run.ts";
import type { TuneOptions } from "../options/tune-options.ts";
import { type Io, sayer, type Say } from "../terminal/io.ts";
import { adaptedModule, trainedText } from "./adapted-module.ts";
import { compiled, type Prepared, type Reopened, type StageModule, type TrainingData } from "./begin.ts";
import { changesAsked } from "./changes.ts";
import { readStageData, textOf, type StageExamples } from "./example-data.ts";
import { findTokenizer } from "./find-tokenizer.ts";
import { checkSameParameters, type Source } from "./from.ts";
import { specWithVocabulary, withVocabulary } from "./grow-vocabulary.ts";
import { formatOf } from "../runs/run-format.ts";
import { stageFormat } from "./stage-format.ts";
import type { StageSpec } from "./stage-settings.ts";

export interface StageAsked extends TuneOptions {
  readonly data: string | undefined;
  readonly eval: string | undefined;
  readonly tokenizer: string | undefined;
  readonly target: Target | undefined;
  readonly memoryLimit: number | undefined;
  readonly dropWrong: boolean;
  /** How matrices are kept that are not trained, beside adapters; undefined: f32. */
  readonly weights: Weights | undefined;
  readonly json: boolean;
  /** How many examples to show instead of training; undefined: train. */
  readonly preview: number | undefined;
}

/** What a stage's block says. */
export type SettingsOf<S extends Stage> = NonNullable<Model[S]>;

/** How examples become tokens. */
export interface EncodeStage<S extends Stage> {
  readonly settings: SettingsOf<S>;
  readonly format: ChatFormat;
  readonly tokenizer: Tokenizer;
  /** Tokens of a row. */
  readonly context: number;
  readonly vocab: number;
  readonly dropWrong: boolean;
}

/** What one stage does in its own way. K: the kinds of examples that it reads; R: what it makes of them. */
export interface StageKind<S extends Stage, K extends ExampleKind, R> {
  readonly stage: S;
  readonly kinds: readonly K[];
  /** Throws SinterError "input" where the model can not do what the settings ask for. */
  check?(settings: SettingsOf<S>, model: Model): void;
  /** The model as the stage trains it, where that is another one. */
  model?(model: Model): Model;
  /** What its module is compiled for. */
  compile(settings: SettingsOf<S>): Omit<StageModule, "lora" | "trains" | "weights">;
  encode(examples: StageExamples<K>, o: EncodeStage<S>, say: Say): Promise<R>;
  /** Shows `count` examples. */
  preview(examples: StageExamples<K>, o: EncodeStage<S> & { readonly count: number }, io: Io): Promise<void>;
  /** What its record has besides what all have. */
  record(settings: SettingsOf<S>): Pick<StageRecord, "loss" | "packing" | "settings">;
  data(run: Run, settings: SettingsOf<S>, encoded: R): Omit<TrainingData, "questions">;
  /** Whether it can be asked something when it has learnt. */
  readonly answers: boolean;
}

/**
 * Prepares a run that begins. Everything that can be wrong is found here, and cheap checks come before the
 * compiler's work. Undefined: examples were shown, and nothing more was asked for.
 */
export async function prepareStage<S extends Stage, K extends ExampleKind, R>(
  kind: StageKind<S, K, R>,
  folder: string,
  spec: StageSpec<S>,
  asked: StageAsked,
  io: Io,
  source?: Source,
): Promise<Prepared | undefined> {
  const { settings } = spec;
  kind.check?.(settings, spec.model);
  if (asked.weights !== undefined && !settings.lora)
    throw new SinterError(
      "usage",
      "--weights is how matrices are kept that are not trained: it goes with --lora",
    );
  const say = sayer(io, asked.json);
  say(`settings of ${kind.stage}: from ${spec.block}`);
  const share = settings.train.heldOut;
  const examples = await readStageData(kind, { ...asked, share }, say, io);
  const { tokenizer, recorded, model, added } = await grown(kind, spec, examples, asked, io, source, say);
  const format = formatOf(recorded, tokenizer);
  try {
    const { context } = settings.train;
    const { vocab } = model.sizes;
    const options = { settings, format, tokenizer, context, vocab, dropWrong: asked.dropWrong };
    if (asked.preview !== undefined) {
      await kind.preview(examples, { ...options, count: asked.preview }, io);
      return undefined;
    }
    const encoded = await kind.encode(examples, options, say);
    const { weights } = asked;
    const adapted = settings.lora && { ...adaptedModule(model, settings.lora, added), weights };
    const module = { ...adapted, ...kind.compile(settings) };
    const bundle = await compiled(spec.path, model, asked, io, module);
    if (adapted) say(trainedText(bundle.manifest.modules.train!, adapted.lora));
    const grownSpec = model.sizes.vocab === spec.model.sizes.vocab;
    const contents = contentsOf(
      bundle,
      tokenizer,
      grownSpec ? spec.source : specWithVocabulary(spec.source, model),
    );
    const text = source && learntText(source.run.record);
    const stage = stageRecord(kind, spec, recorded, examples, asked.dropWrong, text);
    const record = await newRecord(factsOf(model, examples, stage, asked, source), contents);
    const run: Run = { folder, record, bundle, tokenizer, notes: [] };
    if (source) checkSameParameters(source.run, run);
    return { run, contents, data: await dataOf(kind, run, settings, encoded, examples, format) };
  } finally {
    format.close();
  }
}

interface Grown {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly recorded: StageRecord["chatFormat"];
  /** Whether the tokenizer has got tokens. */
  readonly added: boolean;
}

/** The model as the stage trains it: with the stage's settings, and rows for the tokens that it needs. */
async function grown<S extends Stage, K extends ExampleKind>(
  kind: Pick<StageKind<S, K, unknown>, "stage" | "model">,
  { model, settings, path }: StageSpec<S>,
  { train, heldOut }: StageExamples<K>,
  asked: StageAsked,
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
  const changed: Model = { ...withVocabulary(model, vocab), train: rows, [kind.stage]: settings };
  if (added.length > 0)
    say(
      `the vocabulary gets ${added.join(", ")}: ` +
        (vocab > model.sizes.vocab
          ? `${counted(vocab - model.sizes.vocab, "row")} more in the model's table, ${vocab} in all`
          : "in rows that the model has kept free"),
    );
  const trained = kind.model ? kind.model(changed) : changed;
  return {
    model: trained,
    tokenizer: tokenizerFor(changed, tokenizer),
    recorded,
    added: added.length > 0,
  };
}

const stageRecord = <S extends Stage, K extends ExampleKind, R>(
  kind: StageKind<S, K, R>,
  { settings, block }: StageSpec<S>,
  chatFormat: StageRecord["chatFormat"],
  { heldOutFile }: StageExamples<K>,
  dropWrong: boolean,
  text: StageRecord["text"],
): StageRecord => ({
  stage: kind.stage,
  chatFormat,
  ...kind.record(settings),
  patience: settings.patience,
  dropWrong,
  ...(heldOutFile && { heldOut: heldOutFile }),
  ...(text && { text }),
  ...(settings.lora && { lora: settings.lora }),
  block,
});

const factsOf = (
  model: Model,
  { data }: Pick<StageExamples<ExampleKind>, "data">,
  stage: StageRecord,
  { target }: StageAsked,
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

async function dataOf<S extends Stage, K extends ExampleKind, R>(
  kind: StageKind<S, K, R>,
  run: Run,
  settings: SettingsOf<S>,
  encoded: R,
  { train, heldOut }: StageExamples<K>,
  format: ChatFormat,
): Promise<TrainingData> {
  const asked = kind.answers ? (heldOut.length > 0 ? heldOut : train).slice(0, QUESTIONS) : [];
  const prompts = asked.map(promptOf).filter((prompt) => prompt !== undefined);
  const questions = await Promise.all(
    prompts.map(async (prompt) => ({
      shown: prompt.at(-1)!.content,
      ids: await renderPrompt(format, run.tokenizer, prompt),
    })),
  );
  return { ...kind.data(run, settings, encoded), questions };
}

export interface ReopenAsked {
  /** Settings that are given on the command line, by name. */
  readonly set: Readonly<Record<string, string>>;
  readonly data: string | undefined;
  readonly eval: string | undefined;
  readonly json: boolean;
}

/** Opens a run to go on with: it keeps its bundle, tokenizer and format, and takes the same files alone. */
export async function reopenStage<S extends Stage, K extends ExampleKind, R>(
  kind: StageKind<S, K, R>,
  folder: string,
  asked: ReopenAsked,
  io: Io,
): Promise<Reopened> {
  const run = await openRunAt(folder, io);
  if (run.record.stage?.stage !== kind.stage)
    throw new SinterError(
      "input",
      `${folder} holds no run of sinter ${kind.stage}`,
      `Begin one from its weights: sinter ${kind.stage} --from ${folder} --data FILE --out DIR`,
    );
  const changes = changesAsked(run, asked.set, undefined);
  return withEncoded(kind, run, asked, io, async ({ settings, examples, encoded, format }) => ({
    run,
    changes,
    data: await dataOf(kind, run, settings, encoded, examples, format),
  }));
}

/** What a run of a stage learns from, read again. */
export interface EncodedAgain<S extends Stage, K extends ExampleKind, R> {
  readonly settings: SettingsOf<S>;
  readonly examples: StageExamples<K>;
  readonly encoded: R;
  readonly format: ChatFormat;
}

/** Reads and encodes the examples that a run began with; the format is open as long as `use` works. */
export async function withEncoded<S extends Stage, K extends ExampleKind, R, T>(
  kind: Pick<StageKind<S, K, R>, "stage" | "kinds" | "encode">,
  { record, bundle, tokenizer }: Run,
  asked: Pick<ReopenAsked, "data" | "eval" | "json">,
  io: Io,
  use: (again: EncodedAgain<S, K, R>) => Promise<T>,
): Promise<T> {
  const stage = record.stage!;
  const say = sayer(io, asked.json);
  const examples = await readAgain(kind, record, stage, asked, say, io);
  const format = formatOf(stage.chatFormat, tokenizer);
  try {
    const { model } = bundle.manifest;
    const settings = model[kind.stage] as SettingsOf<S>;
    const { dropWrong } = stage;
    const { context } = record.settings;
    const options = { settings, format, tokenizer, context, vocab: model.sizes.vocab, dropWrong };
    const encoded = await kind.encode(examples, options, say);
    return await use({ settings, examples, encoded, format });
  } finally {
    format.close();
  }
}

/** The files that a run began with; throws where they are others. */
async function readAgain<S extends Stage, K extends ExampleKind>(
  kind: Pick<StageKind<S, K, unknown>, "stage" | "kinds">,
  { data, settings }: RunRecord,
  { heldOut, dropWrong }: StageRecord,
  asked: Pick<ReopenAsked, "data" | "eval">,
  say: Say,
  io: Io,
): Promise<StageExamples<K>> {
  const files = {
    data: sameFile(asked.data, data.path, "--data"),
    eval: heldOut ? sameFile(asked.eval, heldOut.path, "--eval") : undefined,
  };
  const examples = await readStageData(kind, { ...files, dropWrong, share: settings.heldOut }, say, io);
  checkSame("data", examples.data.sha256, data.sha256);
  if (heldOut) checkSame("held-out data", examples.heldOutFile!.sha256, heldOut.sha256);
  return examples;
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

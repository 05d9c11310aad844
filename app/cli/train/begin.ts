/** How a run begins, or goes on: its text, tokenizer and bundle. Nothing is written here. */
import type { Model, TrainSettings } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import {
  batchSource,
  type BatchSource,
  type DocumentCounts,
  type ExampleCounts,
} from "../../../runtime/train/sources/batch-source.ts";
import type { BestOptions, SampleOptions } from "../../../runtime/train/train.ts";
import { moduleOf, type Bundle } from "../../../runtime/engine/bundle.ts";
import { workersFor } from "../../../runtime/engine/choose-workers.ts";
import { isBeyond, neededMemory } from "../../../runtime/engine/machine-memory.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { openCorpus } from "../../../runtime/train/sources/corpus.ts";
import { TEXT_RULE, type TextRule } from "../../../runtime/train/sources/documents.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { thousands } from "../../../runtime/contract/amounts.ts";
import { contentsOf, textRuleOf, tokenizerFor, type Run } from "../../../runtime/store/run-folder.ts";
import { newRecord } from "../../../runtime/store/run-record.ts";
import { SCHEDULE_RULE } from "../../../runtime/train/schedule.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { findTokenizer } from "./find-tokenizer.ts";
import { dataPath, readData, readDataAgain } from "./data-text.ts";
import { changesAsked, otherwise, type Change } from "./changes.ts";
import { checkSameParameters, type Source } from "./from.ts";
import { bundleOf } from "../options/kept-bundle.ts";
import { textAt } from "../terminal/input.ts";
import { sameModel } from "../options/same-model.ts";
import { openRunAt } from "../runs/use-run.ts";
import { hasTuneFile, type TuneOptions } from "../options/tune-options.ts";
import type { Io } from "../terminal/io.ts";

export interface CheckedSpec {
  readonly path: string;
  readonly model: Model;
  readonly source: string;
}

export interface Opened {
  readonly run: Run;
  readonly data: TrainingData;
}

/** What a run learns from, and what else its data decide. */
export interface TrainingData {
  readonly source: BatchSource;
  readonly train: Amount;
  readonly heldOut: Amount;
  /** Of a stage after pre-training. */
  readonly questions?: SampleOptions["questions"];
  readonly best?: BestOptions;
  /** The metrics that tell most of a step, which are shown beside the loss. */
  readonly headline?: readonly string[];
  /** What has to be known before the first step, or to go on. */
  ready?(start: Start): Promise<void>;
  /** What is kept of a run that has come to its end. */
  finished?(start: Start): Promise<void>;
  /** A line that explains what an event shows; undefined: there is nothing to explain. */
  remark?(event: TrainEvent): string | undefined;
  /** The weights that it begins with are needed as long as it goes on. */
  readonly keepsStart?: boolean;
  /** Frees what the source holds. */
  close?(): Promise<void>;
}

/** A model that is about to learn, in the folder of its run. */
export interface Start {
  readonly model: RunningModel;
  readonly run: Run;
  /** Updates that are made already. */
  readonly step: number;
  readonly signal: AbortSignal;
  /** Hears how far a computation of many parts is: "the reference: 12 of 200 answers". */
  progress(text: string): void;
}

/** How much there is of it. */
export interface Amount {
  readonly tokens: number;
  readonly documents?: DocumentCounts;
  readonly examples?: ExampleCounts;
}

/** A run that has not begun: what its folder will hold. */
export interface Prepared extends Opened {
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

export interface Reopened extends Opened {
  readonly changes: readonly Change[];
}

export interface PrepareOptions extends TuneOptions {
  /** The file of the text; undefined: the built-in text. */
  readonly data: string | undefined;
  /** The tokenizer's file or folder; undefined: it is looked for beside the spec. */
  readonly tokenizer: string | undefined;
  /** Undefined: the best that runs here. */
  readonly target: Target | undefined;
  /** Bytes that one memory may have; undefined: as many as WebAssembly allows. */
  readonly memoryLimit: number | undefined;
  /** Prints nothing for people: the output is JSON. */
  readonly json: boolean;
}

/**
 * Prepares a run that begins. Everything that can be wrong is found here, and cheap checks come before the
 * compiler's work. `source`: the run whose weights it begins with.
 */
export async function prepare(
  folder: string,
  { path, model, source: specText }: CheckedSpec,
  asked: PrepareOptions,
  io: Io,
  source?: Source,
): Promise<Prepared> {
  const dataFrom = asked.data === undefined ? undefined : dataPath(asked.data, io);
  const text = readData(dataFrom, io);
  const tokenizer = tokenizerFor(
    model,
    await findTokenizer(model, text, asked.tokenizer, path, io, source?.run),
  );
  const hash = await sha256(text);
  const data = cutIn(text, hash, tokenizer, model.sizes.vocab, model.train, TEXT_RULE);
  const bundle = await compiled(path, model, asked, io);
  const contents = contentsOf(bundle, tokenizer, specText);
  const record = await newRecord(
    {
      model: model.name,
      data: { path: dataFrom, sha256: hash },
      settings: model.train,
      scheduleRule: SCHEDULE_RULE,
      textRule: TEXT_RULE,
      target: asked.target,
      compiler: COMPILER_VERSION,
      from: source && { id: source.run.record.id, step: source.checkpoint.state.step },
    },
    contents,
  );
  const run = { folder, record, bundle, tokenizer, notes: [] };
  if (source) checkSameParameters(source.run, run);
  return { run, data, contents };
}

/** What a stage after pre-training asks of the compiler. */
export type StageModule = Pick<
  CompileOptions,
  "lora" | "trains" | "weights" | "packed" | "objective" | "perRow" | "lanes"
>;

/**
 * The model's module for training, compiled for this machine. It can sample too.
 */
export async function compiled(
  path: string,
  model: Model,
  asked: Pick<PrepareOptions, "target" | "memoryLimit" | "json"> & TuneOptions,
  io: Io,
  stage: StageModule = {},
): Promise<Bundle> {
  const target = asked.target ?? (await bestTarget(nodeHost));
  // loaded here, because it needs the compiler's operations
  const tiles = hasTuneFile(path, asked, io)
    ? (await import("../options/tune-file.ts")).tilesFor(path, asked, io)
    : undefined;
  const began = performance.now();
  // what only training needs costs no memory until it is used
  const options = { ...stage, targets: [target], tiles, memoryLimit: asked.memoryLimit };
  const bundle = await bundleOf(model, ["train"], options);
  await refuseTooLarge(model, bundle, options);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (!asked.json)
    io.out(
      `${model.name}: ${thousands(bundle.manifest.parameters)} parameters, compiled for ${target} ` +
        `in ${seconds} s\n`,
    );
  return bundle;
}

/** Throws `memory` where this machine has too little to train the model. */
async function refuseTooLarge(model: Model, bundle: Bundle, options: CompileOptions): Promise<void> {
  const module = moduleOf(bundle, "train");
  const needed = neededMemory(module, "train", workersFor(module, nodeHost, nodeHost.workers));
  const machine = nodeHost.machineMemory();
  // loaded here, because it needs the compiler, which says what each setting would save
  if (isBeyond(needed, machine))
    (await import("../options/memory-plan.ts")).refuseBeyondMachine(model, needed, machine, options);
}

/**
 * Opens a run to go on with: it keeps its own bundle, tokenizer and text. `spec`: the spec of the command
 * line as it is now; `asked`: settings of the command line, which may change; `given`: the path of its text.
 */
export async function reopen(
  folder: string,
  spec: CheckedSpec | undefined,
  asked: Readonly<Record<string, string>>,
  given: string | undefined,
  io: Io,
): Promise<Reopened> {
  const run = await openRunAt(folder, io);
  if (run.record.stage)
    throw new SinterError(
      "input",
      `${folder} holds a run of sinter ${run.record.stage.stage}`,
      `Go on with it: sinter ${run.record.stage.stage} --resume --out ${folder}`,
    );
  if (run.record.imported)
    throw new SinterError(
      "input",
      `${folder} holds an imported model, not a run to go on with`,
      `Begin a run from its weights: sinter train --from ${folder} --out DIR`,
    );
  const { model } = run.bundle.manifest;
  const changes = changesAsked(run, asked, spec?.model.train);
  if (spec) noteOtherSpec(spec, run, changes, io);
  const text =
    given === undefined ? readDataAgain(run.record.data.path, io) : readData(dataPath(given, io), io);
  const hash = await sha256(text);
  if (hash !== run.record.data.sha256)
    throw new SinterError(
      "input",
      "the text is not the one that this run began with",
      "Give the same text with --data, or begin another run with --out DIR.",
    );
  return {
    run,
    data: cutIn(text, hash, run.tokenizer, model.sizes.vocab, run.record.settings, textRuleOf(run.record)),
    changes,
  };
}

function cutIn(
  text: string,
  hash: string,
  tokenizer: Tokenizer,
  vocab: number,
  train: TrainSettings,
  rule: TextRule,
): TrainingData {
  const corpus = openCorpus(text, { tokenizer, vocab, train, rule });
  const parts = corpus.split(train.heldOut);
  return { source: batchSource(parts, corpus, hash), train: parts.train, heldOut: parts.heldOut };
}

/** A spec that has changed since the run began changes nothing in the run; a note says where they differ. */
function noteOtherSpec(
  { path, model, source }: CheckedSpec,
  { folder, record, bundle }: Run,
  changes: readonly Change[],
  io: Io,
): void {
  if (!sameModel(model, bundle.manifest.model))
    return io.err(
      `note: spec or --set have changed since this run began; it goes on with ${folder}/spec.sinter\n`,
    );
  const before = textAt(`${folder}/spec.sinter`);
  if (before === undefined || before === source) return;
  const has = { ...record.settings, ...Object.fromEntries(changes.map(({ setting, to }) => [setting, to])) };
  const said = otherwise(model.train, has);
  if (said.length > 0)
    io.err(`note: ${path} says ${said.join("; ")}: the run goes on as it was; --set NAME=VALUE changes it\n`);
}

/**
 * Learning and evaluating: batches of tokens and targets in, losses out. One call of the entry `train` is one
 * micro-batch: it adds to the gradients that are there, and the last one of a step updates the parameters.
 */
import type { OutputName, TensorName } from "../contract/entries.ts";
import type { TrainSettings } from "../contract/model.ts";
import { pow } from "../contract/power.ts";
import { SinterError } from "../base/errors.ts";
import type { Entries, HyperName } from "./entries.ts";
import { useAdapters } from "./adapters.ts";
import { MixtureCounts, type MixtureLoad } from "./mixtures.ts";
import {
  countUnits,
  meansOf,
  readSums,
  writeKnownRows,
  writeSettings,
  type KnownRows,
  type ObjectiveMeans,
  type ObjectiveSums,
} from "./objective.ts";

/** B sequences of T tokens, flattened. A target of −1 is not counted. */
export interface Batch extends KnownRows {
  readonly tokens: Int32Array; // [B·T]
  readonly targets: Int32Array; // [B·T]
  /**
   * [B·T]: what each row's cross-entropy counts in the objective of a training step, by a module that was
   * compiled to take weights. Default: 1 / (counted targets of the step). A row whose target is −1 counts for
   * nothing. Of an objective of answers or pairs, a unit has the weight at the last counted row of its
   * (chosen) answer; default: 1 / (units of the step).
   */
  readonly weights?: Float32Array;
  /**
   * [B·T]: each row's position in its document, and the row of its sequence at which that begins, by a module
   * that was compiled for packed documents. The latter never falls along a sequence. Default: a sequence is
   * one document.
   */
  readonly positions?: Int32Array;
  readonly first?: Int32Array;
  /**
   * [B·T]: by how much the adapters of each row count, by a module that was compiled to take it: 1, or 0 for
   * the model without them. Default: 1.
   */
  readonly adapters?: Float32Array;
}

export interface StepResult {
  /**
   * What the step makes smaller, as a mean: of the counted targets' cross-entropies, in nats, or of the
   * losses of the objective's units.
   */
  readonly loss: number;
  /** Of a module that was compiled for an objective. */
  readonly objective?: ObjectiveMeans;
  /** Global gradient norm before clipping. Not finite: the parameters were left alone. */
  readonly norm: number;
  /** Of a model with experts: one for each mixture. */
  readonly mixtures?: readonly MixtureLoad[];
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Numbers that the objective's equation names. Default: as they were compiled. */
  readonly settings?: Readonly<Record<string, number>>;
}

export interface EvaluateOptions extends CallOptions {
  /** Whether adapters count in this call. Default: as `useAdapters` has left it. */
  readonly adapters?: boolean;
}

export interface StepOptions extends CallOptions {
  readonly lr: number;
  readonly step: number;
}

/** A sum of cross-entropies over the counted targets, in nats, and their number. */
export interface LossSum {
  readonly sum: number;
  readonly count: number;
  /** Of a module that was compiled for an objective: `addSums`, `meansOf` (objective.ts). */
  readonly objective?: ObjectiveSums;
}

/** One optimizer update from these micro-batches. `step` counts from 1. */
export async function trainStep(
  entries: Entries,
  micro: readonly Batch[],
  { lr, step, settings }: StepOptions,
): Promise<StepResult> {
  const { control } = entries.manifest;
  const train = entries.get("train");
  const { objective, context } = train;
  const counted = micro.reduce((sum, batch) => sum + countTargets(batch.targets), 0);
  if (counted === 0) throw new SinterError("input", "a batch without a single target");
  const units = objective
    ? micro.reduce((sum, batch) => sum + countUnits(objective.unit, batch.targets, context), 0)
    : counted;
  if (units === 0) throw new SinterError("input", "a batch without a single pair of answers");
  writeHyper(entries, lr, step, units);
  if (objective) writeSettings(entries, objective, settings);
  const mixtures = train.mixtures?.map(
    (place) => new MixtureCounts(place, (name) => entries.tensorNamed(name)),
  );
  for (const [i, batch] of micro.entries()) {
    writeBatch(entries, batch);
    writeWeights(entries, batch, units);
    entries.setControl(control.accumulate, i > 0 ? 1 : 0);
    const update = i === micro.length - 1 ? 1 : 0;
    entries.setControl(control.update, update);
    // adds to `loss` and `objective` as it adds to the gradients
    await entries.run(train, undefined, { also: update });
    for (const mixture of mixtures ?? []) mixture.add();
  }
  const means = objective && meansOf(objective, readSums(entries));
  return {
    loss: means?.loss ?? entries.tensor("loss").padded()[0]! / counted,
    norm: entries.tensor("norm").padded()[0]!,
    ...(means && { objective: means }),
    ...(mixtures && { mixtures: mixtures.map((mixture) => mixture.load(counted)) }),
  };
}

export async function evaluate(
  entries: Entries,
  batch: Batch,
  { settings, adapters }: EvaluateOptions,
): Promise<LossSum> {
  if (adapters === undefined) return evaluateNow(entries, batch, settings);
  const before = useAdapters(entries, adapters);
  try {
    return await evaluateNow(entries, batch, settings);
  } finally {
    useAdapters(entries, before);
  }
}

async function evaluateNow(
  entries: Entries,
  batch: Batch,
  settings: CallOptions["settings"],
): Promise<LossSum> {
  const entry = entries.get("evaluate");
  const { objective } = entry;
  writeBatch(entries, batch);
  if (objective) writeSettings(entries, objective, settings);
  entries.setControl(entries.manifest.control.accumulate, 0);
  await entries.run(entry);
  const sums = objective && readSums(entries);
  // a reward model has no cross-entropies: its losses are those of its pairs
  const [count, loss] = sums ?? [];
  const [sum, targets] = entries.findTensor("loss")?.padded() ?? [loss, count];
  return { sum: sum!, count: targets!, ...(sums && { objective: sums }) };
}

/** How many targets count. */
export function countTargets(targets: Int32Array): number {
  let count = 0;
  for (const target of targets) if (target >= 0) count++;
  return count;
}

function writeBatch(entries: Entries, batch: Batch): void {
  entries.tensor("tokens").write(batch.tokens);
  entries.tensor("targets").write(batch.targets);
  writeKnownRows(entries, batch);
  writeDocuments(entries, batch);
  entries.findTensor("adapters")?.write(batch.adapters ?? Float32Array.from(batch.targets, () => 1));
}

/** Where documents stand, in a module that asks. */
function writeDocuments(entries: Entries, { targets, positions, first }: Batch): void {
  const begins = entries.findTensor("first");
  if (!begins) {
    if (positions || first) throw notCompiledFor("takes no documents side by side", "`packed: true`");
    return;
  }
  const { context, inputs } = entries.get("evaluate");
  begins.write(first ?? new Int32Array(targets.length));
  // not every model reads them; runs of prefill and decode use the same tensor
  if (inputs.includes("positions" satisfies TensorName))
    entries.tensor("positions").write(positions ?? Int32Array.from(targets, (_, r) => r % context));
}

function writeWeights(entries: Entries, { targets, weights }: Batch, units: number): void {
  const tensor = entries.findTensor("weights");
  if (tensor) tensor.write(weights ?? Float32Array.from(targets, () => 1 / units));
  else if (weights) throw notCompiledFor("takes no weights of rows", "`perRow: { weights: true }`");
}

/** What a module may say of each row or unit of the last batch, and the option that makes it do so. */
const rowOutputs = {
  logprobs: "`perRow: { logprobs: true }`",
  entropies: "`perRow: { entropies: true }`",
  values: "a model that has a `head`",
  objective_losses: "`objective`",
} as const satisfies Partial<Record<OutputName, string>>;
export type RowOutput = keyof typeof rowOutputs;

/** [B·T], or the losses of the objective's units. A view of the module's memory. */
export function rowOutput(entries: Entries, name: RowOutput): Float32Array {
  const tensor = entries.findTensor(name);
  if (!tensor) throw notCompiledFor(`gives no ${names[name]}`, rowOutputs[name]);
  return tensor.padded() as Float32Array;
}

const names: Readonly<Record<RowOutput, string>> = {
  logprobs: "log-probabilities of rows",
  entropies: "entropies of rows",
  values: "values of rows",
  objective_losses: "losses of an objective",
};

const notCompiledFor = (what: string, option: string): SinterError =>
  new SinterError("input", `this module ${what}`, `Compile it with ${option} (compileModel).`);

/** The numbers of a step that kernels read (contract/control.ts). */
function writeHyper(entries: Entries, lr: number, step: number, units: number): void {
  const { beta1, beta2, eps, decay, clip }: TrainSettings = entries.manifest.model.train;
  const numbers: Record<Exclude<HyperName, "lora">, number> = {
    lr,
    beta1,
    beta2,
    eps,
    decay,
    clip,
    correction1: 1 / (1 - pow(beta1, step)),
    correction2: 1 / (1 - pow(beta2, step)),
    scale: 1 / units,
    step,
  };
  for (const [name, value] of Object.entries(numbers)) entries.setHyper(name as HyperName, value);
}

/**
 * Learning and evaluating: batches of tokens and targets in, losses out. One call of the entry `train` is one
 * micro-batch: it adds to the gradients that are there, and the last one of a step updates the parameters.
 */
import type { TrainSettings } from "../contract/model.ts";
import { SinterError } from "../base/errors.ts";
import type { Entries } from "./entries.ts";
import { MixtureCounts, type MixtureLoad } from "./mixtures.ts";

/** B sequences of T tokens, flattened. A target of −1 is not counted. */
export interface Batch {
  readonly tokens: Int32Array; // [B·T]
  readonly targets: Int32Array; // [B·T]
  /**
   * [B·T]: what each row's cross-entropy counts in the objective of a training step, by a module that was
   * compiled to take weights. Default: 1 / (counted targets of the step). A row whose target is −1 counts for
   * nothing.
   */
  readonly weights?: Float32Array;
}

export interface StepResult {
  /** Mean cross-entropy over the counted targets, in nats. */
  readonly loss: number;
  /** Global gradient norm before clipping. Not finite: the parameters were left alone. */
  readonly norm: number;
  /** Of a model with experts: one for each mixture. */
  readonly mixtures?: readonly MixtureLoad[];
}

export interface StepOptions {
  readonly lr: number;
  readonly step: number;
  readonly signal?: AbortSignal;
}

/** A sum of cross-entropies over the counted targets, in nats, and their number. */
export interface LossSum {
  readonly sum: number;
  readonly count: number;
}

/** One optimizer update from these micro-batches. `step` counts from 1. */
export async function trainStep(
  entries: Entries,
  micro: readonly Batch[],
  { lr, step }: StepOptions,
): Promise<StepResult> {
  const { control } = entries.manifest;
  const train = entries.get("train");
  const counted = micro.reduce((sum, batch) => sum + countTargets(batch.targets), 0);
  if (counted === 0) throw new SinterError("input", "a batch without a single target");
  writeHyper(entries, lr, step, counted);
  const mixtures = train.mixtures?.map(
    (place) => new MixtureCounts(place, (name) => entries.tensorNamed(name)),
  );
  for (const [i, batch] of micro.entries()) {
    writeBatch(entries, batch);
    writeWeights(entries, batch, counted);
    entries.setControl(control.accumulate, i > 0 ? 1 : 0);
    entries.setControl(control.update, i === micro.length - 1 ? 1 : 0);
    await entries.run(train); // adds to `loss` as it adds to the gradients
    for (const mixture of mixtures ?? []) mixture.add();
  }
  return {
    loss: entries.tensor("loss").padded()[0]! / counted,
    norm: entries.tensor("norm").padded()[0]!,
    ...(mixtures && { mixtures: mixtures.map((mixture) => mixture.load(counted)) }),
  };
}

export async function evaluate(entries: Entries, batch: Batch): Promise<LossSum> {
  writeBatch(entries, batch);
  entries.setControl(entries.manifest.control.accumulate, 0);
  await entries.run(entries.get("evaluate"));
  const [sum, count] = entries.tensor("loss").padded();
  return { sum: sum!, count: count! };
}

/** How many targets count. */
export function countTargets(targets: Int32Array): number {
  let count = 0;
  for (const target of targets) if (target >= 0) count++;
  return count;
}

function writeBatch(entries: Entries, { tokens, targets }: Batch): void {
  entries.tensor("tokens").write(tokens);
  entries.tensor("targets").write(targets);
}

function writeWeights(entries: Entries, { targets, weights }: Batch, counted: number): void {
  const tensor = entries.findTensor("weights");
  if (tensor) tensor.write(weights ?? Float32Array.from(targets, () => 1 / counted));
  else if (weights) throw notCompiledFor("takes no weights of rows", "weights");
}

/** Log-probabilities [B·T] of the last batch's targets. A view of the module's memory. */
export function rowLogprobs(entries: Entries): Float32Array {
  const tensor = entries.findTensor("logprobs");
  if (!tensor) throw notCompiledFor("gives no log-probabilities of rows", "logprobs");
  return tensor.padded() as Float32Array;
}

const notCompiledFor = (what: string, option: "weights" | "logprobs"): SinterError =>
  new SinterError(
    "input",
    `this module ${what}`,
    `Compile it with \`perRow: { ${option}: true }\` (compileModel).`,
  );

/** The numbers of a step that kernels read (contract/control.ts). */
function writeHyper(entries: Entries, lr: number, step: number, counted: number): void {
  const { hyper, model } = entries.manifest;
  const { beta1, beta2, eps, decay, clip }: TrainSettings = model.train;
  const numbers: Record<keyof typeof hyper, number> = {
    lr,
    beta1,
    beta2,
    eps,
    decay,
    clip,
    correction1: 1 / (1 - beta1 ** step),
    correction2: 1 / (1 - beta2 ** step),
    scale: 1 / counted,
  };
  const values = entries.tensor("hyper").padded();
  for (const [name, at] of Object.entries(hyper)) values[at] = numbers[name as keyof typeof hyper];
}

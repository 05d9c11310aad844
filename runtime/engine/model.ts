/**
 * A compiled model, ready to run: its memory, its tensors by name, its entries as functions. Nothing here
 * knows the model's structure; all of it is in the manifest.
 *
 *   trainStep   B·T tokens and targets, several times with accumulation → loss, gradient norm; one update
 *   evaluate    B·T tokens and targets → sum of cross-entropies
 *   feed        tokens at a position of the context → logits [classes] after the last of them
 *
 * Each call has the model to itself; calls that come meanwhile wait, in their order (call-queue.ts).
 */
import type { EntryName } from "../contract/entries.ts";
import type { EntryPlace, Manifest, ModuleManifest, ModuleName } from "../contract/manifest.ts";
import type { Target } from "../contract/targets.ts";
import { memoryBytesFor } from "../contract/worker-memory.ts";
import { useAdapters } from "./adapters.ts";
import { checkManifest, moduleOf, type Bundle } from "./bundle.ts";
import { CallQueue } from "./call-queue.ts";
import { workersFor } from "./choose-workers.ts";
import { loadCode } from "./code.ts";
import { Entries } from "./entries.ts";
import { SinterError } from "../base/errors.ts";
import { callingThread, type Host, type LoadedPartition, type Pool } from "./host.ts";
import { initParameters } from "./init.ts";
import { laneCopier } from "./copy-lane.ts";
import { feedByPosition, lanesOf, type Lanes } from "./lanes.ts";
import type { LinkedBundle, ModelOf, ModulesOf } from "./linked-bundle.ts";
import { neededMemory, refuseBeyond, smallerHints, workText } from "./machine-memory.ts";
import { allocatePartitions, tensorsOf } from "./partitions.ts";
import { profileOf, type SiteTimes } from "./profile.ts";
import { Reservations, type OpenLane } from "./reservations.ts";
import type { Tensor } from "./tensors.ts";
import { WorkerChoices } from "./worker-choice.ts";
import {
  evaluate,
  rowOutput,
  trainStep,
  type Batch,
  type EvaluateOptions,
  type LossSum,
  type RowOutput,
  type StepOptions,
  type StepResult,
} from "./training.ts";

export type {
  Batch,
  CallOptions,
  EvaluateOptions,
  LossSum,
  RowOutput,
  StepOptions,
  StepResult,
} from "./training.ts";

export interface RunningModel {
  readonly manifest: Manifest;
  readonly module: ModuleManifest;
  readonly target: Target;
  readonly workers: number;
  /** Bytes of all its memories, with these workers. */
  readonly memoryBytes: number;
  readonly notes: readonly string[];
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Why nothing of it can run any more: a worker has trapped or died. */
  readonly failure: SinterError | undefined;
  /** In the manifest's order. Gradients and moments: of the parameters that are trained. */
  of(storage: "parameter" | "gradient" | "moment1" | "moment2"): readonly Tensor[];
  entry(name: EntryName): EntryPlace;
  /**
   * One optimizer update from these micro-batches. `step` counts from 1. The signal gives the call up while
   * it waits for its turn, here and in all other calls.
   */
  trainStep(micro: readonly Batch[], options: StepOptions): Promise<StepResult>;
  /** Sum of cross-entropies over the counted targets, and their number; and what the objective says. */
  evaluate(batch: Batch, options?: EvaluateOptions): Promise<LossSum>;
  /**
   * Cross-entropy of each position of the last `evaluate` or `trainStep` [B·T], whoever asked for it. A view:
   * the next one overwrites it.
   */
  tokenLosses(): Float32Array;
  /**
   * The same as log-probabilities ln p(target), by a module that was compiled to give them; 0 where a target
   * is not counted. With weights made of them, the next step makes any function of them smaller:
   *
   *   await model.evaluate(batch);
   *   const weights = yours(model.logprobs());         weights[r] = −∂objective/∂logprobs[r]
   *   await model.trainStep([{ ...batch, weights }], options);
   */
  logprobs(): Float32Array;
  /** The same of other numbers of each row, or of each unit of an objective. */
  rowOutput(name: RowOutput): Float32Array;
  /**
   * Runs tokens at positions `start` … and returns the logits [classes] after the last one, in an array that
   * the next `feed` overwrites. Keys and values of earlier positions must be in the cache as the last call of
   * `feed` has left them: throws when a session has used it, or the weights have changed.
   */
  feed(tokens: readonly number[], start: number, signal?: AbortSignal): Promise<Float32Array>;
  /**
   * Runs work of several calls, which has the model to itself from its first call to its last. The work uses
   * the lanes that it is given: if it waited for another call of the model, it would wait for ever. Rejects
   * with the signal's reason when the signal comes before the work begins.
   */
  inTurn<T>(work: (lanes: Lanes) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /**
   * Gives a lane to an owner, for whom alone it is until `closeLane`. Where others own all lanes, waits in
   * the order of the calls until one is given back, or rejects with a `NoLaneError`, as `full` says (default:
   * wait).
   */
  openLane(owner: object, options?: OpenLane): Promise<void>;
  closeLane(owner: object): void;
  /**
   * Whether adapters count from the next call on: off, the model is its own reference. They do when a model
   * is created.
   */
  useAdapters(on: boolean): Promise<void>;
  /**
   * Must be called by whoever has written into parameters, since what is in the cache was made by the old
   * ones. `trainStep` and loaders of weights do so themselves.
   */
  weightsChanged(): void;
  /**
   * Times per site and worker since the start or the last `clear`. Undefined: the module was not compiled to
   * be profiled.
   */
  profile(clear?: "clear"): readonly SiteTimes[] | undefined;
  /** Ends the workers. Calls that wait or run reject with an error. */
  close(): Promise<void>;
}

export interface ModelOptions {
  readonly host: Host;
  /**
   * 1 to 64, all of which take part in everything; they change nothing in what is computed. Default: one for
   * each core, as far as the memory has room, of which as many take part in an entry as are fastest
   * (worker-choice.ts).
   */
  readonly workers?: number | undefined;
  readonly target?: Target | undefined;
  /**
   * Parameters are drawn from this seed. Without a seed they hold nothing of use until they are loaded.
   */
  readonly seed?: number | undefined;
  /** A module that trains and is loaded to infer alone needs less memory. Default: what its name says. */
  readonly use?: ModuleName | undefined;
}

/**
 * From a bundle to a running model, one step after the other: the module's manifest → its memory → code that
 * runs here → workers → entries by name. Of an imported bundle, the type of the model says what it has.
 */
export const createModel = <Compiled extends Bundle | LinkedBundle, Name extends ModulesOf<Compiled>>(
  bundle: Compiled,
  name: Name,
  options: ModelOptions,
): Promise<ModelOf<Compiled, Name>> => openModule(bundle, name, options) as Promise<ModelOf<Compiled, Name>>;

async function openModule(
  bundle: Bundle | LinkedBundle,
  name: ModuleName,
  options: ModelOptions,
): Promise<RunningModel> {
  const { host, seed } = options;
  const { manifest } = bundle;
  if ("urls" in bundle) checkManifest(manifest, `the bundle of ${manifest.model.name}`);
  const module = moduleOf(bundle, name);
  const asked = options.workers ?? host.workers;
  const workers = workersFor(module, host, asked);
  const shared = workers > 1;

  refuseTooLarge(manifest.model.name, module, name, workers, options);
  const partitions = allocatePartitions(module, workers);
  const tensors = tensorsOf(module, partitions);
  if (seed !== undefined) initParameters(withStorage(tensors, "parameter"), seed);

  const drawn = seed !== undefined;
  const code = await loadCode(bundle, partitions, { host, shared, wanted: options.target, drawn });
  const loaded = partitions.map((partition, i) => ({ ...partition, module: code.modules[i]! }));

  const pool = await startWorkers(loaded, manifest.control, workers, host);
  const files = partitions.map((partition) => partition.manifest.wasm[code.target]!.sha256);
  const choices =
    asked === undefined && shared
      ? new WorkerChoices(workers, `${manifest.model.name} ${name}`, files.join(), host.findings)
      : undefined;
  const entries = new Entries({ manifest, module, partitions, tensors, pool, choices });
  entries.setControl(manifest.control.workers, workers);
  if (module.lora) useAdapters(entries, true);
  return {
    manifest,
    module,
    target: code.target,
    workers,
    memoryBytes: partitions.reduce((sum, p) => sum + memoryBytesFor(p.manifest, workers), 0),
    notes: code.notes,
    tensors,
    get failure() {
      return pool.failure;
    },
    of: (storage) => withStorage(tensors, storage),
    entry: (entry) => entries.get(entry),
    ...callsOf(entries, laneCopier(partitions), pool, host),
    profile: (clear) => profileOf(partitions, workers, clear !== undefined),
  };
}

/** Throws `memory`, before anything is allocated, where the machine cannot have what will be written. */
function refuseTooLarge(
  model: string,
  module: ModuleManifest,
  name: ModuleName,
  workers: number,
  { host, use = name }: ModelOptions,
): void {
  const machine = host.machineMemory?.();
  if (machine)
    refuseBeyond(workText(model, use), neededMemory(module, name, workers, use), machine, smallerHints[use]);
}

const withStorage = (
  tensors: ReadonlyMap<string, Tensor>,
  storage: Tensor["place"]["storage"],
): readonly Tensor[] => [...tensors.values()].filter((tensor) => tensor.place.storage === storage);

const startWorkers = async (
  partitions: readonly LoadedPartition[],
  control: Manifest["control"],
  workers: number,
  host: Host,
): Promise<Pool> =>
  workers > 1
    ? host.startPool({ partitions, control, workers, cores: host.cores })
    : callingThread(partitions);

type ModelCalls = Pick<
  RunningModel,
  | "trainStep"
  | "evaluate"
  | "tokenLosses"
  | "logprobs"
  | "rowOutput"
  | "feed"
  | "inTurn"
  | "openLane"
  | "closeLane"
  | "useAdapters"
  | "weightsChanged"
  | "close"
>;

/** What a running model does, each call in its turn. */
function callsOf(
  entries: Entries,
  copyLane: ReturnType<typeof laneCopier>,
  pool: Pool,
  host: Host,
): ModelCalls {
  const queue = new CallQueue();
  const lanes = lanesOf(entries, copyLane, host.breathe);
  const reservations = new Reservations(lanes, queue);
  const { model } = entries.manifest;
  // one for all calls: a new one each time costs page faults for hundreds of KiB
  const logits = new Float32Array(lanes.classes);
  const weightsChanged = (): void => lanes.loseAll();
  return {
    trainStep: (micro, options) =>
      queue.run(() => {
        weightsChanged();
        return trainStep(entries, micro, options);
      }, options.signal),
    evaluate: (batch, options = {}) => queue.run(() => evaluate(entries, batch, options), options.signal),
    tokenLosses: () => entries.tensor("token_losses").padded() as Float32Array,
    logprobs: () => rowOutput(entries, "logprobs"),
    rowOutput: (name) => rowOutput(entries, name),
    feed: (tokens, start, signal) =>
      queue.run(async () => {
        await feedByPosition(lanes, tokens, start);
        lanes.readLogits(logits);
        return logits;
      }, signal),
    inTurn: (work, signal) => queue.run(() => work(lanes), signal),
    openLane: (owner, options) => reservations.open(owner, options),
    closeLane: (owner) => reservations.close(owner),
    useAdapters: (on) =>
      queue.run(async () => {
        weightsChanged();
        useAdapters(entries, on);
      }),
    weightsChanged,
    close() {
      const error = closedWhileCalled(model.name);
      queue.close(error);
      reservations.refuse(error);
      return pool.close();
    },
  };
}

const closedWhileCalled = (name: string): SinterError =>
  new SinterError("input", `${name} was closed before this call had ended`, "Open it again.");

/** For a token of fewer FLOPs, waking a second worker takes longer than its help saves. */
const WORTH_SHARING = 2e7;

/** Whether a model makes text on one worker as fast as on several. */
export const isSmall = ({ modules: { infer, train } }: Manifest): boolean =>
  ((infer ?? train)?.entries.find((e) => e.name === "decode")?.flops ?? 0) < WORTH_SHARING;

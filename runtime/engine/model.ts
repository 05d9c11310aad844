/**
 * A compiled model, ready to run: its memory, its tensors by name, its entries as functions. Nothing here
 * knows the model's structure; all of it is in the manifest.
 *
 *   trainStep   B·T tokens and targets, several times with accumulation → loss, gradient norm; one optimizer update
 *   evaluate    B·T tokens and targets → sum of cross-entropies
 *   feed        tokens at a position of the context → logits [classes] after the last of them
 *
 * Each call has the model to itself; calls that come meanwhile wait, in their order (turns.ts).
 */
import type { EntryPlace, Manifest, ModuleManifest, ModuleName } from "../contract/manifest.ts";
import type { Target } from "../contract/targets.ts";
import { createMemory, moduleOf, type Bundle } from "./bundle.ts";
import { chooseTarget } from "./choose-target.ts";
import { SinterError } from "../base/errors.ts";
import { callingThread, type Host, type Pool } from "./host.ts";
import { initParameters } from "./init.ts";
import { createLane, feedByPosition, type Lane } from "./lane.ts";
import { MixtureCounts, type MixtureLoad } from "./mixtures.ts";
import { threadsSupported } from "./probe.ts";
import { readProfile, type SiteTimes } from "./profile.ts";
import { chain, codeParts, tensorsOf, type Placed } from "./parts.ts";
import type { Tensor } from "./tensors.ts";
import { createTurns } from "./turns.ts";

/** B sequences of T tokens, flattened. A target of −1 is not counted. */
export interface Batch {
  readonly tokens: Int32Array; // [B·T]
  readonly targets: Int32Array; // [B·T]
  /**
   * [B·T]: what each row's cross-entropy counts in the objective of a training step, by a module compiled to
   * take it. Default: 1 / (counted targets of the step). A row whose target is −1 counts for nothing.
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

export interface RunningModel {
  readonly manifest: Manifest;
  readonly module: ModuleManifest;
  readonly target: Target;
  readonly workers: number;
  readonly notes: readonly string[];
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** In the manifest's order. Gradients and moments: of the parameters that are trained. */
  of(storage: "parameter" | "gradient" | "moment1" | "moment2"): readonly Tensor[];
  entry(name: string): EntryPlace;
  /**
   * One optimizer update from these micro-batches. `step` counts from 1. A `signal` counts while the call
   * waits; so in all calls.
   */
  trainStep(micro: readonly Batch[], options: StepOptions): Promise<StepResult>;
  /** Sum of cross-entropies over the counted targets, and their number. */
  evaluate(batch: Batch, signal?: AbortSignal): Promise<{ readonly sum: number; readonly count: number }>;
  /**
   * Cross-entropy of each position of the last `evaluate` or `trainStep` [B·T], whoever asked for it. A view:
   * the next one overwrites it.
   */
  tokenLosses(): Float32Array;
  /**
   * The same, as log-probabilities ln p(target), of a module compiled to give them; 0 where a target is not
   * counted. With weights made of them, the next step makes any function of them smaller:
   *
   *   await model.evaluate(batch);
   *   const weights = yours(model.logprobs());         weights[r] = −∂objective/∂logprobs[r]
   *   await model.trainStep([{ ...batch, weights }], options);
   */
  logprobs(): Float32Array;
  /**
   * Runs tokens at positions start …; keys and values of earlier positions are in the cache, as the last call
   * of `feed` has left them: throws when sessions or other weights came between. Logits [classes] after the
   * last one: the next `feed` overwrites them.
   */
  feed(tokens: readonly number[], start: number, signal?: AbortSignal): Promise<Float32Array>;
  /**
   * For work of several calls: it has the model to itself from its first to its last. It uses the lane; to
   * wait for a call of the model within it would be to wait for ever. Rejects with the signal's reason when
   * it comes before the work begins.
   */
  inTurn<T>(work: (lane: Lane) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /**
   * To be called by whoever has written into parameters: what is in the cache was made by older ones.
   * `trainStep` and loaders do.
   */
  weightsChanged(): void;
  /**
   * A module compiled to be profiled: times since the start or the last `clear`, per site and worker.
   * Undefined: it was not.
   */
  profile(clear?: "clear"): readonly SiteTimes[] | undefined;
  /** Calls that wait or run end with an error. */
  close(): Promise<void>;
}

export interface ModelOptions {
  readonly host: Host;
  /** Default: all cores, as far as the module goes. */
  readonly workers?: number | undefined;
  readonly target?: Target | undefined;
  /**
   * Parameters are drawn from this seed. Without one they hold nothing of use: for parameters that will be
   * loaded.
   */
  readonly seed?: number | undefined;
}

export async function createModel(
  bundle: Bundle,
  name: ModuleName,
  options: ModelOptions,
): Promise<RunningModel> {
  const module = moduleOf(bundle, name);
  const workers = workersFor(module, options);
  const shared = workers > 1;
  const parts = codeParts(module).map((part): Placed => ({
    manifest: part,
    memory: createMemory(part, shared),
  }));
  const tensors = tensorsOf(module, parts);
  const of: RunningModel["of"] = (storage) =>
    [...tensors.values()].filter((t) => t.place.storage === storage);
  if (options.seed !== undefined) initParameters(of("parameter"), options.seed);
  const chosen = await chooseTarget(bundle, parts, {
    shared,
    host: options.host,
    wanted: options.target,
    drawn: options.seed !== undefined,
  });
  const { manifest } = bundle;
  const { control } = manifest;
  for (const { memory } of parts) new Int32Array(memory.buffer)[control.workers / 4] = workers;
  const [first, ...others] = parts.map((part, i) => ({ ...part, module: chosen.modules[i]! }));
  const pool = shared
    ? await options.host.startPool({ ...first!, others, control, workers })
    : callingThread(first!.module, first!.memory, others);
  return {
    manifest,
    module,
    target: chosen.target,
    workers,
    notes: chosen.notes,
    tensors,
    of,
    ...jobs(manifest, module, parts, tensors, pool, options.host),
    profile: (clear) => profileOf(parts, workers, clear !== undefined),
  };
}

/** Arithmetic of a token below which waking a second worker takes longer than its help. */
const WORTH_SHARING = 2e7;

/** A model that makes text on one worker as fast as on several. */
export const isSmall = ({ modules: { infer, train } }: Manifest): boolean =>
  ((infer ?? train)?.entries.find((e) => e.name === "decode")?.flops ?? 0) < WORTH_SHARING;

function workersFor(module: ModuleManifest, { workers, host }: ModelOptions): number {
  if (workers !== undefined && workers > module.maxWorkers)
    throw new SinterError(
      "input",
      `${workers} workers, but this module was compiled for at most ${module.maxWorkers}`,
    );
  const wanted = workers ?? Math.min(host.cores, module.maxWorkers);
  if (wanted > 1 && !threadsSupported()) {
    if (workers !== undefined)
      throw new SinterError(
        "input",
        "this host has no shared memory, so there can be one worker only",
        "A page has it when it is served with Cross-Origin-Opener-Policy: same-origin and " +
          "Cross-Origin-Embedder-Policy: require-corp.",
      );
    return 1;
  }
  return wanted;
}

/** Of all parts, each with its number in the section's name. */
function profileOf(
  parts: readonly Placed[],
  workers: number,
  clear: boolean,
): readonly SiteTimes[] | undefined {
  const times = parts.map(({ manifest, memory }) => readProfile(manifest, memory, workers, clear));
  if (times.length === 1 || times.includes(undefined)) return times[0];
  return times.flatMap((list, part) =>
    list!.map((site) => ({ ...site, section: `part ${part}: ${site.section}` })),
  );
}

function jobs(
  manifest: Manifest,
  module: ModuleManifest,
  parts: readonly Placed[],
  tensors: ReadonlyMap<string, Tensor>,
  pool: Pool,
  host: Host,
) {
  const {
    control,
    hyper,
    model: { train: settings, sizes },
  } = manifest;
  const words = parts.map(({ memory }) => new Int32Array(memory.buffer));
  const set = (field: number, value: number): void => words.forEach((i32) => (i32[field / 4] = value));
  const chained = chain(parts, pool);
  const run = (e: EntryPlace, rows = e.batch * e.context): Promise<void> =>
    module.parts ? chained(e, rows) : pool.run(e);
  const tensor = (name: string): Tensor => {
    const found = tensors.get(name);
    if (!found) throw new SinterError("bug", `the module has no tensor "${name}"`);
    return found;
  };
  const entry = (name: string): EntryPlace => {
    const found = module.entries.find((e) => e.name === name);
    if (!found) throw new SinterError("bug", `the module has no entry "${name}"`);
    return found;
  };
  const setBatch = ({ tokens, targets }: Batch): void => {
    tensor("tokens").write(tokens);
    tensor("targets").write(targets);
  };
  const setWeights = ({ targets, weights }: Batch, counted: number): void => {
    if (tensors.has("weights"))
      tensor("weights").write(weights ?? Float32Array.from(targets, () => 1 / counted));
    else if (weights) throw notCompiledFor("takes no weights of rows", "weights");
  };
  const setHyper = (lr: number, step: number, counted: number): void => {
    const values = tensor("hyper").padded();
    const { beta1, beta2, eps, decay, clip } = settings;
    const all = {
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
    for (const [key, at] of Object.entries(hyper)) values[at] = all[key as keyof typeof all];
  };

  const trainStep = async (micro: readonly Batch[], { lr, step }: StepOptions): Promise<StepResult> => {
    const counted = micro.reduce((sum, batch) => sum + countTargets(batch.targets), 0);
    if (counted === 0) throw new SinterError("input", "a batch without a single target");
    lane.holder = undefined;
    setHyper(lr, step, counted);
    const mixtures = entry("train").mixtures?.map((place) => new MixtureCounts(place, tensor));
    for (const [i, batch] of micro.entries()) {
      setBatch(batch);
      setWeights(batch, counted);
      set(control.accumulate, i > 0 ? 1 : 0);
      set(control.update, i === micro.length - 1 ? 1 : 0);
      await run(entry("train")); // adds to `loss` as to the gradients
      for (const mixture of mixtures ?? []) mixture.add();
    }
    return {
      loss: tensor("loss").padded()[0]! / counted,
      norm: tensor("norm").padded()[0]!,
      ...(mixtures && { mixtures: mixtures.map((mixture) => mixture.load(counted)) }),
    };
  };
  const evaluate = async (batch: Batch): Promise<{ sum: number; count: number }> => {
    setBatch(batch);
    set(control.accumulate, 0);
    await run(entry("evaluate"));
    const [sum, count] = tensor("loss").padded();
    return { sum: sum!, count: count! };
  };
  const lane = createLane({
    chunk: module.entries.find((e) => e.name === "prefill")?.context ?? 1,
    sizes,
    classes: tensors.get("logits")?.place.shape.at(-1) ?? sizes.vocab,
    breathe: host.breathe,
    logits: () => tensor("logits").padded() as Float32Array,
    run(tokens, start) {
      // bundles of before may say less of its length than its bytes have room for
      tensor("tokens").padded().set(tokens);
      set(control.start, start);
      set(control.rows, tokens.length);
      return run(entry(tokens.length === 1 ? "decode" : "prefill"), tokens.length);
    },
  });
  // one for all calls: a new one each time costs page faults for hundreds of KiB
  const logits = new Float32Array(lane.classes);
  const feed = async (tokens: readonly number[], start: number): Promise<Float32Array> => {
    await feedByPosition(lane, tokens, start);
    lane.readLogits(logits);
    return logits;
  };
  const turns = createTurns();
  return {
    entry,
    trainStep: (micro, options) => turns.take(() => trainStep(micro, options), options.signal),
    evaluate: (batch, signal) => turns.take(() => evaluate(batch), signal),
    feed: (tokens, start, signal) => turns.take(() => feed(tokens, start), signal),
    inTurn: (work, signal) => turns.take(() => work(lane), signal),
    weightsChanged: () => void (lane.holder = undefined),
    tokenLosses: () => tensor("token_losses").padded() as Float32Array,
    logprobs() {
      if (!tensors.has("logprobs")) throw notCompiledFor("gives no log-probabilities of rows", "logprobs");
      return tensor("logprobs").padded() as Float32Array;
    },
    close() {
      turns.close(
        new SinterError(
          "input",
          `${manifest.model.name} was closed before this call had ended`,
          "Open it again.",
        ),
      );
      return pool.close();
    },
  } satisfies Partial<RunningModel>;
}

const notCompiledFor = (what: string, option: "weights" | "logprobs"): SinterError =>
  new SinterError(
    "input",
    `this module ${what}`,
    `Compile it with \`perRow: { ${option}: true }\` (compileModel).`,
  );

/** Targets that count. */
export function countTargets(targets: Int32Array): number {
  let count = 0;
  for (const target of targets) if (target >= 0) count++;
  return count;
}

/** What the verbs that use a trained model share: its run with the newest weights, and Ctrl-C. */
import {
  listCheckpoints,
  loadBest,
  loadNewest,
  type Loaded,
  type LoadOptions,
} from "../../../runtime/store/checkpoint.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { decodeRate, type Generated } from "../../../runtime/sample/generate.ts";
import { toUse } from "../../../runtime/store/identity.ts";
import { isSmall, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { readAhead } from "../../../runtime/node/read-ahead.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { rateText, timeText } from "../../../runtime/contract/amounts.ts";
import { holdsRun, openRun, type Run } from "../../../runtime/store/run-folder.ts";
import type { StageRecord } from "../../../runtime/store/run-record.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { byteProgress, type ByteProgress } from "../terminal/progress.ts";
import type { RunOptions } from "../options/run-options.ts";
import { onFirstSignal } from "../terminal/stop-signals.ts";
import { pathFrom, type Io } from "../terminal/io.ts";
import type { AskedModule } from "../options/weights.ts";
import { adaptedRun, openAdapter, type OpenedAdapter } from "./adapters.ts";
import { createModelHere } from "./create-model.ts";

export interface UsedRun {
  readonly run: Run;
  readonly model: RunningModel;
  /** Step of the weights. */
  readonly step: number;
  /** Puts the weights of the newest checkpoint in their place, and returns its step. */
  renew(): Promise<number>;
}

/**
 * Opens and checks a run's folder; prints a note for each file that could not be used. All verbs come in
 * here.
 */
export async function openRunAt(dir: string, io: Io): Promise<Run> {
  const run = await openRun(nodeFiles(), pathFrom(io, dir), otherJson);
  for (const note of run.notes) io.err(`note: ${note}\n`);
  return run;
}

/**
 * For verbs that look into one file of a folder: where the folder is a run's, notes about damaged files are
 * printed.
 */
export async function checkIfRun(path: string, io: Io): Promise<void> {
  if (await holdsRun(nodeFiles(), pathFrom(io, path))) await openRunAt(path, io);
}

/** A run for making text. */
export const useRun = async (dir: string, options: RunOptions, io: Io): Promise<UsedRun> =>
  loadToSample(await openRunAt(dir, io), options, io);

/** As many workers as the user says; a small model makes text on one, others on all cores (undefined). */
export const workersToSample = (
  { bundle }: Pick<Run, "bundle">,
  { workers }: Pick<RunOptions, "workers">,
): number | undefined => workers ?? nodeHost.workers ?? (isSmall(bundle.manifest) ? 1 : undefined);

/** A run for making text. */
export function loadToSample(
  run: Run,
  options: RunOptions & Pick<AskedModule, "lanes" | "entries">,
  io: Io,
  how: Omit<LoadRunOptions, "workers"> = {},
): Promise<UsedRun> {
  return loadRun(run, options, io, { ...how, workers: workersToSample(run, options) });
}

interface LoadRunOptions {
  /** Counts when the user does not say how many; undefined means all cores. */
  readonly workers?: number | undefined;
  readonly variant?: Model | undefined;
  /** The adapters of `--adapter` stay apart from the base's matrices, so that it can be used without them. */
  readonly beside?: boolean;
  /** Those of `--adapter`, where they are open already. */
  readonly opened?: OpenedAdapter | undefined;
}

/** What `--adapter` names. Undefined: nothing. */
export const adapterAsked = async (
  run: Run,
  { adapter }: Pick<RunOptions, "adapter">,
  io: Io,
): Promise<OpenedAdapter | undefined> =>
  adapter === undefined ? undefined : openAdapter(nodeFiles(), adapter, run, openRunAt, io);

/** The run's model, or a variant of it, with its newest weights. */
export async function loadRun(
  run: Run,
  options: RunOptions & Pick<AskedModule, "lanes" | "entries">,
  io: Io,
  { workers, variant, beside = false, opened: given }: LoadRunOptions = {},
): Promise<UsedRun> {
  const files = nodeFiles();
  const { target } = options;
  const opened = given ?? (await adapterAsked(run, options, io));
  const adapted = { target, variant, adapter: opened?.adapter, beside };
  const { bundle, through } = await adaptedRun(run, options, adapted);
  const [newest] = await listCheckpoints(files, run.folder);
  if (newest) void readAhead(`${run.folder}/${newest.file}`);
  const name = bundle.manifest.modules.infer ? "infer" : "train";
  const how = { workers: options.workers ?? workers, target, use: "infer" } as const;
  const model = await createModelHere(bundle, name, how, io);
  try {
    const loaded = await loadShown(files, run, model, through, io);
    if (!loaded)
      throw new SinterError(
        "input",
        `${run.folder} has no checkpoint yet`,
        "Train it first: sinter train --resume --out DIR",
      );
    for (const why of loaded.skipped) io.err(`warning: skipped a checkpoint: ${why}\n`);
    return {
      run: opened?.stage ? withStage(run, opened.stage) : run,
      model,
      step: loaded.state.step,
      async renew() {
        const how = { what: "weights", accept: toUse(run), through } as const;
        const newest = await loadNewest(files, run.folder, model, how);
        if (!newest) throw new SinterError("input", `${run.folder} has no checkpoint any more`);
        return newest.state.step;
      },
    };
  } catch (cause) {
    await model.close();
    throw cause;
  }
}

/** The run as it answers with the adapters of a stage: in the format that this has taught it. */
const withStage = (run: Run, stage: StageRecord): Run => ({ ...run, record: { ...run.record, stage } });

/** Loads the newest weights; on the terminal, the bytes are counted where it takes a while. */
async function loadShown(
  files: Files,
  run: Run,
  model: RunningModel,
  through: LoadOptions["through"],
  io: Io,
): Promise<Loaded | undefined> {
  let progress: ByteProgress | undefined;
  try {
    return await loadBest(files, run.folder, model, {
      what: "weights",
      accept: toUse(run),
      through,
      total: (bytes) => (progress = byteProgress(io, "loading", bytes)),
      read: (bytes) => progress?.add(bytes),
    });
  } finally {
    progress?.end();
  }
}

/** The first Ctrl-C ends what is being generated, a second one the program. */
export function untilInterrupted(): { readonly signal: AbortSignal; done(): void } {
  const stop = new AbortController();
  const heard = (): void => stop.abort();
  return { signal: stop.signal, done: onFirstSignal(["SIGINT"], heard) };
}

/** "12 prompt tokens (8 cached), first token after 31.0 ms, 64 tokens, 83.0 tok/s". */
export function speedLine(made: Generated): string {
  const rate = decodeRate(made);
  const cached = made.cachedTokens > 0 ? ` (${made.cachedTokens} cached)` : "";
  const first = `first token after ${timeText(made.prefillMs)}`;
  const speed = rate === undefined ? "" : `, ${rateText(rate)}`;
  return `${made.promptTokens} prompt tokens${cached}, ${first}, ${made.tokens.length} tokens${speed}`;
}

/**
 * Trains a run from its folder to its end: model, checkpoint, loop, and everything that is shown or written
 * on the way.
 */
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { listCheckpoints, loadNewest, saveCheckpoint } from "../../../runtime/store/checkpoint.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { writeText, type Files } from "../../../runtime/base/files.ts";
import { identityOf, toGoOnWith, type Identity } from "../../../runtime/store/identity.ts";
import type { TrainState } from "../../../runtime/store/train-state.ts";
import { openLog } from "../../../runtime/train/log.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { peakGflops } from "../../../runtime/engine/probe.ts";
import { ProgressMeter } from "../../../runtime/report/progress.ts";
import { htmlReport, type ReportFacts } from "../../../runtime/report/training-page.ts";
import { writeRecord, type Run } from "../../../runtime/store/run-folder.ts";
import type { RunRecord } from "../../../runtime/store/run-record.ts";
import { OLD_SCHEDULE_RULE } from "../../../runtime/train/schedule.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { train, type SampleOptions } from "../../../runtime/train/train.ts";
import { createModelHere } from "../runs/create-model.ts";
import { runSettings } from "../runs/run-settings.ts";
import type { ReportStart } from "../../watch/live-report.ts";
import { startWatch, type Watch } from "../../watch/watch.ts";
import { onFirstSignal } from "../terminal/stop-signals.ts";
import type { TrainingData } from "./begin.ts";
import type { Change } from "./changes.ts";
import { Display } from "./display.ts";
import { constantKl, readEarlier, stageFacts } from "./earlier.ts";
import type { Io } from "../terminal/io.ts";

export interface GoOnOptions {
  readonly workers: number | undefined;
  readonly keep: number;
  /** Settings that change from here on. */
  readonly changes: readonly Change[];
  readonly json: boolean;
  /** Where the report is served; 0: any port that is free; undefined: nowhere. */
  readonly watchPort: number | undefined;
}

const SAMPLE_TOKENS = 200;
const OTHER_KERNELS =
  "note: the checkpoint was made by other kernels; from here on the numbers may differ " +
  "in their last bits\n";

export async function goOn(
  run: Run,
  data: TrainingData,
  o: GoOnOptions,
  io: Io,
): Promise<"done" | "interrupted"> {
  const { record, bundle } = run;
  const stop = stopAtSignals();
  let model: RunningModel | undefined;
  try {
    const { target, settings } = record;
    model = await createModelHere(bundle, "train", { workers: o.workers, target, seed: settings.seed }, io);
    return await trained(await loadedRun(run, model, o, io), data, o, stop.signal, io);
  } finally {
    stop.release();
    await data.close?.();
    await model?.close();
  }
}

/** A run with its model, which holds the newest checkpoint's numbers where there is one. */
interface LoadedRun {
  readonly run: Run;
  readonly model: RunningModel;
  readonly identity: Identity;
  /** Undefined: the run begins. */
  readonly from: TrainState | undefined;
}

async function loadedRun(run: Run, model: RunningModel, o: GoOnOptions, io: Io): Promise<LoadedRun> {
  const files = nodeFiles();
  const identity = await identityOf(run, { train: model.module }, model.target);
  const loaded = await loadNewest(files, run.folder, model, { what: "all", accept: toGoOnWith(identity) });
  for (const why of loaded?.skipped ?? []) io.err(`warning: skipped a checkpoint: ${why}\n`);
  if (loaded && loaded.state.identity["wasm"] !== identity["wasm"]) io.err(OTHER_KERNELS);
  const record = changed({ ...run.record, target: model.target }, o.changes, loaded?.state.step ?? 0);
  // from here on the run keeps its settings, and its target, since other targets round otherwise
  await writeRecord(files, run.folder, record);
  return { run: { ...run, record }, model, identity, from: loaded?.state };
}

/** Trains to the end, or until the signal; log, report and checkpoints are written on the way. */
async function trained(
  loaded: LoadedRun,
  data: TrainingData,
  o: GoOnOptions,
  signal: AbortSignal,
  io: Io,
): Promise<"done" | "interrupted"> {
  const files = nodeFiles();
  const { run, model, identity, from } = loaded;
  const { record, tokenizer, folder } = run;
  const step = from?.step ?? 0;
  const ofStage = record.stage !== undefined;
  const log = await openLog(files, folder, { step, ofStage, now: () => new Date() });
  const show = await startDisplay(loaded, data, o, io);
  const page = { facts: factsOf(run, model), earlier: await readEarlier(files, folder), events: log.events };
  const report = async (): Promise<void> => {
    await log.flush();
    await writeText(files, folder, "report.html", htmlReport(page.facts, log.events, page.earlier));
  };
  const watch = await watched(page, o, show, io);
  const failed = async (): Promise<void> => {
    show.close();
    await watch?.end("it has failed");
    return report();
  };
  const start = { model, run, step, signal, progress: (text: string) => show.working(text) };
  await orLastReport(failed, data.ready?.(start) ?? Promise.resolve());
  const training = train(model, {
    settings: record.settings,
    scheduleRule: record.scheduleRule ?? OLD_SCHEDULE_RULE,
    data: data.source,
    tokenizer,
    host: nodeHost,
    from,
    signal,
    sample: sampleOf(run, data),
    best: data.best,
    async save(progress) {
      const kept = { newest: o.keep, start: data.keepsStart === true };
      const saving = saveCheckpoint(files, folder, model, { ...progress, identity }, kept);
      const file = await savedOr(files, folder, saving);
      await report();
      return file;
    },
    report(event) {
      log.add(event);
      watch?.add(event);
      show.event(event);
      const remark = data.remark?.(event);
      if (remark !== undefined) show.remark(remark);
    },
    evaluating: (tokens) => show.evaluating(tokens, data.heldOut.tokens),
  });
  const end = await orLastReport(failed, training);
  if (end === "done") await data.finished?.(start);
  await report();
  await watch?.end(end);
  show.end(end, folder, record.stage?.stage);
  return end;
}

async function startDisplay(
  { run, model, from }: LoadedRun,
  data: TrainingData,
  o: GoOnOptions,
  io: Io,
): Promise<Display> {
  const { settings, stage } = run.record;
  const meter = await progressMeter(model, settings.steps, data.headline);
  const show = new Display(io, o.json, meter, data.headline);
  if (stage) show.useFieldNames();
  show.start(run, model, data, from?.step);
  show.changed(from?.step ?? 0, o.changes);
  return show;
}

/** Serves the report while the run trains, where that was asked for. */
async function watched(
  page: ReportStart,
  { watchPort }: GoOnOptions,
  show: Display,
  io: Io,
): Promise<Watch | undefined> {
  if (watchPort === undefined) return undefined;
  const watch = await startWatch({ ...page, port: watchPort }, (why) =>
    io.err(`warning: the report is not served any more: ${why}\n`),
  );
  show.watched(watch.url);
  return watch;
}

const sampleOf = ({ bundle }: Run, { questions }: TrainingData): SampleOptions => ({
  settings: { ...samplerDefaults, ...bundle.manifest.model.sample },
  prompt: "",
  tokens: SAMPLE_TOKENS,
  ...(questions && { questions }),
});

/** The record with the settings as they are from this step on, and what they were before. */
function changed(record: RunRecord, changes: readonly Change[], step: number): RunRecord {
  if (changes.length === 0) return record;
  const settings = {
    ...record.settings,
    ...Object.fromEntries(changes.map(({ setting, to }) => [setting, to])),
  };
  return {
    ...record,
    settings,
    changes: [...(record.changes ?? []), ...changes.map((change) => ({ step, ...change }))],
  };
}

/** When a checkpoint could not be written, the error says which older one there is. */
async function savedOr(files: Files, folder: string, saving: Promise<string>): Promise<string> {
  try {
    return await saving;
  } catch (cause) {
    if (!(cause instanceof SinterError)) throw cause;
    const [last] = await listCheckpoints(files, folder).catch(() => []);
    const rest = last ? `the last checkpoint, ${last.file}, is unharmed` : "there is no checkpoint yet";
    throw new SinterError(cause.kind, `${cause.message}; ${rest}`, cause.hint);
  }
}

/** A run that fails gets its report too: the curves often show why it failed. */
async function orLastReport<T>(report: () => Promise<void>, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await report().catch(() => {});
    throw error;
  }
}

async function progressMeter(
  model: RunningModel,
  steps: number,
  headline: TrainingData["headline"],
): Promise<ProgressMeter> {
  const { flops, batch, context } = model.entry("train");
  const peak = await peakGflops(model.target, nodeHost);
  return new ProgressMeter(steps, flops / (batch * context), peak && peak * 1e9 * model.workers, headline);
}

const factsOf = (run: Run, model: RunningModel): ReportFacts => ({
  ...stageFacts(run),
  parameters: run.bundle.manifest.parameters,
  target: model.target,
  workers: model.workers,
  kl: constantKl(run.record),
  settings: runSettings(run.record, run.bundle.manifest),
});

export interface Stop {
  readonly signal: AbortSignal;
  /** Asks the run to stop. */
  now(): void;
  /** Ends the listening for signals. */
  release(): void;
}

/** SIGHUP comes when the terminal has gone. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * After the first signal the run stops after the current step with a checkpoint, or in the middle of an
 * evaluation. The second signal ends the process as usual.
 */
export function stopAtSignals(): Stop {
  const asked = new AbortController();
  const now = (): void => asked.abort();
  return { signal: asked.signal, now, release: onFirstSignal(SIGNALS, now) };
}

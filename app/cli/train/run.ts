/**
 * A run from its folder to its end: model, checkpoint, loop, and what is seen of it on the terminal and in
 * files.
 */
import { basename } from "node:path";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { batchSource } from "../../../runtime/train/sources/batch-source.ts";
import { listCheckpoints, loadNewest, saveCheckpoint } from "../../../runtime/store/checkpoint.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { writeText, type Files } from "../../../runtime/base/files.ts";
import { identityOf, toGoOnWith } from "../../../runtime/store/identity.ts";
import { openLog } from "../../../runtime/train/log.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { probe } from "../../../runtime/engine/probe.ts";
import { ProgressMeter } from "../../../runtime/report/progress.ts";
import { htmlReport } from "../../../runtime/report/report.ts";
import { writeRecord, type Run } from "../../../runtime/store/run-folder.ts";
import type { RunRecord } from "../../../runtime/store/run-record.ts";
import { OLD_SCHEDULE_RULE } from "../../../runtime/train/schedule.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { train } from "../../../runtime/train/train.ts";
import { onFirstSignal } from "../terminal/stop-signals.ts";
import type { TrainingText } from "./begin.ts";
import type { Change } from "./changes.ts";
import { Display } from "./display.ts";
import type { Io } from "../terminal/io.ts";

export interface GoOnOptions {
  readonly workers: number | undefined;
  readonly keep: number;
  /** Settings that are others from here on. */
  readonly changes: readonly Change[];
  readonly json: boolean;
}

const PROBE_MS = 40;
const SAMPLE_TOKENS = 200;
const OTHER_KERNELS =
  "note: the checkpoint was made by other kernels; from here on the numbers may differ " +
  "in their last bits\n";

export async function goOn(
  run: Run,
  data: TrainingText,
  o: GoOnOptions,
  io: Io,
): Promise<"done" | "interrupted"> {
  const files = nodeFiles();
  const { bundle, tokenizer, folder } = run;
  const { sample } = bundle.manifest.model;
  const stop = stopAtSignals();
  let model: RunningModel | undefined;
  try {
    model = await createModel(bundle, "train", {
      host: nodeHost,
      workers: o.workers,
      target: run.record.target,
      seed: run.record.settings.seed,
    });
    const identity = await identityOf(run, model.module.wasm[model.target]!.sha256);
    const loaded = await loadNewest(files, folder, model, { what: "all", accept: toGoOnWith(identity) });
    for (const why of loaded?.skipped ?? []) io.err(`warning: skipped a checkpoint: ${why}\n`);
    if (loaded && loaded.state.identity["wasm"] !== identity["wasm"]) io.err(OTHER_KERNELS);
    const step = loaded?.state.step ?? 0;
    const record = changed({ ...run.record, target: model.target }, o.changes, step);
    // from here on it keeps the target, whose bits it is made of, and the settings
    await writeRecord(files, folder, record);
    const { settings } = record;
    const going = { ...run, record };
    const log = await openLog(files, folder, step);
    const show = new Display(io, o.json, await course(model, settings.steps));
    show.start(going, model, data.parts, loaded?.state.step);
    show.changed(step, o.changes);
    const facts = factsOf(going, model);
    const report = async (): Promise<void> => {
      await log.flush();
      await writeText(files, folder, "report.html", htmlReport(facts, log.events));
    };
    const failed = (): Promise<void> => {
      show.close();
      return report();
    };
    const training = model;
    const source = batchSource(data.parts, data.corpus, record.data.sha256);
    const end = await orLastReport(
      failed,
      train(training, {
        settings,
        scheduleRule: record.scheduleRule ?? OLD_SCHEDULE_RULE,
        data: source,
        tokenizer,
        host: nodeHost,
        from: loaded?.state,
        signal: stop.signal,
        sample: { settings: { ...samplerDefaults, ...sample }, prompt: "", tokens: SAMPLE_TOKENS },
        async save(progress) {
          const file = await savedOr(
            files,
            folder,
            saveCheckpoint(files, folder, training, { ...progress, identity }, o.keep),
          );
          await report();
          return file;
        },
        report(event) {
          log.add(event);
          show.event(event);
        },
        evaluating: (tokens) => show.evaluating(tokens, data.parts.heldOut.tokens),
      }),
    );
    await report();
    show.end(end, folder);
    return end;
  } finally {
    stop.release();
    await model?.close();
  }
}

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

/** A checkpoint that could not be written: which one there is. */
async function savedOr(files: Files, folder: string, saving: Promise<string>): Promise<string> {
  try {
    return await saving;
  } catch (cause) {
    if (!(cause instanceof SinterError)) throw cause;
    const [last] = await listCheckpoints(files, folder).catch(() => []);
    const kept = last ? `the last checkpoint, ${last.file}, is unharmed` : "there is no checkpoint yet";
    throw new SinterError(cause.kind, `${cause.message}; ${kept}`, cause.hint);
  }
}

/** A run that fails leaves its curves too: they often say why. */
async function orLastReport<T>(report: () => Promise<void>, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await report().catch(() => {});
    throw error;
  }
}

async function course(model: RunningModel, steps: number): Promise<ProgressMeter> {
  const { flops, batch, context } = model.entry("train");
  const measured = await probe(model.target, PROBE_MS, nodeHost);
  return new ProgressMeter(
    steps,
    flops / (batch * context),
    measured && measured.gflops * 1e9 * model.workers,
  );
}

const factsOf = ({ record, bundle }: Run, model: RunningModel) => ({
  model: record.model,
  parameters: bundle.manifest.parameters,
  target: model.target,
  workers: model.workers,
  data: record.data.path === undefined ? "built-in text" : basename(record.data.path),
  steps: record.settings.steps,
});

export interface Stop {
  readonly signal: AbortSignal;
  /** Asks for it. */
  now(): void;
  /** Hears signals no more. */
  release(): void;
}

/** SIGHUP: the terminal has gone. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * First signal: stop after this step, with a checkpoint, or in the middle of an evaluation. The second one
 * ends the process as usual.
 */
export function stopAtSignals(): Stop {
  const asked = new AbortController();
  const now = (): void => asked.abort();
  return { signal: asked.signal, now, release: onFirstSignal(SIGNALS, now) };
}

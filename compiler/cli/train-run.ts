/** A run from its folder to its end: model, checkpoint, loop, and what is seen of it on the terminal and in files. */
import { basename } from "node:path";
import { createModel, type RunningModel } from "../../runtime/model.ts";
import { loadNewest, saveCheckpoint } from "../../runtime/checkpoint.ts";
import type { TrainState } from "../../runtime/checkpoint-file.ts";
import { batchSource } from "../../runtime/batch-source.ts";
import { SinterError } from "../../runtime/errors.ts";
import { writeText } from "../../runtime/files.ts";
import { openLog } from "../../runtime/log.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { probe } from "../../runtime/probe.ts";
import { Course } from "../../runtime/report/progress.ts";
import { htmlReport } from "../../runtime/report/report.ts";
import { writeRecord, type Run } from "../../runtime/run-folder.ts";
import { OLD_SCHEDULE_RULE } from "../../runtime/schedule.ts";
import { samplerDefaults } from "../../runtime/sampler.ts";
import { sha256 } from "../../runtime/sha256.ts";
import { train } from "../../runtime/train.ts";
import { concat } from "../../runtime/bytes.ts";
import type { TrainingText } from "./train-begin.ts";
import { Display } from "./train-display.ts";
import type { Io } from "./verb.ts";

export interface GoOnOptions {
  readonly workers: number | undefined;
  readonly keep: number;
  readonly json: boolean;
}

const PROBE_MS = 40;
const SAMPLE_TOKENS = 200;

export async function goOn(run: Run, data: TrainingText, o: GoOnOptions, io: Io): Promise<"done" | "interrupted"> {
  const files = nodeFiles();
  const { record, bundle, tokenizer, folder } = run;
  const { settings } = record, { sample } = bundle.manifest.model;
  const model = await createModel(bundle, "train", { host: nodeHost, workers: o.workers, target: record.target, seed: settings.seed });
  const stop = new AbortController();
  const release = onSignals(() => stop.abort());
  try {
    const source = batchSource(data.parts, data.corpus, record.data.sha256);
    const identity = { model: record.model, data: source.identity, wasm: model.module.wasm[model.target]!.sha256, tokenizer: await sha256(concat([...tokenizer.files.values()])) };
    const loaded = await loadNewest(files, folder, model, "all");
    for (const why of loaded?.skipped ?? []) io.err(`warning: skipped a checkpoint: ${why}\n`);
    if (loaded) sameRun(loaded.state, identity, io);
    await writeRecord(files, folder, { ...record, target: model.target }); // from here on it keeps the target, whose bits it is made of
    const log = await openLog(files, folder, loaded?.state.step ?? 0);
    const show = new Display(io, o.json, await course(model, settings.steps));
    show.start(run, model, data.parts, loaded?.state.step);
    const report = async (): Promise<void> => {
      await log.flush();
      await writeText(files, folder, "report.html", htmlReport(facts(run, model), log.events));
    };
    const failed = (): Promise<void> => {
      show.close();
      return report();
    };
    const end = await orLastReport(failed, train(model, {
      settings, scheduleRule: record.scheduleRule ?? OLD_SCHEDULE_RULE, data: source, tokenizer, host: nodeHost, from: loaded?.state,
      signal: stop.signal,
      sample: { settings: { ...samplerDefaults, ...sample }, prompt: "", tokens: SAMPLE_TOKENS },
      async save(progress) {
        const file = await saveCheckpoint(files, folder, model, { ...progress, identity }, o.keep);
        await report();
        return file;
      },
      report(event) {
        log.add(event);
        show.event(event);
      },
    }));
    await report();
    show.end(end, folder);
    return end;
  } finally {
    release();
    await model.close();
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

function sameRun(state: TrainState, identity: Readonly<Record<string, string>>, io: Io): void {
  for (const [key, value] of Object.entries(identity)) {
    if (state.identity[key] === value) continue;
    if (key !== "wasm") throw new SinterError("input", `the checkpoint is of another run: its ${key} differs`, "Use another --out.");
    io.err("note: the checkpoint was made by other kernels; from here on the numbers may differ in their last bits\n");
  }
}

async function course(model: RunningModel, steps: number): Promise<Course> {
  const { flops, batch, context } = model.entry("train");
  const measured = await probe(model.target, PROBE_MS, nodeHost);
  return new Course(steps, flops / (batch * context), measured && measured.gflops * 1e9 * model.workers);
}

const facts = ({ record, bundle }: Run, model: RunningModel) => ({
  model: record.model, parameters: bundle.manifest.parameters, target: model.target, workers: model.workers,
  data: record.data.path === undefined ? "built-in text" : basename(record.data.path), steps: record.settings.steps,
});

/** First signal: stop after this step, with a checkpoint. The second one ends the process as usual. */
function onSignals(stop: () => void): () => void {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const heard = (): void => {
    release();
    stop();
  };
  const release = (): void => signals.forEach((signal) => process.off(signal, heard));
  signals.forEach((signal) => process.on(signal, heard));
  return release;
}

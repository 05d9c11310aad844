/**
 * The model's thread: one model is open in it, learns, and answers. The page ends the thread to give the
 * memory back.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { browserHost, checkPage } from "../../../runtime/browser/host.ts";
import { opfsFiles } from "../../../runtime/browser/opfs-files.ts";
import type { SamplerSettings } from "../../../runtime/sample/sampler.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { serveCalls, type Call } from "../page/thread-call.ts";
import { beginRunIn, restoreRunIn, type Begun } from "./begin-run.ts";
import { leftRuns, newFolder, tidyRuns } from "./left-runs.ts";
import type { Move } from "../share/experiment.ts";
import type { LeftRun, Opened, RunToOpen, TrainingEnd } from "./model-calls.ts";
import { modelQuestions } from "./questions.ts";
import type { OpenedRun } from "./opened-run.ts";

/** Events go to the page in batches, at most one in so many milliseconds. */
const TELL_MS = 100;

let begun: Begun | undefined;

function opened(): OpenedRun {
  if (begun) return begun.opened;
  throw new SinterError("input", "no model is open", "Train one first.");
}

const calls = {
  /** Begins a run. The thread has no other one. */
  async open(asked: RunToOpen): Promise<Opened> {
    checkPage();
    const { files, note } = await keptFiles();
    if (files) await tidyRuns(files, isOpen);
    const folder = newFolder(Date.now(), Math.random());
    await hold(folder);
    begun = await beginRunIn({ host: browserHost, files }, asked, folder);
    return factsOf(begun, note);
  },
  /** Goes on with a run that an earlier visit has left. */
  async restore({ folder, workers }: { readonly folder: string; readonly workers: number }): Promise<Opened> {
    checkPage();
    const files = await opfsFiles();
    if (!(await hold(folder)))
      throw new SinterError("input", "this run is open in another tab", "Go on there, or close that tab.");
    begun = await restoreRunIn({ host: browserHost, files }, folder, workers);
    return factsOf(begun, undefined);
  },
  /** Runs that can be gone on with, newest first. */
  async left(): Promise<readonly LeftRun[]> {
    const { files } = await keptFiles();
    return files ? leftRuns(files, isOpen) : [];
  },
  /** Removes a run that an earlier visit has left. */
  async forget(folder: string): Promise<void> {
    const { files } = await keptFiles();
    if (files && !(await isOpen(folder))) await files.remove(folder);
  },
  /** Learns up to this step; resolves there, or when it was paused. Reports what happens. */
  async train(until: number, { report }: Call<readonly TrainEvent[]>): Promise<TrainingEnd> {
    const events = inBatches(report);
    try {
      return await opened().train(until, events.add);
    } finally {
      events.flush();
    }
  },
  pause: (): Promise<void> => opened().pause(),
  /** The learning rate's peak from the next step on. */
  moveLearningRate: (to: number): Promise<Move> => opened().moveLearningRate(to),
  /** From the next text on. */
  setSampler: (settings: Partial<SamplerSettings>): void => opened().setSampler(settings),
  /** Writes a checkpoint now. */
  save: (): Promise<void> => opened().save(),
  ...modelQuestions(opened),
};

export type ModelCalls = typeof calls;

serveCalls(calls);

/** The page's files; or why there are none. */
async function keptFiles(): Promise<{ readonly files?: Files; readonly note?: string }> {
  try {
    return { files: await opfsFiles() };
  } catch (cause) {
    if (!(cause instanceof SinterError)) throw cause;
    return { note: `nothing is kept: ${cause.message}` };
  }
}

const lockOf = (folder: string): string => `sinter ${folder}`;

/** Holds the folder until the thread ends. False: another tab has it. */
const hold = (folder: string): Promise<boolean> =>
  new Promise((resolve) => {
    void navigator.locks.request(lockOf(folder), { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock ? new Promise<void>(() => {}) : undefined;
    });
  });

async function isOpen(folder: string): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === lockOf(folder));
}

function inBatches(tell: (events: readonly TrainEvent[]) => void) {
  let waiting: TrainEvent[] = [];
  let told = 0;
  const flush = (): void => {
    if (waiting.length > 0) tell(waiting);
    waiting = [];
    told = performance.now();
  };
  return {
    flush,
    add(event: TrainEvent): void {
      waiting.push(event);
      if (performance.now() - told >= TELL_MS) flush();
    },
  };
}

function factsOf({ opened, tokens }: Begun, note: string | undefined): Opened {
  const { model, run, settings, sampler, moves, step, source, experiment, log } = opened;
  const { manifest, target, workers, memoryBytes, notes } = model;
  return {
    folder: run.folder,
    name: manifest.model.name,
    parameters: manifest.parameters,
    sizes: manifest.model.sizes,
    batch: model.entry("train").batch,
    target,
    workers,
    memoryBytes,
    notes: [...notes, ...(note === undefined ? [] : [note])],
    settings,
    sampler,
    moves,
    step,
    source,
    experiment,
    tokens,
    events: log.events,
  };
}

/**
 * How a pool and its workers talk: words of the control block (contract/control.ts), changed by atomic
 * operations only. Whoever starts an entry writes its number into `entry` and raises `job`, which also says
 * how many workers take part; workers wait for `job` to change, run the entry if they take part, and count
 * themselves in `done`. Nobody waits for a worker that takes no part: it may sleep through the job and the
 * next ones, since the word that it reads is always that of the last one.
 */
import { controlWord, MAX_WORKERS } from "../contract/control.ts";
import type { Manifest } from "../contract/manifest.ts";
import type { Partition } from "./partitions.ts";

/** The control block's words, and where among them each field is. */
export interface JobWords {
  readonly words: Int32Array;
  readonly workers: number;
  readonly job: number;
  readonly entry: number;
  readonly done: number;
  readonly abort: number;
}

export const jobWords = (memory: WebAssembly.Memory, control: Manifest["control"]): JobWords => ({
  words: new Int32Array(memory.buffer),
  workers: controlWord(control.workers),
  job: controlWord(control.job),
  entry: controlWord(control.entry),
  done: controlWord(control.done),
  abort: controlWord(control.abort),
});

/** `job` counts in steps of this, and has below it how many workers take part. */
const ONE_JOB = 2 * MAX_WORKERS;

/** How many workers take part in a job: those with the lowest numbers. */
export const takingPart = (job: number): number => job & (ONE_JOB - 1);

/** Starts an entry (its number) on so many workers. */
export function raiseJob({ words, entry, job }: JobWords, number: number, workers: number): void {
  Atomics.store(words, entry, number);
  const before = Atomics.load(words, job);
  Atomics.store(words, job, before - takingPart(before) + ONE_JOB + workers);
  Atomics.notify(words, job);
}

/** Makes whoever waits for the end of a phase, in whichever partition, leave its entry by a trap. */
export function abortBarriers(
  partitions: readonly Pick<Partition, "memory">[],
  control: Manifest["control"],
): void {
  for (const { memory } of partitions) {
    const words = new Int32Array(memory.buffer);
    Atomics.store(words, controlWord(control.abort), 1);
    Atomics.notify(words, controlWord(control.round));
  }
}

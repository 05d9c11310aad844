/**
 * How a pool and its workers talk: words of the control block (contract/control.ts), changed by atomic
 * operations only. Whoever starts an entry writes its number into `entry`, how many workers take part into
 * `workers`, and raises `job`; workers wait for `job` to change, run the entry if they take part, and count
 * themselves in `done` in either case: so nobody is late for the next job.
 */
import { controlWord } from "../contract/control.ts";
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

/** Makes whoever waits at a barrier, in whichever partition, leave it by a trap. */
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

/**
 * What a pool's thread does: sleeps until `control.job` is raised, runs the entry, says when all have
 * finished. A trap or a throw is reported too, and ends the thread: the memory is then in an unknown state.
 */
import { instantiate } from "./host.ts";
import type { WorkerPlan, WorkerReport } from "./pool.ts";

/** A tenth of a millisecond or so: when the next token is asked for at once, no thread has to be waked. */
const SPINS = 100_000;

/** Returns when the pool is closed. */
export function serve(
  { parts, control, entries, worker, workers, own, job }: WorkerPlan,
  report: (message: WorkerReport) => void,
): void {
  const i32 = new Int32Array(parts[0]!.memory.buffer);
  const done = control.done / 4;
  try {
    const instances = parts.map(({ module, memory }) => instantiate(module, memory));
    report({ kind: "ready" });
    for (let seen = job; ; seen++) {
      for (let spin = 0; spin < SPINS && Atomics.load(i32, control.job / 4) === seen; spin++);
      // Asked again after every waking: the one that raised the job may be held up between raising and
      // waking, for so long that the entry has been run by then and this thread sleeps again. Running it a
      // second time would be an update too many.
      while (Atomics.load(i32, control.job / 4) === seen) Atomics.wait(i32, control.job / 4, seen);
      const entry = entries[Atomics.load(i32, control.entry / 4)];
      if (entry === undefined) return;
      instances[entry.part]![entry.name]!(worker);
      const others = Atomics.add(i32, done, 1);
      if (own) Atomics.notify(i32, done);
      else if (others === workers - 1) {
        // the last one speaks for all
        Atomics.store(i32, done, 0);
        report({ kind: "done" });
      }
    }
  } catch (cause) {
    report({ kind: "failed", cause: String(cause) }); // first: the others will trap too, and are not to blame
    for (const { memory } of parts) {
      const each = new Int32Array(memory.buffer);
      Atomics.store(each, control.abort / 4, 1);
      Atomics.notify(each, control.round / 4);
    }
  }
}

/**
 * What a pool's thread does: it sleeps until `job` is raised, runs the entry, and says when all threads have
 * finished. A trap or an exception is reported too, and ends the thread: the memory is then in an unknown
 * state.
 */
import { instantiate, type Instance } from "./host.ts";
import { abortBarriers, jobWords, takingPart, type JobWords } from "./job-words.ts";
import type { WorkerPlan, WorkerReport } from "./pool.ts";

/**
 * How often a thread looks for a new job before it sleeps: a tenth of a millisecond or so. When the next
 * token is asked for at once, no thread has to be woken.
 */
const SPINS = 100_000;

/** Runs one entry after the other. Returns when the pool is closed. */
export function serve(plan: WorkerPlan, report: (message: WorkerReport) => void): void {
  const { partitions, control } = plan;
  try {
    const instances = partitions.map(({ module, memory }) => instantiate(module, memory));
    report({ kind: "ready" });
    serveJobs(plan, instances, report);
  } catch (cause) {
    report({ kind: "failed", cause: String(cause) }); // first: the others will trap too, and are not to blame
    abortBarriers(partitions, control);
  }
}

function serveJobs(
  { partitions, control, entries, worker, callerWorks, job: before }: WorkerPlan,
  instances: readonly Instance[],
  report: (message: WorkerReport) => void,
): void {
  const at = jobWords(partitions[0]!.memory, control);
  for (let job = before, spins = 0; ;) {
    job = waitForJob(at, job, spins);
    if (worker >= takingPart(job)) continue;
    // from here on, whoever has started the job waits for this worker, and changes nothing
    const entry = entries[Atomics.load(at.words, at.entry)];
    if (entry === undefined) return;
    instances[entry.partition]![entry.name]!(worker);
    spins = entry.thenSleep ? 0 : SPINS;
    const others = Atomics.add(at.words, at.done, 1);
    if (callerWorks) Atomics.notify(at.words, at.done);
    else if (others === takingPart(job) - 1) {
      // the last one speaks for all
      Atomics.store(at.words, at.done, 0);
      report({ kind: "done" });
    }
  }
}

/** Spins so often, then sleeps, until `job` is no longer `seen`: what it is then. */
function waitForJob({ words, job }: JobWords, seen: number, spins: number): number {
  for (let spin = 0; spin < spins && Atomics.load(words, job) === seen; spin++);
  // The word is looked at again after every waking. The caller may be held up between raising it and waking
  // us, for so long that the entry has been run by then and this thread sleeps again: to run it a second time
  // would be an update too many.
  for (;;) {
    const now = Atomics.load(words, job);
    if (now !== seen) return now;
    Atomics.wait(words, job, seen);
  }
}

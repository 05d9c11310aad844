/**
 * One worker thread: sleeps until the host raises `control.job`, runs the entry, reports. A trap or a throw is reported too, and
 * ends the thread: the memory is then in an unknown state.
 */
import { parentPort, workerData } from "node:worker_threads";
import { instantiate } from "../host.ts";
import type { WorkerPlan, WorkerReport } from "./pool.ts";

const { parts, control, entries, worker, workers, job } = workerData as WorkerPlan;
const report = (message: WorkerReport): void => parentPort!.postMessage(message);

/** A tenth of a millisecond or so: when the next token is asked for at once, no thread has to be waked. */
const SPINS = 100_000;

function serve(): void {
  const instances = parts.map(({ module, memory }) => instantiate(module, memory));
  const i32 = new Int32Array(parts[0]!.memory.buffer);
  report({ kind: "ready" });
  for (let done = job; ; done++) {
    for (let spin = 0; spin < SPINS && Atomics.load(i32, control.job / 4) === done; spin++);
    Atomics.wait(i32, control.job / 4, done);
    const entry = entries[Atomics.load(i32, control.entry / 4)];
    if (entry === undefined) return;
    instances[entry.part]![entry.name]!(worker);
    if (Atomics.add(i32, control.done / 4, 1) === workers - 1) { // the last one speaks for all
      Atomics.store(i32, control.done / 4, 0);
      report({ kind: "done" });
    }
  }
}

try {
  serve();
} catch (cause) {
  report({ kind: "failed", cause: String(cause) });
}

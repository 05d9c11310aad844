/**
 * One worker thread: sleeps until the host raises `control.job`, runs the entry, reports. A trap or a throw is reported too, and
 * ends the thread: the memory is then in an unknown state.
 */
import { parentPort, workerData } from "node:worker_threads";
import { instantiate } from "../host.ts";
import type { WorkerPlan, WorkerReport } from "./pool.ts";

const { module, memory, control, entries, worker, job } = workerData as WorkerPlan;
const report = (message: WorkerReport): void => parentPort!.postMessage(message);

function serve(): void {
  const exports = instantiate(module, memory);
  const i32 = new Int32Array(memory.buffer);
  report({ kind: "ready" });
  for (let done = job; ; done++) {
    Atomics.wait(i32, control.job / 4, done);
    const entry = entries[Atomics.load(i32, control.entry / 4)];
    if (entry === undefined) return;
    exports[entry]!(worker);
    report({ kind: "done" });
  }
}

try {
  serve();
} catch (cause) {
  report({ kind: "failed", cause: String(cause) });
}

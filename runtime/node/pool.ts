/**
 * The pool's threads in Node: worker threads that report by message, so that the host's event loop goes on.
 */
import { Worker } from "node:worker_threads";
import type { Pool, PoolPlan } from "../engine/host.ts";
import { startPool as start, type StartThread, type WorkerReport } from "../engine/pool.ts";

/** How long threads have for ending by themselves before they are ended. */
const PATIENCE_MS = 1000;

/** `callerWorks`: the calling thread is worker 0; its event loop stands still while an entry runs. */
export const startPool = (plan: PoolPlan, callerWorks = false): Promise<Pool> =>
  start(plan, startThread, callerWorks);

const startThread: StartThread = (workerData, { report, died }) => {
  const thread = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData,
    name: `sinter worker ${workerData.worker}`,
    execArgv: [],
  });
  thread.on("message", (message: WorkerReport) => report(message));
  thread.on("error", (cause) => died(String(cause)));
  thread.on("exit", (code) => died(`its thread ended with code ${code}`));
  return { busy: (yes) => (yes ? thread.ref() : thread.unref()), end: () => endSoon(thread) };
};

/** Waits for a thread to end, and ends it when it does not. */
async function endSoon(thread: Worker): Promise<void> {
  if (thread.threadId === -1) return; // ended already
  thread.ref();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
  await Promise.race([new Promise((resolve) => thread.once("exit", resolve)), patience]);
  clearTimeout(timer);
  await thread.terminate();
}

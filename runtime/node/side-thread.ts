/**
 * A thread that does something useful beside this one, for which nobody has to wait: the process ends without
 * it, and what it cannot do is done later by whoever needs it.
 */
import { Worker } from "node:worker_threads";

/** Resolves when the thread has ended, however that was. */
export function sideThread(program: URL, workerData: unknown, name: string): Promise<void> {
  const thread = new Worker(program, { workerData, name, execArgv: [] });
  thread.on("error", () => {}); // who needs the result finds out what is wrong
  thread.unref();
  return new Promise((ended) => thread.on("exit", () => ended()));
}

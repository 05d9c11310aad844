/**
 * A pool of worker threads on one shared memory. The host raises `control.job`; every worker runs the same entry, with barriers
 * inside the module; the last to finish reports by message, so that the host's event loop goes on. When one dies or traps, `control.abort`
 * makes the others leave their barrier by a trap, and the run is rejected: no run stays open.
 */
import { Worker } from "node:worker_threads";
import type { EntryPlace } from "../../compiler/9-bundle/manifest.ts";
import { SinterError } from "../errors.ts";
import { trapped, type Pool, type PoolPart, type PoolPlan } from "../host.ts";

export interface WorkerPlan {
  /** The first one's memory holds job, entry and done. */
  readonly parts: readonly Pick<PoolPart, "module" | "memory">[];
  readonly control: PoolPlan["control"];
  /** Export names and their parts, by the number in `control.entry`; any other number ends the thread. */
  readonly entries: readonly ({ readonly part: number; readonly name: string } | undefined)[];
  readonly worker: number;
  readonly workers: number;
  /** `control.job` when the thread was made. */
  readonly job: number;
}

export type WorkerReport = { readonly kind: "ready" } | { readonly kind: "done" } | { readonly kind: "failed"; readonly cause: string };

const END = -1; // no entry has this index
const PATIENCE_MS = 1000; // for threads to end by themselves, before they are ended

interface Round {
  readonly what: string;
  /** Reports that are still to come: one of each worker at the start, one for all of them from an entry. */
  waiting: number;
  resolve(): void;
  reject(error: SinterError): void;
}

export async function startPool(plan: PoolPlan): Promise<Pool> {
  const { control, memory, workers } = plan;
  const i32 = new Int32Array(memory.buffer);
  const parts: readonly PoolPart[] = [plan, ...(plan.others ?? [])];
  const entries: { part: number; name: string }[] = [], firstEntry: number[] = [];
  for (const [part, { manifest }] of parts.entries()) {
    firstEntry[part] = entries.length;
    for (const { index, name } of manifest.entries) entries[firstEntry[part] + index] = { part, name };
  }
  let round: Round | undefined;
  let failure: SinterError | undefined;
  let closing = false;

  /** Whoever waits at a barrier, in whichever part, leaves it by a trap. */
  const abort = (): void => {
    for (const part of parts) {
      const each = new Int32Array(part.memory.buffer);
      Atomics.store(each, control.abort / 4, 1);
      Atomics.notify(each, control.round / 4);
    }
    raise(END);
  };
  const fail = (error: SinterError): void => {
    failure ??= error;
    abort();
    for (const thread of threads) void endSoon(thread);
    const open = round;
    round = undefined;
    open?.reject(failure);
  };
  const start = (worker: number): Worker => {
    const workerData: WorkerPlan = { parts: parts.map((part) => ({ module: part.module, memory: part.memory })), control, entries, worker, workers, job: Atomics.load(i32, control.job / 4) };
    const thread = new Worker(new URL("./worker.ts", import.meta.url), { workerData, name: `sinter worker ${worker}`, execArgv: [] });
    thread.on("message", (report: WorkerReport) => {
      if (report.kind === "failed") return fail(trapped(round?.what ?? "start", worker, report.cause));
      if (round && --round.waiting === 0) {
        const finished = round;
        round = undefined;
        for (const each of threads) each.unref(); // an idle pool does not keep the program alive
        finished.resolve();
      }
    });
    thread.on("error", (cause) => fail(trapped(round?.what ?? "start", worker, String(cause))));
    thread.on("exit", (code) => {
      if (!closing) fail(trapped(round?.what ?? "idle", worker, `its thread ended with code ${code}`));
    });
    return thread;
  };
  const refusal = (what: string): SinterError | undefined => {
    if (failure) return failure;
    if (closing) return new SinterError("bug", `"${what}" was asked of a closed pool`);
    if (round) return new SinterError("bug", `"${what}" was asked while "${round.what}" runs`);
    return undefined;
  };
  const newRound = (what: string, waiting: number): Promise<void> => new Promise((resolve, reject) => (round = { what, waiting, resolve, reject }));
  const raise = (entry: number): void => {
    Atomics.store(i32, control.entry / 4, entry);
    Atomics.add(i32, control.job / 4, 1);
    Atomics.notify(i32, control.job / 4);
  };

  for (const part of parts) Atomics.store(new Int32Array(part.memory.buffer), control.workers / 4, workers);
  const ready = newRound("start", workers);
  const threads: readonly Worker[] = Array.from({ length: workers }, (_, worker) => start(worker));
  await ready;
  return {
    workers,
    run(entry: EntryPlace, part = 0) {
      const error = refusal(entry.name);
      if (error) return Promise.reject(error);
      const finished = newRound(entry.name, 1);
      for (const thread of threads) thread.ref();
      raise(firstEntry[part]! + entry.index);
      return finished;
    },
    async close() {
      if (closing) return;
      closing = true;
      abort();
      await Promise.all(threads.map(endSoon));
    },
  };
}

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

/**
 * A pool of threads on one shared memory, whatever the host calls a thread. `control.job` is raised; every
 * worker runs the same entry, with barriers inside the module; the last to finish speaks for all. When one
 * dies or traps, `control.abort` makes the others leave their barrier by a trap, and the run is rejected: no
 * run stays open.
 *
 * The calling thread either stays free and hears of the end by message, or is worker 0 itself (`own`), where
 * it may sleep: then nobody has to be waked between two entries.
 */
import type { EntryPlace } from "../contract/manifest.ts";
import { SinterError } from "../base/errors.ts";
import { instantiate, trapped, type Pool, type PoolPart, type PoolPlan } from "./host.ts";

export interface WorkerPlan {
  /** The first one's memory holds job, entry and done. */
  readonly parts: readonly Pick<PoolPart, "module" | "memory">[];
  readonly control: PoolPlan["control"];
  /** Export names and their parts, by the number in `control.entry`; any other number ends the thread. */
  readonly entries: readonly ({ readonly part: number; readonly name: string } | undefined)[];
  readonly worker: number;
  readonly workers: number;
  /**
   * The thread that starts the entries is worker 0, and waits on `control.done`; else it waits for a message.
   */
  readonly own: boolean;
  /** `control.job` when the thread was made. */
  readonly job: number;
}

export type WorkerReport =
  | { readonly kind: "ready" }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly cause: string };

/** A thread that runs `serve` (pool-thread.ts). */
export interface Thread {
  /** A run has begun, or the pool is idle: an idle one need not keep the program alive. */
  busy(yes: boolean): void;
  /** Waits until it ends by itself, as it has been asked to, and ends it when it does not. */
  end(): Promise<void>;
}

export interface ThreadEvents {
  report(report: WorkerReport): void;
  /** It ended, and nobody had asked it to. */
  died(cause: string): void;
}

export type StartThread = (plan: WorkerPlan, events: ThreadEvents) => Thread;

const END = -1; // no entry has this index
/** Before the calling thread sleeps: some tenths of a millisecond. */
const SPINS = 100_000;
/** How long the calling thread sleeps at most before it looks whether a worker has given up. */
const LOOK_MS = 100;
/** For what a worker that gave up has to say. */
const LAST_WORDS_MS = 50;

interface Round {
  readonly what: string;
  /** Reports that are still to come: one of each thread at the start, one for all of them from an entry. */
  waiting: number;
  resolve(): void;
  reject(error: SinterError): void;
}

export async function startPool(plan: PoolPlan, startThread: StartThread, own = false): Promise<Pool> {
  const { control, memory, workers } = plan;
  const i32 = new Int32Array(memory.buffer);
  const parts: readonly PoolPart[] = [plan, ...(plan.others ?? [])];
  const entries: { part: number; name: string }[] = [];
  const firstEntry: number[] = [];
  for (const [part, { manifest }] of parts.entries()) {
    firstEntry[part] = entries.length;
    for (const { index, name } of manifest.entries) entries[firstEntry[part] + index] = { part, name };
  }
  const instances = own ? parts.map((part) => instantiate(part.module, part.memory)) : [];
  let round: Round | undefined;
  let failure: SinterError | undefined;
  let closing = false;

  const raise = (entry: number): void => {
    Atomics.store(i32, control.entry / 4, entry);
    Atomics.add(i32, control.job / 4, 1);
    Atomics.notify(i32, control.job / 4);
  };
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
    for (const thread of threads) void thread.end();
    const open = round;
    round = undefined;
    open?.reject(failure);
  };
  const start = (worker: number): Thread => {
    const shared = parts.map(({ module, memory: of }) => ({ module, memory: of }));
    return startThread(
      { parts: shared, control, entries, worker, workers, own, job: Atomics.load(i32, control.job / 4) },
      {
        report(report) {
          if (report.kind === "failed") return fail(trapped(round?.what ?? "start", worker, report.cause));
          if (round && --round.waiting === 0) {
            const finished = round;
            round = undefined;
            for (const thread of threads) thread.busy(false);
            finished.resolve();
          }
        },
        died(cause) {
          if (!closing) fail(trapped(round?.what ?? "idle", worker, cause));
        },
      },
    );
  };
  const refusal = (what: string): SinterError | undefined => {
    if (failure) return failure;
    if (closing) return new SinterError("bug", `"${what}" was asked of a closed pool`);
    if (round) return new SinterError("bug", `"${what}" was asked while "${round.what}" runs`);
    return undefined;
  };
  const newRound = (what: string, waiting: number): Promise<void> =>
    new Promise((resolve, reject) => (round = { what, waiting, resolve, reject }));

  /** The calling thread's share, then the wait for the others' end. Rejects when one has given up. */
  const take = async (what: string, part: number): Promise<void> => {
    try {
      instances[part]![what]!(0);
      const others = workers - 1;
      const done = control.done / 4;
      for (let spin = 0; spin < SPINS && Atomics.load(i32, done) < others; spin++);
      for (let seen = Atomics.load(i32, done); seen < others; seen = Atomics.load(i32, done)) {
        if (Atomics.load(i32, control.abort / 4) !== 0) throw new Error("another worker gave up");
        Atomics.wait(i32, done, seen, LOOK_MS);
      }
      Atomics.store(i32, done, 0);
      round = undefined;
    } catch (cause) {
      // whoever trapped first says why, and `fail` has it
      await new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS));
      fail(trapped(what, 0, String(cause)));
    }
  };

  for (const part of parts) Atomics.store(new Int32Array(part.memory.buffer), control.workers / 4, workers);
  const first = own ? 1 : 0;
  const ready = newRound("start", workers - first);
  const threads: readonly Thread[] = Array.from({ length: workers - first }, (_, i) => start(first + i));
  await ready;
  return {
    workers,
    run(entry: EntryPlace, part = 0) {
      const error = refusal(entry.name);
      if (error) return Promise.reject(error);
      const finished = newRound(entry.name, own ? Infinity : 1);
      for (const thread of threads) thread.busy(true);
      raise(firstEntry[part]! + entry.index);
      if (!own) return finished;
      finished.catch(() => {});
      return take(entry.name, part).then(() => (failure ? Promise.reject(failure) : undefined));
    },
    async close() {
      if (closing) return;
      closing = true;
      abort();
      await Promise.all(threads.map((thread) => thread.end()));
    },
  };
}

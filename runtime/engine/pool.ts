/**
 * A pool of threads on one shared memory, whatever the host calls a thread. To run an entry, the pool raises
 * `control.job`; every worker runs the same entry, phase by phase (compiler/8-emit/barrier.ts); the last to
 * finish speaks for all. When a worker dies or traps, `control.abort` makes the others leave the entry by a
 * trap, and the run is rejected: no run stays open.
 *
 * The calling thread either stays free and hears of the end by message, or is worker 0 itself
 * (`callerWorks`). That needs a thread that may sleep; then nobody has to be woken between two entries.
 */
import { controlWord } from "../contract/control.ts";
import type { BatchEntry } from "../contract/entries.ts";
import type { EntryPlace } from "../contract/manifest.ts";
import { SinterError } from "../base/errors.ts";
import {
  instantiate,
  trapped,
  type Instance,
  type LoadedPartition,
  type Pool,
  type PoolPlan,
} from "./host.ts";
import { abortBarriers, jobWords, raiseJob, type JobWords } from "./job-words.ts";

/** What a thread is given when it starts. */
export interface WorkerPlan {
  /** The first one's memory holds job, entry and done. */
  readonly partitions: readonly Pick<LoadedPartition, "module" | "memory">[];
  readonly control: PoolPlan["control"];
  /** By the number in `control.entry`. Any other number ends the thread. */
  readonly entries: readonly (NumberedEntry | undefined)[];
  readonly worker: number;
  /**
   * The thread that starts the entries is worker 0, and waits on `control.done`; else it waits for a message.
   */
  readonly callerWorks: boolean;
  /** `control.job` when the thread was made. */
  readonly job: number;
}

/** An export of a partition's instance. */
export interface NumberedEntry {
  readonly partition: number;
  readonly name: string;
  /** When it is over, threads sleep at once instead of looking for the next job for a while. */
  readonly thenSleep: boolean;
}

export type WorkerReport =
  | { readonly kind: "ready" }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly cause: string };

/** A thread that runs `serve` (pool-thread.ts). */
export interface Thread {
  /** True: a run has begun. False: the pool is idle, and need not keep the program alive. */
  busy(yes: boolean): void;
  /** Waits until the thread ends by itself, as it has been asked to, and ends it when it does not. */
  end(): Promise<void>;
}

export interface ThreadEvents {
  report(report: WorkerReport): void;
  /** The thread ended. */
  died(cause: string): void;
}

export type StartThread = (plan: WorkerPlan, events: ThreadEvents) => Thread;

/** Starts the threads; resolves when each has its instances. */
export async function startPool(
  plan: PoolPlan,
  startThread: StartThread,
  callerWorks = false,
): Promise<Pool> {
  const pool = new ThreadPool(plan, callerWorks);
  await pool.start(startThread);
  return pool;
}

/** Ends the threads: no entry has this number. */
const END = -1;
/** How often the calling thread looks for the end before it sleeps: some tenths of a millisecond. */
const SPINS = 100_000;
/** How long the calling thread sleeps at most before it looks whether a worker has given up. */
const LOOK_MS = 100;
/** How long a worker that gave up has for saying why. */
const LAST_WORDS_MS = 50;

/**
 * After one of these the calling thread makes the next batch, for longer than threads would look for a job.
 * Where workers have all cores, it needs one of them for that.
 */
const batchEntries = ["train", "evaluate"] as const satisfies readonly BatchEntry[];

/** An entry that runs, or the start of the threads. */
interface Round {
  readonly what: string;
  /**
   * How many reports are still to come: one of each thread at the start, one for all of them from an entry.
   */
  waiting: number;
  resolve(): void;
  reject(error: SinterError): void;
}

class ThreadPool implements Pool {
  readonly workers: number;
  readonly #plan: PoolPlan;
  readonly #crowded: boolean;
  readonly #at: JobWords;
  /** Each partition's control block. */
  readonly #words: readonly Int32Array[];
  readonly #entries: EntryNumbers;
  /** The instances of the calling thread, if it is worker 0. */
  readonly #ownInstances: readonly Instance[] | undefined;
  #threads: readonly Thread[] = [];
  #round: Round | undefined;
  #failure: SinterError | undefined;
  #closing = false;

  constructor(plan: PoolPlan, callerWorks: boolean) {
    const { partitions, control, workers, cores } = plan;
    this.workers = workers;
    this.#plan = plan;
    this.#crowded = workers > cores;
    this.#at = jobWords(partitions[0]!.memory, control);
    const full = workers === cores && !callerWorks;
    this.#entries = numberEntries(
      partitions,
      (name) => this.#crowded || (full && (batchEntries as readonly string[]).includes(name)),
    );
    if (callerWorks) this.#ownInstances = partitions.map(({ module, memory }) => instantiate(module, memory));
    this.#words = partitions.map(({ memory }) => new Int32Array(memory.buffer));
    for (const words of this.#words) {
      Atomics.store(words, this.#at.workers, workers);
      // bundles of earlier releases have no such field
      if (control.crowded !== undefined)
        Atomics.store(words, controlWord(control.crowded), Number(this.#crowded));
    }
  }

  get failure(): SinterError | undefined {
    return this.#failure;
  }

  async start(startThread: StartThread): Promise<void> {
    const first = this.#ownInstances ? 1 : 0;
    const ready = this.#begin("start", this.workers - first);
    this.#threads = Array.from({ length: this.workers - first }, (_, i) =>
      this.#startThread(startThread, first + i),
    );
    await ready;
  }

  run(entry: EntryPlace, partition = 0, workers = this.workers): Promise<void> {
    const error = this.#refusal(entry.name);
    if (error) return Promise.reject(error);
    const finished = this.#begin(entry.name, this.#ownInstances ? Infinity : 1);
    for (const thread of this.#threads) thread.busy(true);
    for (const words of this.#words) Atomics.store(words, this.#at.workers, workers);
    raiseJob(this.#at, this.#entries.first[partition]! + entry.index, workers);
    if (!this.#ownInstances) return finished;
    finished.catch(() => {}); // workAlong throws the same
    return this.#workAlong(this.#ownInstances[partition]!, entry.name, workers - 1);
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#abort();
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #startThread(startThread: StartThread, worker: number): Thread {
    const { partitions, control } = this.#plan;
    const plan: WorkerPlan = {
      partitions: partitions.map(({ module, memory }) => ({ module, memory })),
      control,
      entries: this.#entries.list,
      worker,
      callerWorks: this.#ownInstances !== undefined,
      job: Atomics.load(this.#at.words, this.#at.job),
    };
    return startThread(plan, {
      report: (report) => this.#hear(worker, report),
      died: (cause) => {
        if (!this.#closing) this.#fail(trapped(this.#round?.what ?? "idle", worker, cause));
      },
    });
  }

  #hear(worker: number, report: WorkerReport): void {
    const round = this.#round;
    if (report.kind === "failed") return this.#fail(trapped(round?.what ?? "start", worker, report.cause));
    if (!round || --round.waiting > 0) return;
    this.#round = undefined;
    for (const thread of this.#threads) thread.busy(false);
    round.resolve();
  }

  #begin(what: string, waiting: number): Promise<void> {
    return new Promise((resolve, reject) => (this.#round = { what, waiting, resolve, reject }));
  }

  #refusal(what: string): SinterError | undefined {
    if (this.#failure) return this.#failure;
    if (this.#closing) return new SinterError("bug", `"${what}" was asked of a closed pool`);
    if (this.#round) return new SinterError("bug", `"${what}" was asked while "${this.#round.what}" runs`);
    return undefined;
  }

  #abort(): void {
    abortBarriers(this.#plan.partitions, this.#plan.control);
    raiseJob(this.#at, END, this.workers);
  }

  /** The first failure is the one that every run is rejected with. */
  #fail(error: SinterError): void {
    this.#failure ??= error;
    this.#abort();
    for (const thread of this.#threads) void thread.end();
    const round = this.#round;
    this.#round = undefined;
    round?.reject(this.#failure);
  }

  /** The calling thread's share of an entry, then the wait for the others. Rejects when one has given up. */
  async #workAlong(instance: Instance, entry: string, others: number): Promise<void> {
    try {
      instance[entry]!(0);
      waitForOthers(this.#at, others, this.#crowded ? 0 : SPINS);
      this.#round = undefined;
    } catch (cause) {
      // whoever trapped first says why, and `#fail` hears it
      await new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS));
      this.#fail(trapped(entry, 0, String(cause)));
    }
    if (this.#failure) throw this.#failure;
  }
}

/** Spins so often, then sleeps, until so many workers have finished. Throws when one has given up. */
function waitForOthers({ words, done, abort }: JobWords, others: number, spins: number): void {
  for (let spin = 0; spin < spins && Atomics.load(words, done) < others; spin++);
  for (let seen = Atomics.load(words, done); seen < others; seen = Atomics.load(words, done)) {
    if (Atomics.load(words, abort) !== 0) throw new Error("another worker gave up");
    Atomics.wait(words, done, seen, LOOK_MS);
  }
  Atomics.store(words, done, 0);
}

/** The entries of all partitions, numbered one after the other. */
interface EntryNumbers {
  readonly list: readonly (NumberedEntry | undefined)[];
  /** The number of each partition's entry with index 0. */
  readonly first: readonly number[];
}

function numberEntries(
  partitions: readonly LoadedPartition[],
  thenSleep: (name: string) => boolean,
): EntryNumbers {
  const list: NumberedEntry[] = [];
  const first = partitions.map(({ manifest }, partition) => {
    const number = list.length;
    for (const { index, name } of manifest.entries)
      list[number + index] = { partition, name, thenSleep: thenSleep(name) };
    return number;
  });
  return { list, first };
}

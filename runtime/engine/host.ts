/**
 * What the runtime needs of the machine that it is on. `node/host.ts` is Node's host, `browser/host.ts` that
 * of a page; everything else in this folder is the same in both.
 */
import type { EntryPlace, Manifest } from "../contract/manifest.ts";
import { SinterError } from "../base/errors.ts";
import type { MachineMemory } from "./machine-memory.ts";
import type { MemoryRange, Partition } from "./partitions.ts";

/** Runs a module's entries. */
export interface Pool {
  readonly workers: number;
  /** Why nothing can be run any more: a worker has trapped or died, perhaps while none had work. */
  readonly failure: SinterError | undefined;
  /**
   * Runs one entry of a partition to its end. Rejects with a SinterError when a worker dies or traps; the
   * pool is of no use afterwards. `workers`: how many take part (default: all); they compute the same.
   */
  run(entry: EntryPlace, partition?: number, workers?: number): Promise<void>;
  close(): Promise<void>;
}

/** A partition and the code that runs in its memory: what an instance is made of. */
export interface LoadedPartition extends Partition {
  readonly module: WebAssembly.Module;
}

export interface PoolPlan {
  /** Every worker has an instance of each. The first one's memory is where workers are told what to run. */
  readonly partitions: readonly LoadedPartition[];
  readonly control: Manifest["control"];
  readonly workers: number;
  /** How many of them can run at the same time. */
  readonly cores: number;
}

export interface Host {
  readonly cores: number;
  /** How many workers a model has where its user does not say, as the machine's user wishes. */
  readonly workers?: number | undefined;
  /**
   * Asks the engine to join pairs of 128-bit operations. Called before a `wide` module is compiled. False: it
   * cannot be asked.
   */
  enableWide(): boolean;
  /**
   * Compiles with the optimising compiler at once, where the host can ask for it: no slow first steps, and
   * what is checked is what runs. `joined: false`: with no operations joined, whatever was asked before.
   */
  compile(bytes: Uint8Array<ArrayBuffer>, joined?: false): WebAssembly.Module;
  /** Starts the workers; resolves when each has its instances. */
  startPool(plan: PoolPlan): Promise<Pool>;
  /** Lets timers and signals in. */
  breathe(): Promise<void>;
  /**
   * Lets other threads touch memory that is about to be written, while this one goes on: the first touch of a
   * page takes longer than writing it. Resolves when all are there. Absent: whoever writes waits for pages.
   */
  touch?(ranges: readonly MemoryRange[]): Promise<void>;
  /** Absent: the host does not say, and as much as a model needs is asked of it. */
  machineMemory?(): MachineMemory;
  /** Absent: nothing is remembered, and all is found out anew. */
  readonly findings?: Findings;
  /** All bytes behind an absolute address, of a linked bundle. Rejects with a SinterError. */
  readUrl(url: string): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * What was found out about this machine in earlier runs, for as long as it and its engine are the same: what
 * takes a while to measure or to check is found out once.
 */
export interface Findings {
  /** Undefined: it was not found out yet. */
  read(about: readonly string[]): Promise<unknown>;
  /** Anything that JSON can say. Does nothing where it cannot be kept. */
  write(about: readonly string[], found: unknown): Promise<void>;
}

/** The exported entries of an instance. */
export type Instance = Readonly<Record<string, (worker: number) => void>>;

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Instance {
  const abort = (): never => {
    throw new Error("the module called abort");
  };
  const now = (): number => performance.now(); // for a profiled module
  return new WebAssembly.Instance(module, { env: { memory, abort, now } }).exports as unknown as Instance;
}

/** A pool without threads: the calling thread is its only worker. */
export function callingThread(partitions: readonly Pick<LoadedPartition, "module" | "memory">[]): Pool {
  const instances = partitions.map(({ module, memory }) => instantiate(module, memory));
  return {
    workers: 1,
    failure: undefined,
    async run(entry, partition = 0) {
      try {
        instances[partition]![entry.name]!(0);
      } catch (cause) {
        throw trapped(entry.name, 0, String(cause));
      }
    },
    async close() {},
  };
}

export const trapped = (entry: string, worker: number, cause: string): SinterError =>
  new SinterError(
    "bug",
    `worker ${worker} stopped in "${entry}": ${cause}`,
    "This is a fault of Sinter's compiler or runtime; the last checkpoint is unharmed.",
  );

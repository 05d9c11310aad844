/**
 * What the runtime needs of the machine it is on. `node/host.ts` is Node's; a page has its own. Everything
 * else in this folder is the same in both.
 */
import type { EntryPlace, Manifest, ModuleManifest } from "../contract/manifest.ts";
import { SinterError } from "../base/errors.ts";

/** Runs a module's entries. */
export interface Pool {
  readonly workers: number;
  /**
   * Runs one entry (of a part: its number) to its end. Rejects with a SinterError when a worker dies or
   * traps; the pool is of no use afterwards.
   */
  run(entry: EntryPlace, part?: number): Promise<void>;
  close(): Promise<void>;
}

/** What an instance is made of. */
export interface PoolPart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly manifest: ModuleManifest;
}

export interface PoolPlan extends PoolPart {
  /** Of a module in parts, those after the first: every worker has an instance of each. */
  readonly others?: readonly PoolPart[];
  readonly control: Manifest["control"];
  readonly workers: number;
}

export interface Host {
  readonly cores: number;
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
  /** Starts the workers; resolves when each has its instance. */
  startPool(plan: PoolPlan): Promise<Pool>;
  /** Lets timers and signals in. */
  breathe(): Promise<void>;
}

type Entries = Readonly<Record<string, (worker: number) => void>>;

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Entries {
  const abort = (): never => {
    throw new Error("the module called abort");
  };
  const now = (): number => performance.now(); // for a profiled module
  return new WebAssembly.Instance(module, { env: { memory, abort, now } }).exports as unknown as Entries;
}

/** A pool of one: the calling thread. */
export function callingThread(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  others: readonly Pick<PoolPart, "module" | "memory">[] = [],
): Pool {
  const instances = [{ module, memory }, ...others].map((part) => instantiate(part.module, part.memory));
  return {
    workers: 1,
    async run(entry, part = 0) {
      try {
        instances[part]![entry.name]!(0);
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

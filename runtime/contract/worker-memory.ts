/**
 * How much memory a module has for a number of workers. What workers have to themselves (the corner for sums
 * over lanes, scratch, the times of a module that times itself) lies last, one piece for each of them, so the
 * number is chosen when the module is loaded:
 *
 *   bytes = base + workers × workerBytes
 *
 * A bundle of an earlier release does not say `workerBytes`: its memory is the same for any number, up to
 * `maxWorkers`.
 */
import { MAX_WORKERS } from "./control.ts";
import type { ModuleManifest } from "./manifest.ts";
import { MEMORY_LIMIT } from "./memory-import.ts";

/**
 * The number of workers that memories are planned for: whether a module fits into one, and how it is cut. How
 * many there are is chosen when the module is loaded.
 */
export const PLANNED_WORKERS = 8;

/** What the manifest says of a memory, or of all memories of a module that is divided. */
export type WorkerMemory = Pick<ModuleManifest, "memoryBytes" | "maxWorkers" | "workerBytes">;

/** Bytes for so many workers. */
export const memoryBytesFor = (
  { memoryBytes, maxWorkers, workerBytes = 0 }: WorkerMemory,
  workers: number,
): number => memoryBytes + (workers - maxWorkers) * workerBytes;

/** Whether there can be so many workers, as far as it is up to the host. */
export const isWorkerCount = (workers: number): boolean =>
  Number.isInteger(workers) && workers >= 1 && workers <= MAX_WORKERS;

/** How many workers have room in a memory: 0 where not even one has. */
function mostIn(memory: WorkerMemory): number {
  const { maxWorkers, workerBytes } = memory;
  if (workerBytes === undefined) return maxWorkers;
  return Math.max(0, Math.floor((MEMORY_LIMIT - memoryBytesFor(memory, 0)) / workerBytes));
}

/** How many workers there can be, each of which has a piece of every one of these memories. */
export const mostWorkers = (memories: readonly WorkerMemory[]): number =>
  Math.min(MAX_WORKERS, ...memories.map(mostIn));

/** How many there are where nothing else is said: one for each core, as far as the memories have room. */
export const defaultWorkers = (memories: readonly WorkerMemory[], cores: number): number =>
  Math.max(1, Math.min(cores, mostWorkers(memories)));

/**
 * Pages of memory that are about to be written, made by other threads: the system fills a page with zeros
 * when it is touched first, which for the weights of a large model takes longer than to read them.
 */
import { availableParallelism } from "node:os";
import type { MemoryRange } from "../engine/partitions.ts";
import { sideThread } from "./side-thread.ts";
import type { TouchData } from "./touch-thread.ts";

/** A thread is there after 40 ms, in which one that writes anyway makes some 40 MB. */
const WORTH_A_THREAD = 256 * 2 ** 20;
/** More do not help: they wait for each other in the system. */
const MOST_THREADS = 4;

/**
 * Resolves when the pages are there, which nobody has to wait for. Memory that is not shared stays as it is:
 * no other thread reaches it.
 */
export async function touch(all: readonly MemoryRange[], least = WORTH_A_THREAD): Promise<void> {
  const ranges = all.filter(({ buffer }) => buffer instanceof SharedArrayBuffer);
  const bytes = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  const threads = Math.min(MOST_THREADS, availableParallelism() - 1);
  if (bytes < least) return;
  const workerData: TouchData = { ranges, next: new Int32Array(new SharedArrayBuffer(4)) };
  const program = new URL("./touch-thread.ts", import.meta.url);
  await Promise.all(Array.from({ length: threads }, () => sideThread(program, workerData, "sinter pages")));
}

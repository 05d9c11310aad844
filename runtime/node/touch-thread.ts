/** What a thread does that makes pages: it touches one word of each, and changes none. */
import { workerData } from "node:worker_threads";
import type { MemoryRange } from "../engine/partitions.ts";

export interface TouchData {
  readonly ranges: readonly MemoryRange[];
  /** The next block that nobody has taken. */
  readonly next: Int32Array<SharedArrayBuffer>;
}

/** What a thread takes at once. */
const BLOCK = 16 * 2 ** 20;
/** The least that a page has. */
const PAGE = 4096;

const { ranges, next } = workerData as TouchData;

const blocks = ranges.flatMap(({ buffer, from, to }) => {
  const words = new Int32Array(buffer);
  return Array.from({ length: Math.ceil((to - from) / BLOCK) }, (_, i) => ({
    words,
    from: from + i * BLOCK,
    to: Math.min(to, from + (i + 1) * BLOCK),
  }));
});

for (let block = blocks[take()]; block; block = blocks[take()])
  // other threads may write the word meanwhile: this is one step, and leaves what it finds
  for (let at = block.from; at < block.to; at += PAGE) Atomics.or(block.words, at >> 2, 0);

function take(): number {
  return Atomics.add(next, 0, 1);
}

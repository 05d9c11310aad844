/**
 * What each worker has of a module's memory to itself, from its first byte on:
 *
 *   spill | scratch | times, in a module that times itself
 *
 * The pieces of all workers lie behind everything else, so that there can be any number of them
 * (runtime/contract/worker-memory.ts).
 */
import { alignUp } from "./arena.ts";

/**
 * Where the last step of a sum over a vector's lanes takes place: V8 joins stores of neighbours, and could
 * not join what works on single lanes.
 */
export const SPILL_BYTES = 256;

/** One worker's piece, in bytes; `times` is where in it the times begin. */
export interface WorkerPiece {
  readonly bytes: number;
  readonly times: number;
}

export function workerPiece(scratchBytes: number, timesBytes = 0): WorkerPiece {
  const times = SPILL_BYTES + alignUp(scratchBytes);
  return { bytes: times + alignUp(timesBytes), times };
}

/**
 * Which examples stand in which row of a batch: one in each, or as many as have room. These are packed by
 * best-fit decreasing (Johnson 1973): the longest first, each into the fullest row that still has room for
 * it. None is ever cut. Which lengths share a row follows from the lengths alone; which examples these are
 * is drawn anew for every epoch, among those of equal length.
 */
import { randomStream } from "../../base/random.ts";
import { rowCount, rowLength, type LearntRows } from "./learnt-rows.ts";

/** Rows in which every example stands once. */
export interface RowPlan {
  readonly rows: number;
  /** The examples of row i, in one pass over all of them; without an epoch in the order of the file. */
  pass(epoch?: Epoch): (i: number) => readonly number[];
}

/** The order of an epoch follows from these two. */
export interface Epoch {
  readonly seed: number;
  readonly number: number;
}

/** Each example has a row of its own. */
export const singleRows = (examples: LearntRows): RowPlan => ({
  rows: rowCount(examples),
  pass(epoch) {
    const order = epoch && shuffled(rowCount(examples), epoch);
    return (i) => [order ? order[i]! : i];
  },
});

/** Rows of `context` tokens. No example is longer: encodeExamples has left those out. */
export function packedRows(examples: LearntRows, context: number): RowPlan {
  const inFile = Uint32Array.from({ length: rowCount(examples) }, (_, i) => i);
  const lengths = longestFirst(inFile, examples, context).map((i) => rowLength(examples, i));
  const { rows, starts, ranks } = bestFit(lengths, context);
  return {
    rows,
    pass(epoch) {
      const order = epoch ? shuffled(inFile.length, epoch) : inFile;
      const byRank = longestFirst(order, examples, context);
      const rowOrder = epoch && shuffled(rows, epoch, "rows of epoch");
      return (i) => {
        const row = rowOrder ? rowOrder[i]! : i;
        return Array.from(ranks.subarray(starts[row], starts[row + 1]), (rank) => byRank[rank]!);
      };
    },
  };
}

/** Row i has the examples of ranks[starts[i]] … ranks[starts[i + 1] − 1]; 0 is the rank of the longest. */
interface RankedRows {
  readonly rows: number;
  readonly starts: Uint32Array;
  readonly ranks: Uint32Array;
}

/** Packs examples of these lengths, from the longest to the shortest. */
export function bestFit(lengths: Uint32Array, context: number): RankedRows {
  const newest = new Int32Array(context + 1).fill(-1); // a row, by the room that it has left
  const older: number[] = []; // of each row: the next one that has as much room
  const room: number[] = [];
  const chosen = lengths.map((length) => {
    let least = length;
    while (least <= context && newest[least]! < 0) least++;
    const row = least <= context ? newest[least]! : room.length;
    if (least <= context) newest[least] = older[row]!;
    const left = Math.min(least, context) - length;
    room[row] = left;
    older[row] = newest[left]!;
    newest[left] = row;
    return row;
  });
  return gathered(chosen, room.length);
}

/** The ranks of each row, from the row of each rank. */
function gathered(chosen: Uint32Array, rows: number): RankedRows {
  const starts = new Uint32Array(rows + 1);
  for (const row of chosen) starts[row + 1]!++;
  for (let row = 0; row < rows; row++) starts[row + 1]! += starts[row]!;
  const ranks = new Uint32Array(chosen.length);
  const filled = starts.slice();
  for (const [rank, row] of chosen.entries()) ranks[filled[row]!++] = rank;
  return { rows, starts, ranks };
}

/** The same examples, from the longest to the shortest; those of equal length stay in order. */
function longestFirst(order: Uint32Array, examples: LearntRows, context: number): Uint32Array {
  const shortBy = (i: number): number => context - rowLength(examples, i);
  const at = new Uint32Array(context + 2); // where those begin that are so much shorter than a row
  for (const i of order) at[shortBy(i) + 1]!++;
  for (let by = 0; by <= context; by++) at[by + 1]! += at[by]!;
  const sorted = new Uint32Array(order.length);
  for (const i of order) sorted[at[shortBy(i)]!++] = i;
  return sorted;
}

/** The numbers 0 … count − 1 in the order of an epoch (Fisher & Yates). */
export function shuffled(count: number, { seed, number }: Epoch, what = "epoch"): Uint32Array {
  const random = randomStream(seed, `${what} ${number}`);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

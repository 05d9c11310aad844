/**
 * Blocks of positions, in which attention over a cache is summed. A block is the same absolute positions for
 * every row that sees them, whoever computes it: one row or many, a worker alone or several. Each has a
 * maximum and a sum of its own, and blocks are merged in ascending order (block-merge.ts), so that what a row
 * gives depends on its text only.
 *
 * The first blocks are short, so that even a short text divides evenly among workers; later ones are long,
 * so that there are few of them.
 */
import type { Writer } from "../../kit/writer.ts";
import { ceilTo, PANEL } from "../../kit/panels.ts";

/** Positions of each of the first blocks, how far these reach, and positions of each later one. */
const SHORT = 128;
const SHORT_UNTIL = 256;
const LONG = 256;

/** Blocks by which `n / LONG` counts too few behind the short ones. */
const EXTRA = SHORT_UNTIL / SHORT - SHORT_UNTIL / LONG;

/** The block that position n is in. */
export const blockOf = (n: number): number =>
  n < SHORT_UNTIL ? Math.floor(n / SHORT) : Math.floor(n / LONG) + EXTRA;
/** The first position of block i. */
export const blockStart = (i: number): number => (i * SHORT < SHORT_UNTIL ? i * SHORT : (i - EXTRA) * LONG);

/** Positions of the longest block among so many positions, in whole panels. */
export const longestBlock = (positions: number): number =>
  Math.min(positions > SHORT_UNTIL ? LONG : SHORT, ceilTo(positions, PANEL));

/** How many blocks a row sees at the most; with a window (0: none), of so many positions. */
export function mostBlocks(positions: number, window: number): number {
  const all = blockOf(positions - 1) + 1;
  if (window === 0) return all;
  // most for the first position of a block
  const seen = Array.from(
    { length: all },
    (_, i) => i + 1 - blockOf(Math.max(0, blockStart(i) + 1 - window)),
  );
  return Math.max(...seen);
}

/** Generated code: the block of position n, and the first position of block i (i32). */
export const blockOfFunction = (w: Writer): string =>
  w.helper("attention_block_of", (f) => {
    f.line("/** The block of positions that position n is in */");
    f.block("function attention_block_of(n: i32): i32", () =>
      f.line(`return n < ${SHORT_UNTIL} ? n / ${SHORT} : n / ${LONG} + ${EXTRA};`),
    );
  });
export const blockStartFunction = (w: Writer): string =>
  w.helper("attention_block_start", (f) => {
    f.line("/** The first position of block i */");
    f.block("function attention_block_start(i: i32): i32", () =>
      f.line(`return i < ${SHORT_UNTIL / SHORT} ? i * ${SHORT} : (i - ${EXTRA}) * ${LONG};`),
    );
  });

/**
 * The blocks with positions `from` … `to` (i32 expressions), in ascending order. Locals of the body: `block`,
 * its first position `first_key`, and how many of its positions are before `known` (`block_keys`).
 */
export function eachBlock(w: Writer, from: string, to: string, body: () => void): void {
  const [of, startOf] = [blockOfFunction(w), blockStartFunction(w)];
  w.line(`const first_block = ${of}(${from}), last_block = ${of}(${to});`);
  w.block("for (let block = first_block; block <= last_block; block++)", () => {
    w.line(
      `const first_key = ${startOf}(block), block_keys = min(${startOf}(block + 1), known) - first_key;`,
    );
    body();
  });
}
/** In the body of `eachBlock`: is it the first one? */
export const isFirstBlock = "block == first_block";

/**
 * What a tile reads only at its end, its rows of `add`, is touched some tiles ahead. These are MR lines of 64
 * bytes far apart, of which no prefetcher knows, and a core waits for memory at each tile's end, some 120 ns.
 * The lines of several tiles, asked for at once, arrive together.
 */
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import { touchFunction } from "../../kit/touch-rows.ts";
import type { Writer } from "../../kit/writer.ts";
import type { Product } from "./one-tile.ts";

/** Tiles at once: 24 lines with MR = 6, which is about what a core has under way to its second cache. */
const TILES = 4;
/** What is smaller is in a core's second cache already. */
const LEAST_BYTES = 2 ** 20;

/**
 * Written at the beginning of the loop over tiles `tile` … `end` of the local `panel`: every so many tiles
 * touches the rows of the next ones.
 */
export function emitTouch(w: Writer, { p, k, at }: Product, end: string): void {
  const bytes = rowBytes(p.N);
  if (!k.has("add") || p.M * bytes < LEAST_BYTES) return;
  w.block(`if ((tile - from) % ${TILES} == 0)`, () =>
    w.line(
      `${touchFunction(w)}(${at.add} + <usize>tile * ${p.MR * bytes} + <usize>panel * ${p.NR * 4}, ` +
        `min(${TILES}, ${end} - tile) * ${p.MR}, ${bytes});`,
    ),
  );
}

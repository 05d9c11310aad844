/**
 * Attention of many new rows over a cache, for one key/value head. The rows of queries are those of the
 * head's group at one position, then those at the next; they stand in scratch, so many as fill a block of
 * queries, and meet block after block of positions.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { Dims } from "../../kit/signature.ts";
import type { Writer } from "../../kit/writer.ts";
import { ceilTo } from "../../kit/panels.ts";
import { registerTile } from "../../kit/register-tile.ts";
import { attendedArea, emitMerge, emitMergeEnd, finishFunction, mergeAreas } from "./block-merge.ts";
import { emitFromKeys, emitScores } from "./block-products.ts";
import { cacheStrides } from "./decode-f32.ts";
import { eachBlock, isFirstBlock, longestBlock } from "./key-blocks.ts";
import { sizesOf, type AttentionAttrs, type Sizes } from "./kernel-sizes.ts";
import { MASK_BYTES } from "./score-rows.ts";
import { emitSoftmax, statistics } from "./softmax.ts";
import { PANEL, PANEL_BYTES } from "../../kit/panels.ts";

/** Rows of queries that meet a block of positions together: whole tiles (6 · 8 = 4 · 12). */
const QUERIES = 48;

/**
 * Blocks of at most so many rows of queries, whole positions of a group; and the longest block of positions.
 */
export function prefillBlocks(
  target: Target,
  rows: number,
  { heads, kv_heads }: AttentionAttrs,
  positions: number,
): Dims {
  const { MR, NR } = registerTile(target);
  const group = heads / kv_heads;
  const most = Math.max(group, QUERIES - (QUERIES % group));
  return { MR, NR, QB: Math.min(most, rows * group), KB: longestBlock(positions) };
}

export function prefillSizes(d: Dims, attrs: AttentionAttrs, tiles: Dims): Sizes {
  const s = sizesOf(d, attrs, tiles, d["R"]!);
  return { ...s, each: s.group };
}

/**
 * Areas in scratch: their names are locals of the kernel. A block's last tile may have rows that are none.
 */
export function prefillAreas(s: Sizes) {
  const rows = ceilTo(s.QB, s.MR);
  return {
    mask: MASK_BYTES,
    scores: ceilTo(rows, 4) * s.KB * 4,
    queries: rows * s.D * 4,
    ...statistics({ ...s, QB: rows }),
    attended: rows * s.DP * 4,
    ...mergeAreas(rows, s.DP),
  };
}

/** What the rows of head g are computed from, as generated code names it. */
interface Chunk {
  /** Addresses of qkv and out of the first row. */
  readonly qkv: string;
  readonly out: string;
  /**
   * Writes the block's attended at `to`, `shift` and `sum`: of `rows` rows, and positions from `first_key`
   * on.
   */
  attend(): void;
  /** Brings the queries of rows q … to where `attend` reads them. */
  load(): void;
}

/** The rows of key/value head g, at positions start … start + real − 1 = known − 1. */
export function emitChunk(w: Writer, s: Sizes, p: Chunk): void {
  const { each, D, DP } = s;
  w.block(`for (let q = 0; q < real * ${each}; q += ${s.QB})`, () => {
    w.line(
      `const rows = min(${s.QB}, real * ${each} - q), row_of = q / ${each}, position = start + row_of, ` +
        "positions = " +
        `rows / ${each};`,
    );
    p.load();
    const first = s.windowed ? "max(position + 1 - WINDOW, 0)" : "0";
    eachBlock(w, first, "position + positions - 1", () => {
      w.line(`const ahead = position - first_key, to = ${attendedArea(isFirstBlock)};`);
      p.attend();
      emitMerge(w, {
        isFirst: isFirstBlock,
        rows: "rows",
        top: "shift",
        sum: "sum",
        attended: "attended",
        DP,
      });
    });
    emitMergeEnd(w, "rows");
    w.block("for (let i: usize = 0; i < <usize>positions; i++)", () =>
      w.line(
        `${finishFunction(w, D, DP)}(merged + i * ${each * DP * 4}, ` +
          `${p.out} + (<usize>row_of + i) * ${s.outRow} + <usize>g * ${each * D * 4}, ` +
          `${each}, fade + i * ${each * 4});`,
      ),
    );
  });
}

export interface ChunkPlaces {
  /** Addresses of qkv and out of the first row, and of the head's panels. */
  readonly qkv: string;
  readonly out: string;
  readonly keys: string;
  readonly values: string;
  readonly ring: string | undefined;
}

/** The same over f32 caches. */
export function emitChunkF32(w: Writer, s: Sizes, target: Target, p: ChunkPlaces): void {
  const { each, D, DP } = s;
  const { keyHead, keyPanel, valueHead, valuePanel } = cacheStrides(s);
  const group = each * D * 4;
  w.line(
    `const across = ${p.keys} + <usize>g * ${keyHead}, ` +
      `panels = ${p.values} + <usize>g * ${valueHead}; // of the head`,
  );
  emitChunk(w, s, {
    ...p,
    load: () =>
      w.line(
        `for (let i: usize = 0; i < <usize>positions; i++) memory.copy(queries + i * ${group}, ${p.qkv} + ` +
          `(<usize>row_of + i) * ${s.qkvRow} + <usize>g * ${group}, ${group});`,
      ),
    attend() {
      const block = {
        rows: "rows",
        keys: "block_keys",
        ahead: "ahead",
        firstKey: "first_key",
        ring: p.ring,
        tail: "any",
        scores: "scores",
        wholePanels: true,
      } as const;
      emitScores(w, s, { ...block, a: "queries", aRow: D * 4, b: "across", bPanel: keyPanel, c: "scores" });
      emitSoftmax(w, s, target, block, "own");
      emitFromKeys(w, s, {
        ...block,
        b: "panels",
        panels: { columns: PANEL * PANEL_BYTES, rows: valuePanel },
        c: "to",
        cRow: DP * 4,
        mode: "set",
      });
    },
  });
}

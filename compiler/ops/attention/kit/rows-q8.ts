/**
 * Attention over a cache in q8_0, for one key/value head: the steps of q8-products.ts for the rows of a block
 * of queries and one block of positions.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import { ceilTo, PANEL } from "../../kit/panels.ts";
import type { Dims } from "../../kit/signature.ts";
import { count, type Writer } from "../../kit/writer.ts";
import { mergeAreas } from "./block-merge.ts";
import { positionOf, windowStart } from "./block-products.ts";
import { columnGroups, panelBytes } from "./cache-layout.ts";
import { longestBlock } from "./key-blocks.ts";
import { sizesOf, type AttentionAttrs, type Sizes } from "./kernel-sizes.ts";
import { emitChunk, type ChunkPlaces } from "./prefill-f32.ts";
import { paddedRow, wholeRow } from "./q8-panels.ts";
import {
  largestScaleFunction,
  mixFunction,
  queryBytes,
  quantiseQueryFunction,
  scoresFunction,
  weightBytes,
  weightsFunction,
} from "./q8-products.ts";
import { MASK_BYTES } from "./score-rows.ts";
import { emitSoftmax, statistics } from "./softmax.ts";

/** Rows of queries that meet a block of positions together. */
const QUERIES = 48;
/** Rows that use at once what was loaded of the keys; what is left of them goes by the smaller tiles. */
const TILES = [4, 2, 1] as const;
/** Rows × groups of columns that use at once what was loaded of the values. */
const MIX_TILES = 2;

export const blocksQ8 = (rows: number, { heads, kv_heads }: AttentionAttrs, positions: number): Dims => {
  const group = heads / kv_heads;
  const most = Math.max(group, QUERIES - (QUERIES % group));
  return { QB: Math.min(most, rows * group), KB: longestBlock(positions) };
};

export function sizesQ8(d: Dims, attrs: AttentionAttrs, tiles: Dims): Sizes {
  const s = sizesOf(d, attrs, { ...tiles, MR: TILES[0], NR: PANEL }, d["R"]!);
  return { ...s, each: s.group };
}

/** Areas in scratch: their names are locals of the kernel. */
export function areasQ8(s: Sizes) {
  const groups = columnGroups(s.D).length;
  return {
    mask: MASK_BYTES,
    scores: ceilTo(s.QB, 4) * s.KB * 4,
    ...statistics(s),
    attended: s.QB * s.DP * 4,
    ...mergeAreas(s.QB, s.DP),
    row: paddedRow(s.D),
    queries: s.QB * queryBytes(s.D),
    query_scales: s.QB * 4,
    largest: s.QB * groups * 4,
    weights: s.QB * weightBytes(s.D, s.KB),
    weight_scales: s.QB * groups * 4,
  };
}

/** The rows of key/value head g, at positions start … start + real − 1 = known − 1. */
export function emitChunkQ8(w: Writer, s: Sizes, target: Target, p: ChunkPlaces): void {
  if (p.ring) w.line(`const ring_bytes = <usize>(${p.ring} >> 4) * ${panelBytes(s.D)};`);
  emitChunk(w, s, {
    ...p,
    load: () => emitLoad(w, s, p.qkv),
    attend() {
      w.line("// scores");
      eachTile(w, s, (m) => emitTileScores(w, s, m, p));
      const block = { scores: "scores", rows: "rows", keys: "block_keys", ahead: "ahead", wholePanels: true };
      emitSoftmax(w, s, target, block, "own");
      emitLargest(w, s, p);
      w.line("// attended");
      eachTile(w, s, (m) => emitTileSums(w, s, m, p));
    },
  });
}

/** The queries of the block's rows, in int16, with a scale each. */
function emitLoad(w: Writer, s: Sizes, qkv: string): void {
  const { D, each, qkvRow } = s;
  w.block("for (let i: usize = 0; i < <usize>rows; i++)", () => {
    const [position, head] = each === 1 ? ["i", ""] : [`i / ${each}`, ` + i % ${each}`];
    const x = `${qkv} + (<usize>row_of + ${position}) * ${qkvRow} + (<usize>g * ${each}${head}) * ${D * 4}`;
    const row = wholeRow(w, D, x);
    w.line(
      `store<f32>(query_scales + (i << 2), ${quantiseQueryFunction(w, D)}(${row}, queries + i * ` +
        `${queryBytes(D)}, spill));`,
    );
  });
}

/** Tiles of m rows, from row r on. A single position has the rows of a group, always as many. */
function eachTile(w: Writer, s: Sizes, tile: (m: number) => void): void {
  if (s.T === 1) {
    for (let r = 0; r < s.group;) {
      const m = TILES.find((m) => r + m <= s.group)!;
      w.block("", () => {
        w.line(`const r = ${r};`);
        tile(m);
      });
      r += m;
    }
    return;
  }
  w.block("for (let r = 0; r < rows;)", () => {
    for (const [i, m] of TILES.entries()) {
      const body = (): void => {
        tile(m);
        w.line(`r += ${m};`);
      };
      if (i === TILES.length - 1) w.block("else", body);
      else w.block(`${i === 0 ? "" : "else "}if (r + ${m} <= rows)`, body);
    }
  });
}

/** Which of the block's positions m rows from r on see, in whole panels: from `seen` on, `panels` of them. */
function emitSeen(w: Writer, s: Sizes, m: number): void {
  const last = `min(block_keys, ahead + ${positionOf(s, `r + ${m - 1}`)} + 1)`;
  const first = s.windowed ? `max(${windowStart(s, "ahead", "r")}, 0) & ~${PANEL - 1}` : "0";
  w.line(`const seen = ${first}, until = ${last}, panels = max(until - seen + ${PANEL - 1}, 0) >> 4;`);
}

/** Bytes from a head's first panel to that of position `seen` of the block. */
const panelOf = (s: Sizes, ring: string | undefined): string =>
  `<usize>((${ring ? `(first_key + seen) % ${ring}` : "first_key + seen"}) >> 4) * ${panelBytes(s.D)}`;

/** The largest scale of the values that each row sees in the block, for each group of columns. */
function emitLargest(w: Writer, s: Sizes, { values, ring }: ChunkPlaces): void {
  const { D, each } = s;
  const groups = columnGroups(D);
  w.line("// largest[rows][groups]");
  if (!s.windowed) w.line("let reach = i32.MIN_VALUE; // of the row before; the first row has none");
  w.block("for (let r = 0; r < rows; r++)", () => {
    const first = s.windowed ? `max(${windowStart(s, "ahead", "r")}, 0)` : "0";
    w.line(`const until = min(block_keys, ahead + ${positionOf(s, "r")} + 1), seen = ${first};`);
    w.line(`const to_row = largest + <usize>r * ${4 * groups.length};`);
    const before = `load<f32>(to_row + n - ${4 * groups.length})`;
    const same = s.windowed ? `r % ${each} != 0` : "until == reach";
    w.line(
      `if (${same}) for (let n: usize = 0; n < ${4 * groups.length}; n += 4) store<f32>(to_row + n, ` +
        `${before});`,
    );
    if (!s.windowed) {
      // one position more than the row before
      const next = "(first_key + until - 1)";
      w.block("else if (r > 0 && reach >= 0 && until == reach + 1)", () => {
        w.line(
          `const scale = ${values} + <usize>(${next} >> 4) * ${panelBytes(D)} + ((${next} & ${PANEL - 1}) ` +
            "<< 2);",
        );
        for (const [g, { at }] of groups.entries())
          w.line(
            `store<f32>(to_row, max(load<f32>(to_row - ${4 * groups.length}, ${4 * g}), load<f32>(scale, ` +
              `${at})), ${4 * g});`,
          );
      });
    }
    w.block("else", () => {
      w.line(`const from = ${values} + ${panelOf(s, ring)};`);
      for (const [g, { at }] of groups.entries()) {
        const rest = ring ? `, ${values} + ring_bytes + ${at}, ring_bytes` : "";
        w.line(
          `store<f32>(to_row, ${largestScaleFunction(w, D, ring !== undefined)}(from + ${at}, seen & ` +
            `${PANEL - 1}, until - (seen & ~${PANEL - 1}), mask, spill${rest}), ${4 * g});`,
        );
      }
    });
    if (!s.windowed) w.line("reach = until;");
  });
}

function emitTileScores(w: Writer, s: Sizes, m: number, { keys, ring }: ChunkPlaces): void {
  const { D, KB } = s;
  emitSeen(w, s, m);
  const scores = scoresFunction(w, D, m, KB * 4, ring !== undefined);
  w.line(
    `${scores}(${keys} + ${panelOf(s, ring)}, queries + <usize>r * ${queryBytes(D)}, query_scales + ` +
      `(<usize>r << 2), scores + <usize>r * ${KB * 4} + (seen << 2), ` +
      `panels${ring ? `, ${keys} + ring_bytes, ring_bytes` : ""});`,
  );
}

/** `to` = Σ weights · values of m rows; what their softmax has not reached counts as 0. */
function emitTileSums(w: Writer, s: Sizes, m: number, p: ChunkPlaces): void {
  const { D, KB, DP } = s;
  const groups = columnGroups(D);
  const ring = p.ring !== undefined;
  emitSeen(w, s, m);
  w.line(`const from = ${p.values} + ${panelOf(s, p.ring)}, end = (until + 7) & ~7;`);
  const rest = ring ? `, ${p.values} + ring_bytes, ring_bytes` : "";
  w.block(`for (let i = r; i < r + ${m}; i++)`, () => {
    w.line(`const p = scores + <usize>i * ${KB * 4}, of_row = <usize>i * ${groups.length};`);
    w.line(
      "if (panels > 0 && (end & 15) != 0) { v128.store(p + (end << 2), ZERO); v128.store(p + (end << 2), " +
        "ZERO, 16); }",
    );
    w.line(
      `${weightsFunction(w, D, KB, ring)}(p + (seen << 2), from, weights + of_row * ${KB * 4}, largest + ` +
        `(of_row << 2), weight_scales + (of_row << 2), panels${rest});`,
    );
  });
  const heads = m === 1 ? 1 : MIX_TILES;
  const columns = m === 1 ? MIX_TILES : 1;
  for (const from of count(m / heads).map((i) => i * heads))
    for (let n = 0; n < groups.length; n += columns) {
      const mix = mixFunction(w, D, heads, n, Math.min(columns, groups.length - n), KB, DP * 4, ring);
      const row = `(<usize>r + ${from})`;
      w.line(
        `${mix}(from, weights + ${row} * ${groups.length * KB * 4}, weight_scales + ${row} * ` +
          `${groups.length * 4}, to + ${row} * ${DP * 4}, panels${rest});`,
      );
    }
}

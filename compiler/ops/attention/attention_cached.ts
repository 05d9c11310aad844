/**
 * Attention of a few new rows over everything before them: the keys and values of earlier positions wait in a
 * cache. Decoding has one new row, and is bound by reading the cache; a chunk of a prompt has many, and is
 * bound by arithmetic. Both sum in the same blocks of positions (kit/key-blocks.ts), to the same bits.
 *
 *   position of row r   p = start + r − first, in the span that has it (runtime/contract/entries.ts)
 *   out[r,:]            Σ_{n ≤ p} softmax_n(q[r,:]·K[n,:] / √D) V[n,:]  over the span's lane of the caches
 *
 * The caches are stored as the products read them, in panels of sixteen floats (kit/cache-layout.ts), so that
 * nothing has to be packed. Sixteen positions of all heads stand together, so that a worker with several
 * heads reads long stretches of memory; one head after the other would be short stretches all over the cache.
 *
 * A task is one or several key/value heads of a span, which also write their own rows into the cache: no
 * barrier is needed between writing and reading. A span of one row has its heads side by side, as decoding
 * has them, one of many rows its register tiles. 5-fuse/split.ts gives a run of a single row over a long
 * cache to attention_split instead.
 */
import { tensorBytes } from "../../../runtime/contract/tensor-layout.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { PANEL } from "../kit/panels.ts";
import { defineOp, type Kernel } from "../kit/op.ts";
import type { Dims } from "../kit/signature.ts";
import type { Writer } from "../kit/writer.ts";
import { cachedTileChoices } from "./kit/attention-tiles.ts";
import { attendedArea, emitMerge, emitMergeEnd, finishFunction, mergeAreas } from "./kit/block-merge.ts";
import { cacheShapes } from "./kit/cache-layout.ts";
import {
  attendRows,
  cachedFlops,
  cachedPositions,
  cachePlaces,
  cachedTasks,
  eachSpan,
  emitCachedStart,
  emitRest,
  sampleCached,
  spansOf,
  storeRows,
} from "./kit/cached-kernel.ts";
import { cacheStrides, emitNewKey, emitOneRow, rowAreas, rowBlocks, rowSizes } from "./kit/decode-f32.ts";
import { eachBlock, isFirstBlock, mostBlocks } from "./kit/key-blocks.ts";
import { areas, attentionAttrs, type AttentionAttrs, type Sizes } from "./kit/kernel-sizes.ts";
import { emitChunkF32, prefillAreas, prefillBlocks, prefillSizes } from "./kit/prefill-f32.ts";

type Given = Pick<Kernel<string, AttentionAttrs>, "attrs" | "tiles">;

const cachedSizes = (d: Dims, { attrs, tiles }: Given): Sizes =>
  d["R"] === 1 ? rowSizes(d, attrs, tiles) : prefillSizes(d, attrs, tiles);
/** For spans of a single row: their tile has the heads of a group, where these are few. */
const rowSizesOf = (d: Dims, { attrs, tiles }: Given): Sizes =>
  rowSizes(d, attrs, { ...tiles, MR: Math.min(tiles["MR"]!, attrs.heads / attrs.kv_heads) });

/** Room for a single row and for many, whichever a span has. */
function areasOf(d: Dims, given: Given) {
  const row = rowSizesOf(d, given);
  const single: Readonly<Record<string, number>> = {
    ...rowAreas(row),
    attended: row.QB * row.DP * 4,
    ...mergeAreas(row.QB, row.DP),
  };
  if (d["R"] === 1) return areas(single);
  const many: Readonly<Record<string, number>> = prefillAreas(cachedSizes(d, given));
  const names = Object.keys({ ...single, ...many });
  return areas(Object.fromEntries(names.map((name) => [name, Math.max(single[name] ?? 0, many[name] ?? 0)])));
}

export const attention_cached = defineOp(
  "qkv[R,Q] keys[A,N,G,D,L] values[A,N,G,E,L] spans[S,4]:i32 span_count[1]?:i32 window[1,1]?:i32 ring[1,1]?:i32 -> out[R,O] keys_out[A,N,G,D,L] values_out[A,N,G,E,L]",
  {
    doc:
      "out = softmax(Q Kᵀ / √D) V of each span over the positions before it in its lane, after this run's " +
      "keys and values went there",
    attrs: attentionAttrs,
    /** At the end of the context, where it costs most. */
    flops: (d, a) => cachedFlops(cachedPositions(d, a), d.R, a),
    mutates: { keys_out: "keys", values_out: "values" },
    reference({ qkv, spans, window, ring, out, keys_out, values_out }, d, a) {
      const { Q, O, G, N, D, E, L } = d;
      const H = a.heads;
      const kept = ring ? ring[0]! : N * L; // rows
      const places = cachePlaces(d, kept);
      for (const { lane, start, row, rows } of spansOf(spans, cachedPositions(d, a))) {
        const keys = keys_out.subarray(lane * kept * G * D);
        const values = values_out.subarray(lane * kept * G * E);
        const queries = qkv.subarray(row * Q);
        storeRows({ qkv: queries, keys, values, start, rows }, d, H, places);
        attendRows(
          { qkv: queries, out: out.subarray(row * O), window, Q, O, G, D, H, start, rows },
          a,
          (g, n, c) => keys[places.key(g, n, c)]!,
          (g, n, c) => values[places.value(g, n, c)]!,
        );
      }
    },
    tileChoices: cachedTileChoices,
    tiles: (d, a, target) =>
      d.R === 1
        ? rowBlocks(target, a, cachedPositions(d, a))
        : prefillBlocks(target, d.R, a, cachedPositions(d, a)),
    tasks: ({ R }, { attrs }) => cachedTasks(R, attrs),
    scratch: (d, k) => areasOf(d, k).total,
    emit(w, at, d, k) {
      const s = cachedSizes(d, k);
      const row = rowSizesOf(d, k);
      const { keyPanel, valuePanel } = cacheStrides(s);
      const ring = emitCachedStart(w, s, at, d, k, areasOf(d, k));
      eachSpan(w, s, at, d, k, { keys: keyPanel, values: valuePanel }, (span) => {
        w.block(`for (let g = from_head; g < to_head; g++)`, () => {
          w.block(`for (let r = 0; r < real; r++)`, () => {
            w.line(`const n = ${ring ? `(start + r) % ${ring}` : "start + r"};`);
            w.line(`const row = ${span.qkv} + <usize>r * ${s.qkvRow};`);
            emitNewKey(w, s, "row", span.keys, span.values);
          });
          emitRest(w, s, span.out, d);
        });
        if (d.R === 1) return emitHeadsOfRow(w, row, k.target, span, ring);
        w.block("if (real == 1)", () => emitHeadsOfRow(w, row, k.target, span, ring));
        w.block("else", () =>
          w.block("for (let g = from_head; g < to_head; g++)", () =>
            emitChunkF32(w, s, k.target, { ...span, ring }),
          ),
        );
      });
    },
    cacheQuantised: {
      by: "attention_cached_q8",
      caches: ["keys", "values"],
      shape: ([lanes, panels], { kv_heads, head_dim }, format) =>
        cacheShapes(lanes!, panels! * PANEL, kv_heads, head_dim, format).keys,
    },
    split: {
      parts: "attention_split",
      merge: "attention_merge",
      isWorthIt: ({ R, N, G, D, L }, leastBytes) => R === 1 && tensorBytes([N, G, D, L]) >= leastBytes,
      between(d, a) {
        // a layer's own window may be none
        const blocks = mostBlocks(cachedPositions(d, a), a.dense_share > 0 ? 0 : a.window);
        return {
          attended: [blocks, a.heads, d.E],
          top: [blocks, a.heads],
          sums: [blocks, a.heads],
        };
      },
    },
    sample: (tensor, d, noise, i, attrs) => sampleCached(tensor, i, d, cachedPositions(d, attrs)) ?? noise(),
    cases: [
      {
        d: { R: 1, Q: 32, O: 16, A: 1, S: 1, N: 4, G: 1, D: 8, E: 16, L: 16 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9 },
        with: ["window"],
      },
      {
        d: { R: 7, Q: 32, O: 16, A: 1, S: 1, N: 4, G: 1, D: 8, E: 16, L: 16 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9 },
      },
      {
        d: { R: 1, Q: 32, O: 16, A: 1, S: 1, N: 2, G: 1, D: 8, E: 16, L: 16 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9, context: 70 },
      },
      {
        d: { R: 8, Q: 32, O: 16, A: 1, S: 1, N: 4, G: 1, D: 8, E: 16, L: 16 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 23, context: 90 },
        with: ["window", "ring"],
      },
      {
        d: { R: 9, Q: 32, O: 16, A: 4, S: 3, N: 4, G: 1, D: 8, E: 16, L: 16 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 23, context: 90 },
        with: ["window", "ring"],
      },
      {
        d: { R: 17, Q: 72, O: 36, A: 3, S: 2, N: 3, G: 2, D: 9, E: 16, L: 16 },
        attrs: { heads: 4, kv_heads: 2, head_dim: 9 },
      },
      {
        d: { R: 1, Q: 2304, O: 768, A: 1, S: 1, N: 64, G: 12, D: 64, E: 64, L: 16 },
        attrs: { heads: 12, kv_heads: 12, head_dim: 64 },
      },
      {
        d: { R: 128, Q: 2304, O: 768, A: 1, S: 1, N: 64, G: 12, D: 64, E: 64, L: 16 },
        attrs: { heads: 12, kv_heads: 12, head_dim: 64 },
      },
      {
        d: { R: 1, Q: 384, O: 128, A: 1, S: 1, N: 4, G: 4, D: 32, E: 32, L: 16 },
        attrs: { heads: 4, kv_heads: 4, head_dim: 32 },
      },
    ],
  },
);

/** The row's heads `from_head` … `to_head` − 1, block by block. */
function emitHeadsOfRow(
  w: Writer,
  s: Sizes,
  target: Target,
  at: Readonly<Record<"qkv" | "keys" | "values" | "out", string>>,
  ring: string | undefined,
): void {
  const { D, DP, group } = s;
  w.line(`const heads = (to_head - from_head) * ${group};`);
  eachBlock(w, s.windowed ? "max(start + 1 - WINDOW, 0)" : "0", "start", () => {
    w.line(`const to = ${attendedArea(isFirstBlock)};`);
    emitOneRow(w, s, target, {
      query: at.qkv,
      keys: at.keys,
      values: at.values,
      attended: "to",
      fromHead: "from_head",
      toHead: "to_head",
      ring,
    });
    emitMerge(w, {
      isFirst: isFirstBlock,
      rows: "heads",
      top: "shift",
      sum: "sum",
      attended: "attended",
      DP,
    });
  });
  emitMergeEnd(w, "heads");
  w.line(
    `${finishFunction(w, D, DP)}(merged, ${at.out} + <usize>from_head * ${group * D * 4}, heads, fade);`,
  );
}

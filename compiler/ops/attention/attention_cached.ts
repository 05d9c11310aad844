/**
 * Attention of a few new rows over everything before them: the keys and values of earlier positions wait in a
 * cache. Decoding has one new row, and is bound by reading the cache; a chunk of a prompt has many, and is
 * bound by arithmetic, in the same blocks as `attention`.
 *
 *   position of row r   p = start + r − first, in the span that has it (runtime/contract/entries.ts)
 *   out[r,:]            Σ_{n ≤ p} softmax_n(q[r,:]·K[n,:] / √D) V[n,:]  over the span's lane of the caches
 *
 * The caches are stored as the products read them, in panels of sixteen floats (kit/cache-layout.ts), so that
 * nothing has to be packed. Sixteen positions of all heads stand together, so that a worker with several
 * heads reads long stretches of memory; one head after the other would be short stretches all over the cache.
 *
 * A task is one key/value head, which also writes its own rows into the cache: no barrier is needed between
 * writing and reading. 5-fuse/split.ts gives a single row over a long cache to attention_split instead.
 */
import { tensorBytes } from "../../../runtime/contract/tensor-layout.ts";
import { cacheShapes } from "./kit/cache-layout.ts";
import { defineOp, type Kernel } from "../kit/op.ts";
import type { Dims } from "../kit/signature.ts";
import {
  cachedFlops,
  cachedPositions,
  cachePlaces,
  eachSpan,
  emitCachedStart,
  emitHeads,
  emitRest,
  attendRows,
  sampleCached,
  spansOf,
  storeRows,
} from "./kit/cached-kernel.ts";
import { copyRowsFunction } from "../kit/copy-rows.ts";
import { cacheStrides, emitNewKey, emitOneRow, rowAreas, rowBlocks, rowSizes } from "./kit/decode-f32.ts";
import { queryAreas } from "./kit/query-blocks.ts";
import {
  areas,
  attentionAttrs,
  blocks,
  sizesOf,
  type AttentionAttrs,
  type Sizes,
} from "./kit/kernel-sizes.ts";
import { PANEL, PANEL_BYTES } from "../kit/panels.ts";
import { attentionTileChoices } from "./kit/attention-tiles.ts";
import { emitEnds } from "./kit/softmax.ts";

/** As in `attention`. */
const QUERIES = 48;
const KEYS = 384;

const cachedSizes = (
  d: Dims,
  { attrs, tiles }: Pick<Kernel<string, AttentionAttrs>, "attrs" | "tiles">,
): Sizes => (d["R"] === 1 ? rowSizes(d, attrs, tiles) : sizesOf(d, attrs, tiles, d["R"]!));
const areasOf = (d: Dims, s: Sizes) =>
  d["R"] === 1 ? { ...rowAreas(s), attended: s.QB * s.DP * 4 } : queryAreas(s);

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
    tileChoices: attentionTileChoices(({ R, N, L }, { heads }: AttentionAttrs) => ({
      rows: R === 1 ? heads : R,
      positions: N * L,
      causal: R > 1,
      oneRow: R === 1,
    })),
    tiles: ({ R, N, L }, a, target) =>
      R === 1 ? rowBlocks(target, a, N * L) : blocks(target, R, N * L, QUERIES, KEYS),
    tasks: (_d, { attrs }) => attrs.kv_heads,
    scratch: (d, k) => areas(areasOf(d, cachedSizes(d, k))).total,
    emit(w, at, d, k) {
      const { R } = d;
      const oneRow = R === 1;
      const s = cachedSizes(d, k);
      const { D, DP, group } = s;
      const { keyHead, keyPanel, valueHead, valuePanel } = cacheStrides(s);
      const ring = emitCachedStart(w, s, at, d, k, areas(areasOf(d, s)));
      eachSpan(w, s, at, d, k, { keys: keyPanel, values: valuePanel }, (span) => {
        w.block(`for (let g = first; g < last; g++)`, () => {
          w.block(`for (let r = 0; r < real; r++)`, () => {
            w.line(`const n = ${ring ? `(start + r) % ${ring}` : "start + r"};`);
            w.line(`const row = ${span.qkv} + <usize>r * ${s.qkvRow};`);
            emitNewKey(w, s, "row", span.keys, span.values);
          });
          if (!oneRow) {
            w.line(
              `const across = ${span.keys} + <usize>g * ${keyHead}, panels = ${span.values} + <usize>g * ` +
                `${valueHead}; // of the head`,
            );
            emitHeads(w, s, span, d, k, {
              across: "across",
              acrossPanel: keyPanel,
              panels: "panels",
              panelBytes: { columns: PANEL * PANEL_BYTES, rows: valuePanel },
              ring,
            });
          }
          emitRest(w, s, span.out, d);
        });
        if (!oneRow) return;
        emitOneRow(w, s, k.target, {
          query: span.qkv,
          keys: span.keys,
          values: span.values,
          attended: "attended",
          fromHead: "first",
          toHead: "last",
          fromKey: s.windowed ? `max(start + 1 - WINDOW, 0) & ~${PANEL - 1}` : "0",
          toKey: "known",
          ring,
        });
        emitEnds(w, "rows", false);
        w.line(
          `${copyRowsFunction(w, D, DP * 4, D * 4, true)}(attended, ${span.out} + <usize>first * ` +
            `${group * D * 4}, rows, alpha);`,
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
      between: ({ E }, { heads }, parts) => ({
        attended: [parts, heads, E],
        top: [parts, heads],
        sums: [parts, heads],
      }),
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

/**
 * Attention of a few new rows over everything before them: the keys and values of earlier positions wait in a
 * cache. Decoding has one new row, and is bound by reading the cache; a chunk of a prompt has many, and is
 * bound by arithmetic, in the same blocks as `attention`.
 *
 *   position of row r   start + r,  for r < rows
 *   out[r,:]            Σ_{n ≤ start + r} softmax_n(q[r,:]·K[n,:] / √D) V[n,:];  zero for r ≥ rows
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
  emitCachedStart,
  emitHeads,
  emitQueryCount,
  emitRest,
  attendRows,
  sampleCached,
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
  "qkv[R,Q] keys[N,G,D,L] values[N,G,E,L] place[P]:i32 window[Z,Z]?:i32 ring[Z,Z]?:i32 -> out[R,O] keys_out[N,G,D,L] values_out[N,G,E,L]",
  {
    doc:
      "out = softmax(Q Kᵀ / √D) V over positions 0 … start + r of the cache, after this chunk's keys and " +
      "values went there;  place = [start, rows]",
    attrs: attentionAttrs,
    /** At the end of the context, where it costs most. */
    flops: (d, a) => cachedFlops(cachedPositions(d, a), d.R, a),
    mutates: { keys_out: "keys", values_out: "values" },
    reference({ qkv, place, window, ring, out, keys_out, values_out }, d, a) {
      const { R, Q, O, G, N, D, L } = d;
      const H = a.heads;
      const start = place[0]!;
      const rows = Math.min(place[1]!, R, cachedPositions(d, a) - start);
      const places = cachePlaces(d, ring ? ring[0]! : N * L);
      out.fill(0);
      storeRows({ qkv, keys: keys_out, values: values_out, start, rows }, d, H, places);
      attendRows(
        { qkv, out, window, Q, O, G, D, H, start, rows },
        a,
        (g, n, c) => keys_out[places.key(g, n, c)]!,
        (g, n, c) => values_out[places.value(g, n, c)]!,
      );
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
      const ring = emitCachedStart(w, s, at, d, k, areas(areasOf(d, s)), R);
      w.block(`for (let g = first; g < last; g++)`, () => {
        w.block(`for (let r = 0; r < real; r++)`, () => {
          w.line(`const n = ${ring ? `(start + r) % ${ring}` : "start + r"};`);
          w.line(`const row = ${at.qkv} + <usize>r * ${s.qkvRow};`);
          emitNewKey(w, s, "row", at.keys, at.values);
        });
        if (!oneRow) {
          emitQueryCount(w, s, d);
          w.line(
            `const across = ${at.keys} + <usize>g * ${keyHead}, panels = ${at.values} + <usize>g * ` +
              `${valueHead}; // of the head`,
          );
          emitHeads(w, s, at, d, k, {
            across: "across",
            acrossPanel: keyPanel,
            panels: "panels",
            panelBytes: { columns: PANEL * PANEL_BYTES, rows: valuePanel },
            ring,
          });
        }
        emitRest(w, s, at.out, d);
      });
      if (oneRow)
        w.block(`if (real > 0)`, () => {
          const firstKey = s.windowed ? `max(start + 1 - WINDOW, 0) & ~${PANEL - 1}` : "0";
          emitOneRow(w, s, k.target, {
            query: at.qkv,
            keys: at.keys,
            values: at.values,
            attended: "attended",
            fromHead: "first",
            toHead: "last",
            fromKey: firstKey,
            toKey: "known",
            ring,
          });
          emitEnds(w, "rows", false);
          w.line(
            `${copyRowsFunction(w, D, DP * 4, D * 4, true)}(attended, ${at.out} + <usize>first * ` +
              `${group * D * 4}, rows, alpha);`,
          );
        });
    },
    cacheQuantised: {
      by: "attention_cached_q8",
      caches: ["keys", "values"],
      shape: ([panels], { kv_heads, head_dim }, format) =>
        cacheShapes(panels! * PANEL, kv_heads, head_dim, format).keys,
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
    sample: (tensor, d, noise, _i, attrs) => sampleCached(tensor, d.R, d, attrs) ?? noise(),
    cases: [
      {
        d: { R: 1, Q: 32, O: 16, G: 1, N: 4, D: 8, E: 16, L: 16, P: 2, Z: 1 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9 },
        with: ["window"],
      },
      {
        d: { R: 7, Q: 32, O: 16, G: 1, N: 4, D: 8, E: 16, L: 16, P: 2, Z: 1 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9 },
      },
      {
        d: { R: 1, Q: 32, O: 16, G: 1, N: 2, D: 8, E: 16, L: 16, P: 2, Z: 1 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9, context: 70 },
      },
      {
        d: { R: 8, Q: 32, O: 16, G: 1, N: 4, D: 8, E: 16, L: 16, P: 2, Z: 1 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 23, context: 90 },
        with: ["window", "ring"],
      },
      {
        d: { R: 1, Q: 2304, O: 768, G: 12, N: 64, D: 64, E: 64, L: 16, P: 2, Z: 1 },
        attrs: { heads: 12, kv_heads: 12, head_dim: 64 },
      },
      {
        d: { R: 128, Q: 2304, O: 768, G: 12, N: 64, D: 64, E: 64, L: 16, P: 2, Z: 1 },
        attrs: { heads: 12, kv_heads: 12, head_dim: 64 },
      },
      {
        d: { R: 1, Q: 384, O: 128, G: 4, N: 4, D: 32, E: 32, L: 16, P: 2, Z: 1 },
        attrs: { heads: 4, kv_heads: 4, head_dim: 32 },
      },
    ],
  },
);

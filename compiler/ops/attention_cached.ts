/**
 * Attention of a few new rows over everything before them: the keys and values of earlier positions wait in a cache.
 * Decoding is one row (bound by reading the cache), a prefill chunk is many (bound by arithmetic, the blocks of `attention`).
 *
 *   position of row r = start + r,  r < rows     out[r,:] = Σ_{n ≤ start + r} softmax_n(q[r,:]·K[n,:] / √D) V[n,:]     out[r,:] = 0 for r ≥ rows
 *
 * The caches are stored as the products read them, in panels of L = 16 floats, so that nothing is packed; 16 positions of all heads stand
 * together, so that a worker with several heads reads long stretches of memory (one head after the other would be short ones all over it):
 *
 *   keys   [N, G, D, L]   N = ⌈context/16⌉: element (g, n, c) at [⌊n/16⌋, g, c, n mod 16]
 *   values [N, G, E, L]   E = 16 ⌈D/16⌉:    element (g, n, c) at [⌊n/16⌋, g, 16 ⌊c/16⌋ + n mod 16, c mod 16], zero for c ≥ D
 *
 * A task is one key/value head, which also writes its own rows into the cache: no barrier is needed between writing and reading. A single row over
 * a long cache is attention_split's.
 */
import { defineOp, type Dims, type Kernel } from "../op.ts";
import { copyRowsFunction, emitZeroPadding, zeroFloats } from "./attention/copy.ts";
import { cacheStrides, emitNewKey, emitOneRow, rowAreas, rowBlocks, rowSizes } from "./attention/one-row.ts";
import { emitQueries, queryAreas } from "./attention/queries.ts";
import { fillMask } from "./attention/rows.ts";
import { areas, attentionAttrs, blocks, ceilTo, firstSeen, PANEL, PANEL_BYTES, sizesOf, windowLocal, type Sizes } from "./attention/sizes.ts";
import { emitEnds } from "./attention/softmax.ts";

/** As in `attention`. */
const QUERIES = 48, KEYS = 384;

/** Shapes of the two caches of a model. */
export const cacheShapes = (positions: number, kvHeads: number, headDim: number): { readonly keys: readonly number[]; readonly values: readonly number[] } => ({
  keys: [Math.ceil(positions / PANEL), kvHeads, headDim, PANEL],
  values: [Math.ceil(positions / PANEL), kvHeads, ceilTo(headDim, PANEL), PANEL],
});

const cachedSizes = (d: Dims, { attrs, tiles }: Pick<Kernel, "attrs" | "tiles">): Sizes => (d["R"] === 1 ? rowSizes(d, attrs, tiles) : sizesOf(d, attrs, tiles, d["R"]!));
const areasOf = (d: Dims, s: Sizes) => (d["R"] === 1 ? { ...rowAreas(s), mixed: s.QB * s.DP * 4 } : queryAreas(s));

export const attention_cached = defineOp("qkv[R,Q] keys[N,G,D,L] values[N,G,E,L] place[P]:i32 window[Z,Z]?:i32 -> out[R,O] keys_out[N,G,D,L] values_out[N,G,E,L]", {
  doc: "out = softmax(Q Kᵀ / √D) V over positions 0 … start + r of the cache, after this chunk's keys and values went there;  place = [start, rows]",
  kind: "row",
  attrs: attentionAttrs,
  /** At the end of the context, where it costs most. */
  flops({ R, N, L }, a) {
    const { heads, head_dim, window, dense_share } = a as typeof attentionAttrs, X = N * L, dense = X - (R - 1) / 2;
    return 4 * heads * head_dim * R * (window === 0 ? dense : dense_share * dense + (1 - dense_share) * Math.min(dense, window));
  },
  mutates: { keys_out: "keys", values_out: "values" },
  reference({ qkv, place, window, out, keys_out, values_out }, { R, Q, O, G, N, D, E, L }, a) {
    const H = a["heads"] as number, X = N * L, start = place[0]!, rows = Math.min(place[1]!, R, X - start);
    const keyAt = (g: number, n: number, c: number) => ((Math.floor(n / L) * G + g) * D + c) * L + (n % L);
    const valueAt = (g: number, n: number, c: number) => ((Math.floor(n / L) * G + g) * E + (c - (c % L)) + (n % L)) * L + (c % L);
    out.fill(0);
    for (let g = 0; g < G; g++)
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < D; c++) keys_out[keyAt(g, start + r, c)] = qkv[r * Q + (H + g) * D + c]!;
        for (let c = 0; c < E; c++) values_out[valueAt(g, start + r, c)] = c < D ? qkv[r * Q + (H + G + g) * D + c]! : 0;
      }
    for (let h = 0; h < H; h++)
      for (let r = 0; r < rows; r++) {
        const g = Math.floor((h * G) / H);
        const seen = firstSeen(start + r, a, window);
        const scores = Array.from({ length: start + r + 1 - seen }, (_, n) => {
          let sum = 0;
          for (let c = 0; c < D; c++) sum += qkv[r * Q + h * D + c]! * keys_out[keyAt(g, seen + n, c)]!;
          return sum / Math.sqrt(D);
        });
        const top = Math.max(...scores), weights = scores.map((s) => Math.exp(s - top)), total = weights.reduce((x, y) => x + y, 0);
        for (let c = 0; c < D; c++) {
          let mixed = 0;
          for (let n = 0; n < weights.length; n++) mixed += (weights[n]! / total) * values_out[valueAt(g, seen + n, c)]!;
          out[r * O + h * D + c] = mixed;
        }
      }
  },
  tiles: ({ R, N, L }, a, target) => (R === 1 ? rowBlocks(target, a) : blocks(target, R, N * L, QUERIES, KEYS)),
  tasks: (_d, { attrs }) => attrs["kv_heads"] as number,
  scratch: (d, k) => areas(areasOf(d, cachedSizes(d, k))).total,
  emit(w, at, d, k) {
    const { R, N } = d, oneRow = R === 1, s = cachedSizes(d, k), { D, DP, G, group } = s, X = N * PANEL, { keyHead, keyPanel, valueHead, valuePanel } = cacheStrides(s);
    for (const [name, offset] of areas(areasOf(d, s)).offsets) w.line(`const ${name} = scratch + ${offset};`);
    w.line(`const SCALE: f32 = ${s.scale};`);
    if (s.windowed) w.line(windowLocal(k.attrs, k.has("window") ? at.window : undefined));
    w.line(`const start = max(0, min(load<i32>(${at.place}), ${X})), real = max(0, min(min(load<i32>(${at.place}, 4), ${R}), ${X} - start)); // rows`);
    w.line(`const known = start + real; // keys`);
    fillMask(w, "mask");
    w.block(`for (let g = first; g < last; g++)`, () => {
      w.block(`for (let r = 0, n = start; r < real; r++, n++)`, () => {
        w.line(`const row = ${at.qkv} + <usize>r * ${s.qkvRow};`);
        emitNewKey(w, s, "row", at.keys, at.values);
      });
      if (!oneRow) {
        w.line(`const count = min((real + ${s.MR - 1}) / ${s.MR} * ${s.MR}, ${R}); // queries, in whole tiles`);
        w.line(`const across = ${at.keys} + <usize>g * ${keyHead}, panels = ${at.values} + <usize>g * ${valueHead}; // of the head`);
        w.block(`for (let h = g * ${group}; h < (g + 1) * ${group}; h++)`, () => {
          const head = `<usize>h * ${D * 4}`;
          emitQueries(w, s, k.target, X, {
            query: `${at.qkv} + ${head}`, queryRow: s.qkvRow, out: `${at.out} + ${head}`, outRow: s.outRow, count: "count", most: R, start: "start", keys: "known",
            across: "across", acrossPanel: keyPanel, panels: "panels", panelBytes: { columns: PANEL * PANEL_BYTES, rows: valuePanel },
          });
        });
      }
      w.line(`for (let r = real; r < ${R}; r++) ${zeroFloats(w)}(${at.out} + <usize>r * ${s.outRow} + <usize>g * ${group * D * 4}, ${group * D});`);
      if (s.outRow > d.O * 4) w.block(`if (g == ${G - 1})`, () => emitZeroPadding(w, at.out, d.O, s.outRow, `${R}`));
    });
    if (oneRow) w.block(`if (real > 0)`, () => {
      const firstKey = s.windowed ? `max(start + 1 - WINDOW, 0) & ~${PANEL - 1}` : "0";
      emitOneRow(w, s, k.target, { query: at.qkv, keys: at.keys, values: at.values, mixed: "mixed", fromHead: "first", toHead: "last", fromKey: firstKey, toKey: "known" });
      emitEnds(w, "rows", false);
      w.line(`${copyRowsFunction(w, D, DP * 4, D * 4, true)}(mixed, ${at.out} + <usize>first * ${group * D * 4}, rows, alpha);`);
    });
  },
  sample: (tensor, { R, N, L }, noise) => (tensor === "place" ? N * L - R : tensor === "window" ? 23 : noise()), // start = X − R, and no more than R rows fit
  cases: [
    { d: { R: 1, Q: 32, O: 16, G: 1, N: 4, D: 8, E: 16, L: 16, P: 2, Z: 1 }, attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9 }, with: ["window"] },
    { d: { R: 7, Q: 32, O: 16, G: 1, N: 4, D: 8, E: 16, L: 16, P: 2, Z: 1 }, attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9 } },
    { d: { R: 1, Q: 2304, O: 768, G: 12, N: 64, D: 64, E: 64, L: 16, P: 2, Z: 1 }, attrs: { heads: 12, kv_heads: 12, head_dim: 64 } },
    { d: { R: 128, Q: 2304, O: 768, G: 12, N: 64, D: 64, E: 64, L: 16, P: 2, Z: 1 }, attrs: { heads: 12, kv_heads: 12, head_dim: 64 } },
    { d: { R: 1, Q: 384, O: 128, G: 4, N: 4, D: 32, E: 32, L: 16, P: 2, Z: 1 }, attrs: { heads: 4, kv_heads: 4, head_dim: 32 } },
  ],
});

/**
 * Attention of a few new rows over everything before them: the keys and values of earlier positions wait in a cache.
 * Decoding is one row (bound by reading the cache), a prefill chunk is many (bound by arithmetic, the blocks of `attention`).
 *
 *   position of row r = start + r,  r < rows     out[r,:] = Σ_{n ≤ start + r} softmax_n(q[r,:]·K[n,:] / √D) V[n,:]     out[r,:] = 0 for r ≥ rows
 *
 * The caches are stored as the products read them, in panels of L = 16 floats, so that nothing is packed and memory is read in order:
 *
 *   keys   [G, N, D, L]   N = ⌈X/16⌉: element (g, n, c) at [g, ⌊n/16⌋, c, n mod 16]
 *   values [G, M, X, L]   M = ⌈D/16⌉: element (g, n, c) at [g, ⌊c/16⌋, n, c mod 16], zero for c ≥ D
 *
 * A task is one key/value head, which also writes its own rows into the cache: no barrier is needed between writing and reading.
 */
import { defineOp, type Attrs, type Dims } from "../op.ts";
import { emitZeroPadding, zeroFloats } from "./attention/copy.ts";
import { emitQueries, queryAreas } from "./attention/queries.ts";
import { fillMask } from "./attention/rows.ts";
import { areas, attentionAttrs, blocks, ceilTo, firstSeen, PANEL, PANEL_BYTES, sizesOf, windowLocal, type Sizes } from "./attention/sizes.ts";

/** As in `attention`; a single row can afford more keys between two rescalings. */
const QUERIES = 48, KEYS = 384, KEYS_DECODE = 512;

/** Shapes of the two caches of a model. */
export const cacheShapes = (positions: number, kvHeads: number, headDim: number): { readonly keys: readonly number[]; readonly values: readonly number[] } => ({
  keys: [kvHeads, Math.ceil(positions / PANEL), headDim, PANEL],
  values: [kvHeads, Math.ceil(headDim / PANEL), positions, PANEL],
});

/** A single row: the query heads that share a key/value head are the rows of the products, and all of them see every key. */
const kernelSizes = (d: Dims, attrs: Attrs, tiles: Dims): Sizes => ({ ...sizesOf(d, attrs, tiles, d["R"]!), causal: d["R"]! > 1 });

export const attention_cached = defineOp("qkv[R,Q] keys[G,N,D,L] values[G,M,X,L] place[P]:i32 window[Z,Z]?:i32 -> out[R,O] keys_out[G,N,D,L] values_out[G,M,X,L]", {
  doc: "out = softmax(Q Kᵀ / √D) V over positions 0 … start + r of the cache, after this chunk's keys and values went there;  place = [start, rows]",
  kind: "row",
  attrs: attentionAttrs,
  /** At the end of the context, where it costs most. */
  flops({ R, X }, a) {
    const { heads, head_dim, window, dense_share } = a as typeof attentionAttrs, dense = X - (R - 1) / 2;
    return 4 * heads * head_dim * R * (window === 0 ? dense : dense_share * dense + (1 - dense_share) * Math.min(dense, window));
  },
  mutates: { keys_out: "keys", values_out: "values" },
  reference({ qkv, place, window, out, keys_out, values_out }, { R, Q, O, G, N, D, M, X, L }, a) {
    const H = a["heads"] as number, start = place[0]!, rows = Math.min(place[1]!, R, X - start);
    const keyAt = (g: number, n: number, c: number) => ((g * N + Math.floor(n / L)) * D + c) * L + (n % L);
    const valueAt = (g: number, n: number, c: number) => ((g * M + Math.floor(c / L)) * X + n) * L + (c % L);
    out.fill(0);
    for (let g = 0; g < G; g++)
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < D; c++) keys_out[keyAt(g, start + r, c)] = qkv[r * Q + (H + g) * D + c]!;
        for (let c = 0; c < M * L; c++) values_out[valueAt(g, start + r, c)] = c < D ? qkv[r * Q + (H + G + g) * D + c]! : 0;
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
  tiles: ({ R, X }, a, target) => blocks(target, R === 1 ? (a["heads"] as number) / (a["kv_heads"] as number) : R, X, QUERIES, R === 1 ? KEYS_DECODE : KEYS),
  tasks: (_d, { attrs }) => attrs["kv_heads"] as number,
  scratch: (d, k) => areas(queryAreas(kernelSizes(d, k.attrs, k.tiles))).total,
  emit(w, at, d, k) {
    const s = kernelSizes(d, k.attrs, k.tiles), { R, X, N, M } = d, { D, G, H, group } = s;
    for (const [name, offset] of areas(queryAreas(s)).offsets) w.line(`const ${name} = scratch + ${offset};`);
    w.line(`const SCALE: f32 = ${s.scale};`);
    if (s.windowed) w.line(windowLocal(k.attrs, k.has("window") ? at.window : undefined));
    w.line(`const start = max(0, min(load<i32>(${at.place}), ${X})), real = max(0, min(min(load<i32>(${at.place}, 4), ${R}), ${X} - start)); // rows`);
    fillMask(w, "mask");
    w.block(`for (let g = first; g < last; g++)`, () => {
      w.line(`const across = ${at.keys} + <usize>g * ${N * D * PANEL_BYTES}; // keys[N,D,16] of the head`);
      w.line(`const panels = ${at.values} + <usize>g * ${M * X * PANEL_BYTES}; // values[M,X,16]`);
      w.block(`for (let r = 0; r < real; r++)`, () => {
        w.line(`const n = start + r, x = ${at.qkv} + <usize>r * ${s.qkvRow};`);
        w.line(`const key = x + <usize>(${H} + g) * ${D * 4}, value = x + <usize>(${H + G} + g) * ${D * 4};`);
        w.line(`const key_to = across + <usize>(n >> 4) * ${D * PANEL_BYTES} + ((n & 15) << 2), value_to = panels + <usize>n * ${PANEL_BYTES};`);
        w.line(`for (let c: usize = 0; c < ${D}; c++) store<f32>(key_to + c * ${PANEL_BYTES}, load<f32>(key + (c << 2)));`);
        w.line(`for (let c: usize = 0; c < ${ceilTo(D, PANEL)}; c++) store<f32>(value_to + (c >> 4) * ${X * PANEL_BYTES} + ((c & 15) << 2), ${D % PANEL === 0 ? "" : `c >= ${D} ? 0 : `}load<f32>(value + (c << 2)));`);
      });
      const cache = { keys: "known", across: "across", panels: "panels", panelRows: X };
      w.line(`const known = start + real; // keys`);
      if (R === 1) {
        const head = `<usize>g * ${group * D * 4}`;
        const onlyRow = { ...cache, query: `${at.qkv} + ${head}`, queryRow: D * 4, out: `${at.out} + ${head}`, outRow: D * 4, count: `${group}`, most: group, start: "start" };
        w.block(`if (real > 0)`, () => emitQueries(w, s, k.target, X, onlyRow));
      } else {
        w.line(`const count = min((real + ${s.MR - 1}) / ${s.MR} * ${s.MR}, ${R}); // queries, in whole tiles`);
        w.block(`for (let h = g * ${group}; h < (g + 1) * ${group}; h++)`, () => {
          const head = `<usize>h * ${D * 4}`;
          emitQueries(w, s, k.target, X, { ...cache, query: `${at.qkv} + ${head}`, queryRow: s.qkvRow, out: `${at.out} + ${head}`, outRow: s.outRow, count: "count", most: R, start: "start" });
        });
      }
      w.line(`for (let r = real; r < ${R}; r++) ${zeroFloats(w)}(${at.out} + <usize>r * ${s.outRow} + <usize>g * ${group * D * 4}, ${group * D});`);
      if (s.outRow > d.O * 4) w.block(`if (g == ${G - 1})`, () => emitZeroPadding(w, at.out, d.O, s.outRow, `${R}`));
    });
  },
  sample: (tensor, { R, X }, noise) => (tensor === "place" ? X - R : tensor === "window" ? 23 : noise()), // start = X − R, and no more than R rows fit
  cases: [
    { d: { R: 1, Q: 32, O: 16, G: 1, N: 4, D: 8, M: 1, X: 64, L: 16, P: 2, Z: 1 }, attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9 }, with: ["window"] },
    { d: { R: 7, Q: 32, O: 16, G: 1, N: 4, D: 8, M: 1, X: 64, L: 16, P: 2, Z: 1 }, attrs: { heads: 2, kv_heads: 1, head_dim: 8, window: 9 } },
    { d: { R: 1, Q: 2304, O: 768, G: 12, N: 64, D: 64, M: 4, X: 1024, L: 16, P: 2, Z: 1 }, attrs: { heads: 12, kv_heads: 12, head_dim: 64 } },
    { d: { R: 128, Q: 2304, O: 768, G: 12, N: 64, D: 64, M: 4, X: 1024, L: 16, P: 2, Z: 1 }, attrs: { heads: 12, kv_heads: 12, head_dim: 64 } },
    { d: { R: 1, Q: 384, O: 128, G: 4, N: 4, D: 32, M: 2, X: 64, L: 16, P: 2, Z: 1 }, attrs: { heads: 4, kv_heads: 4, head_dim: 32 } },
  ],
});

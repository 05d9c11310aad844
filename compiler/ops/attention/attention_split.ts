/**
 * Attention of a single row over a long cache, in two steps. attention_split cuts the row's positions into S
 * parts, each of which is one stretch of memory with the keys of all heads and another with their values, and
 * computes a softmax of its own for each part, with its maximum and sum. attention_merge weighs the parts and
 * adds them up (Milakov & Gimelshein 2018; Dao et al. 2023):
 *
 *   m = max_s top[s]
 *   out = Σ_s e^(top[s] − m) attended[s] / Σ_s e^(top[s] − m) sums[s]
 *
 * Parts are as even as whole groups of 16 positions allow. S does not depend on the number of workers, so
 * neither do the bits. When tasks are heads instead (attention_cached), a worker reads its heads' share of
 * every 16 positions, and prefetchers stop at the end of every such piece. 5-fuse/split.ts decides which of
 * the two is used.
 */
import { defineOp } from "../kit/op.ts";
import type { Dims } from "../kit/signature.ts";
import { rowBytes, rowFloats } from "../../../runtime/contract/tensor-layout.ts";
import { emitZeroPadding } from "../kit/copy-rows.ts";
import { emitNewKey, emitOneRow, rowAreas, rowBlocks, rowSizes } from "./kit/decode-f32.ts";
import {
  cachedFlops,
  cachedPositions,
  cachePlaces,
  emitCachedStart,
  emitOneSpan,
  sampleCached,
  spansOf,
  storeRows,
  type SpanNumbers,
} from "./kit/cached-kernel.ts";
import { HIDDEN } from "./kit/score-rows.ts";
import { areas, attentionAttrs, firstSeen, type AttentionAttrs } from "./kit/kernel-sizes.ts";
import { ceilTo, PANEL } from "../kit/panels.ts";

const sizes = (
  S: number,
  heads: number,
  kv: number,
  D: number,
  positions: number,
  also: Partial<AttentionAttrs> = {},
) => ({
  d: {
    R: 1,
    Q: (heads + 2 * kv) * D,
    A: 2,
    B: 1,
    N: Math.ceil(positions / PANEL),
    G: kv,
    D,
    E: ceilTo(D, PANEL),
    L: PANEL,
    S,
    H: heads,
  },
  attrs: { heads, kv_heads: kv, head_dim: D, ...also },
});
const withOut = (d: Dims): Dims => ({ ...d, O: d["H"]! * d["D"]! });

export const attention_split = defineOp(
  "qkv[R,Q] keys[A,N,G,D,L] values[A,N,G,E,L] spans[B,4]:i32 window[1,1]?:i32 ring[1,1]?:i32 -> attended[S,H,E] top[S,H] sums[S,H] keys_out[A,N,G,D,L] values_out[A,N,G,E,L]",
  {
    doc:
      "of part s of the positions:  top = max q·K / √D,  sums = Σ e^(q·K / √D − top),  " +
      "attended = Σ e^(q·K / √D − top) V;  key and value of the row go into its lane of the cache",
    attrs: attentionAttrs,
    /** At the end of the context, where it costs most. */
    flops: (d, a) => cachedFlops(cachedPositions(d, a), 1, a),
    mutates: { keys_out: "keys", values_out: "values" },
    reference({ qkv, spans, window, ring, attended, top, sums, keys_out, values_out }, d, a) {
      const { N, G, D, E, L, S, H } = d;
      const [{ lane, start, rows: real }] = spansOf(spans, cachedPositions(d, a)) as [SpanNumbers];
      const known = start + real;
      const kept = ring ? ring[0]! : N * L; // rows
      const places = cachePlaces(d, kept);
      const keys = keys_out.subarray(lane * kept * G * D);
      const values = values_out.subarray(lane * kept * G * E);
      storeRows({ qkv, keys, values, start, rows: real }, d, H, places);
      const seen = firstSeen(start, a, window);
      const firstPanel = Math.floor(seen / L);
      const panels = real ? Math.ceil(known / L) - firstPanel : 0;
      const panelOf = (s: number): number => firstPanel + Math.floor((panels * s) / S);
      for (let s = 0; s < S; s++)
        for (let h = 0; h < H; h++) {
          const g = Math.floor((h * G) / H);
          const from = Math.max(seen, panelOf(s) * L);
          const to = Math.min(known, panelOf(s + 1) * L);
          const scores = Array.from({ length: Math.max(0, to - from) }, (_, n) => {
            let dot = 0;
            for (let c = 0; c < D; c++) dot += qkv[h * D + c]! * keys[places.key(g, from + n, c)]!;
            return dot / Math.sqrt(D);
          });
          const most = scores.length > 0 ? Math.max(...scores) : Number(HIDDEN);
          const weights = scores.map((x) => Math.exp(x - most));
          top[s * H + h] = most;
          sums[s * H + h] = weights.reduce((x, y) => x + y, 0);
          for (let c = 0; c < E; c++)
            attended[(s * H + h) * E + c] = weights.reduce(
              (total, x, n) => total + x * values[places.value(g, from + n, c)]!,
              0,
            );
        }
    },
    tiles: ({ N, L }, a, target) => rowBlocks(target, a, N * L),
    tasks: ({ S }) => S,
    scratch: (d, k) => areas(rowAreas(rowSizes(withOut(d), k.attrs, k.tiles))).total,
    emit(w, at, d, k) {
      const { G, H, E, S } = d;
      const s = rowSizes(withOut(d), k.attrs, k.tiles);
      const statistics = rowBytes(H);
      const ring = emitCachedStart(w, s, at, d, k, areas(rowAreas(s)));
      const span = emitOneSpan(w, s, at, d, k);
      w.line(
        `const first_panel = ${s.windowed ? "max(start + 1 - WINDOW, 0) >> 4" : "0"}, panels = real == ` +
          "0 ? 0 : ((known + 15) >> 4) - first_panel; // 16 positions each",
      );
      w.block("for (let part = first; part < last; part++)", () => {
        w.line(
          `const from_key = (first_panel + panels * part / ${S}) << 4, to_key = min(known, (first_panel ` +
            `+ panels * (part + 1) / ${S}) << 4);`,
        );
        w.block("if (from_key <= start && start < to_key)", () =>
          w.block(`for (let g = 0, n = ${ring ? `start % ${ring}` : "start"}; g < ${G}; g++)`, () =>
            emitNewKey(w, s, at.qkv, span.keys, span.values),
          ),
        );
        w.line(`const to = ${at.attended} + <usize>part * ${H * E * 4};`);
        emitOneRow(w, s, k.target, {
          query: at.qkv,
          keys: span.keys,
          values: span.values,
          attended: "to",
          fromHead: "0",
          toHead: `${G}`,
          fromKey: "from_key",
          toKey: "to_key",
          ring,
        });
        for (const [name, area] of [
          ["top", "shift"],
          ["sums", "sum"],
        ] as const) {
          w.line(`memory.copy(${at[name]} + <usize>part * ${statistics}, ${area}, ${H * 4});`);
          emitZeroPadding(w, `${at[name]} + <usize>part * ${statistics}`, H, statistics, "1");
        }
      });
    },
    sample(tensor, d, noise, i, attrs) {
      const { L, D, E } = d;
      if (tensor !== "values" && tensor !== "keys" && tensor !== "qkv")
        return sampleCached(tensor, i, { ...d, S: 1 }, cachedPositions(d, attrs))!;
      return tensor === "values" && (Math.floor(i / L) % E) - (Math.floor(i / L) % L) + (i % L) >= D
        ? 0
        : noise();
    },
    cases: [
      { ...sizes(8, 2, 1, 8, 64, { window: 23, context: 90 }), with: ["window", "ring"] },
      sizes(8, 4, 2, 8, 64),
      sizes(8, 2, 1, 5, 600),
      sizes(8, 6, 6, 16, 320, { window: 33 }),
      sizes(8, 12, 12, 64, 1024),
      sizes(8, 25, 25, 64, 1024),
      sizes(8, 32, 8, 64, 1024),
    ],
  },
);

const HEADS = 4; // of a task: one in each lane
const merged = (S: number, H: number, D: number) => ({
  d: { S, H, E: ceilTo(D, PANEL), R: 1, O: H * D },
  attrs: { head_dim: D },
});

export const attention_merge = defineOp("attended[S,H,E] top[S,H] sums[S,H] -> out[R,O]", {
  doc:
    "m = max_s top[s],  out = Σ_s e^(top[s] − m) attended[s] / Σ_s e^(top[s] − m) sums[s], 0 where no part " +
    "has a key",
  attrs: { head_dim: 1 },
  flops: ({ S, O }) => 2 * S * O,
  reference({ attended, top, sums, out }, { S, H, E }, attrs) {
    const D = attrs.head_dim;
    const parts = Array.from({ length: S }, (_, s) => s);
    for (let h = 0; h < H; h++) {
      const most = Math.max(...parts.map((s) => top[s * H + h]!));
      const weights = parts.map((s) => Math.exp(top[s * H + h]! - most));
      const total = parts.reduce((t, s) => t + weights[s]! * sums[s * H + h]!, 0);
      for (let c = 0; c < D; c++)
        out[h * D + c] =
          total > 0 ? parts.reduce((t, s) => t + weights[s]! * attended[(s * H + h) * E + c]!, 0) / total : 0;
    }
  },
  tasks: ({ H }) => Math.ceil(H / HEADS),
  scratch: ({ S }) => S * 16,
  emit(w, at, { S, H, E, O }, { attrs }) {
    const D = attrs.head_dim;
    const statistics = rowBytes(H);
    const parts = Array.from({ length: S }, (_, s) => s);
    const whole = D - (D % 4);
    w.block("for (let task: usize = first; task < <usize>last; task++)", () => {
      w.line(`const four = task * ${HEADS * 4}; // heads: in top and sum`);
      for (const s of parts) w.line(`const top${s} = v128.load(${at.top} + four, ${s * statistics});`);
      w.line(
        `let most = top0; ${parts
          .slice(1)
          .map((s) => `most = f32x4.max(most, top${s});`)
          .join(" ")}`,
      );
      for (const s of parts) w.line(`const w${s} = exp4(f32x4.sub(top${s}, most));`);
      w.line(
        `let total = f32x4.mul(w0, v128.load(${at.sums} + four)); ${parts
          .slice(1)
          .map((s) => `total = madd(w${s}, v128.load(${at.sums} + four, ${s * statistics}), total);`)
          .join(" ")}`,
      );
      w.line("const share = v128.and(f32x4.div(ONE, total), f32x4.gt(total, ZERO));");
      for (const s of parts) w.line(`v128.store(scratch, f32x4.mul(w${s}, share), ${s * 16});`);
      w.block(
        `for (let lane: usize = 0, head = task * ${HEADS}; lane < ${HEADS * 4} && head < ${H}; lane += ` +
          "4, head++)",
        () => {
          w.line(`let from = ${at.attended} + head * ${E * 4}, to = ${at.out} + head * ${D * 4};`);
          for (const s of parts) w.line(`const share${s} = v128.load32_splat(scratch + lane, ${s * 16});`);
          const load = (s: number): string => `v128.load(from, ${s * H * E * 4})`;
          const attended = parts
            .slice(1)
            .reduce((sum, s) => `madd(share${s}, ${load(s)}, ${sum})`, `f32x4.mul(share0, ${load(0)})`);
          if (whole > 0)
            w.block(`for (const end = to + ${whole * 4}; to < end; to += 16, from += 16)`, () =>
              w.line(`v128.store(to, ${attended});`),
            );
          for (let c = 0; c < D - whole; c++) {
            const terms = parts.map((s) => {
              const element = `load<f32>(from, ${s * H * E * 4 + c * 4})`;
              return `load<f32>(scratch + lane, ${s * 16}) * ${element}`;
            });
            w.line(`store<f32>(to, ${terms.join(" + ")}, ${c * 4});`);
          }
        },
      );
      if (rowFloats(O) > O)
        w.block(`if (task == ${Math.ceil(H / HEADS) - 1})`, () =>
          emitZeroPadding(w, at.out, O, rowBytes(O), "1"),
        );
    });
  },
  sample: (tensor, _d, noise) => (tensor === "sums" ? 1 + Math.abs(noise()) : noise()),
  cases: [merged(8, 4, 8), merged(8, 7, 5), merged(3, 2, 3), merged(8, 12, 64), merged(8, 25, 64)],
});

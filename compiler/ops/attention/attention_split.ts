/**
 * Attention of a single row over a long cache, in two steps. attention_split computes block after block of
 * positions (kit/key-blocks.ts), each of which is one stretch of memory with the keys of all heads and
 * another with their values, to a softmax of its own with its maximum and sum. attention_merge merges the
 * blocks in ascending order (kit/block-merge.ts).
 *
 * Workers divide the blocks, and one that divides between two of them its heads, so that all read the same
 * number of keys, whatever the number of workers. When tasks are heads alone (attention_cached), a worker
 * reads its heads' share of every 16 positions, and prefetchers stop at the end of every such piece.
 * 5-fuse/split.ts decides which of the two is used.
 */
import { defineOp } from "../kit/op.ts";
import type { Dims } from "../kit/signature.ts";
import type { Writer } from "../kit/writer.ts";
import { spanField } from "../../../runtime/contract/entries.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { emitZeroPadding } from "../kit/copy-rows.ts";
import { emitMerge, emitMergeEnd, finishFunction, mergeAreas } from "./kit/block-merge.ts";
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
import { blockOf, blockOfFunction, blockStart, blockStartFunction, mostBlocks } from "./kit/key-blocks.ts";
import { areas, attentionAttrs, firstSeen, windowLocal, type AttentionAttrs } from "./kit/kernel-sizes.ts";
import { ceilTo, PANEL } from "../kit/panels.ts";

/** Tasks: more than there are workers, so that each gets nearly the same number of keys. */
const SHARES = 1024;

const sizes = (
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
    S: mostBlocks(Math.max(ceilTo(positions, PANEL), also.context ?? 0), also.window ?? 0),
    H: heads,
  },
  attrs: { heads, kv_heads: kv, head_dim: D, ...also },
});
const withOut = (d: Dims): Dims => ({ ...d, O: d["H"]! * d["D"]! });

export const attention_split = defineOp(
  "qkv[R,Q] keys[A,N,G,D,L] values[A,N,G,E,L] spans[B,4]:i32 window[1,1]?:i32 ring[1,1]?:i32 -> attended[S,H,E] top[S,H] sums[S,H] keys_out[A,N,G,D,L] values_out[A,N,G,E,L]",
  {
    doc:
      "of block s of the positions:  top = max q·K / √D,  sums = Σ e^(q·K / √D − top),  " +
      "attended = Σ e^(q·K / √D − top) V;  key and value of the row go into its lane of the cache",
    attrs: attentionAttrs,
    /** At the end of the context, where it costs most. */
    flops: (d, a) => cachedFlops(cachedPositions(d, a), 1, a),
    mutates: { keys_out: "keys", values_out: "values" },
    reference({ qkv, spans, window, ring, attended, top, sums, keys_out, values_out }, d, a) {
      const { N, G, D, E, L, H } = d;
      const [{ lane, start, rows: real }] = spansOf(spans, cachedPositions(d, a)) as [SpanNumbers];
      const known = start + real;
      const kept = ring ? ring[0]! : N * L; // rows
      const places = cachePlaces(d, kept);
      const keys = keys_out.subarray(lane * kept * G * D);
      const values = values_out.subarray(lane * kept * G * E);
      storeRows({ qkv, keys, values, start, rows: real }, d, H, places);
      const seen = firstSeen(start, a, window);
      const first = blockOf(seen);
      for (let s = 0; s <= blockOf(start) - first; s++)
        for (let h = 0; h < H; h++) {
          const g = Math.floor((h * G) / H);
          const from = Math.max(seen, blockStart(first + s));
          const to = Math.min(known, blockStart(first + s + 1));
          const scores = Array.from({ length: to - from }, (_, n) => {
            let dot = 0;
            for (let c = 0; c < D; c++) dot += qkv[h * D + c]! * keys[places.key(g, from + n, c)]!;
            return dot / Math.sqrt(D);
          });
          const most = Math.max(...scores);
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
    tiles: (d, a, target) => rowBlocks(target, a, cachedPositions(d, a)),
    tasks: () => SHARES,
    scratch: (d, k) => areas(rowAreas(rowSizes(withOut(d), k.attrs, k.tiles))).total,
    emit(w, at, d, k) {
      const { G, H, E } = d;
      const s = rowSizes(withOut(d), k.attrs, k.tiles);
      const statistics = rowBytes(H);
      const ring = emitCachedStart(w, s, at, d, k, areas(rowAreas(s)));
      const span = emitOneSpan(w, s, at, d, k);
      eachShare(w, G, s.windowed, () => {
        w.block("if (first_key <= start && start < first_key + block_keys)", () =>
          w.block(
            `for (let g = from_head, n = ${ring ? `start % ${ring}` : "start"}; g < to_head; g++)`,
            () => emitNewKey(w, s, at.qkv, span.keys, span.values),
          ),
        );
        const head = `<usize>from_head * ${s.group}`;
        w.line(`const to = ${at.attended} + (<usize>index * ${H} + ${head}) * ${E * 4};`);
        emitOneRow(w, s, k.target, {
          query: at.qkv,
          keys: span.keys,
          values: span.values,
          attended: "to",
          fromHead: "from_head",
          toHead: "to_head",
          ring,
        });
        for (const [name, area] of [
          ["top", "shift"],
          ["sums", "sum"],
        ] as const) {
          const row = `${at[name]} + <usize>index * ${statistics}`;
          w.line(`memory.copy(${row} + ${head} * 4, ${area}, rows << 2);`);
          w.block(`if (to_head == ${G})`, () => emitZeroPadding(w, row, H, statistics, "1"));
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
    /** At the last position all blocks are seen: what is written of others nobody reads. */
    cases: [
      { ...sizes(2, 1, 8, 64, { window: 23, context: 144 }), with: ["window", "ring"] },
      sizes(4, 2, 8, 64),
      sizes(2, 1, 5, 600),
      sizes(6, 6, 16, 272, { window: 33 }),
      sizes(12, 12, 64, 1024),
      sizes(25, 25, 64, 1024),
      sizes(32, 8, 64, 1024),
    ],
  },
);

/**
 * The worker's part of every block that the row sees: its heads `from_head` … `to_head` − 1. `index` counts
 * these blocks. A share ends behind the head whose keys bring it nearest to its part of all.
 */
function eachShare(w: Writer, G: number, windowed: boolean, body: () => void): void {
  const [of, startOf] = [blockOfFunction(w), blockStartFunction(w)];
  w.line(`const first_panel = ${windowed ? "max(start + 1 - WINDOW, 0) >> 4" : "0"}; // 16 positions each`);
  w.line(
    `const all = (((known + 15) >> 4) - first_panel) * ${G}, begin = <i32>(<i64>all * first ` +
      `/ ${SHARES}), stop = <i32>(<i64>all * last / ${SHARES});`,
  );
  w.line("let before = 0; // panels of all heads in earlier blocks");
  w.block(`for (let block = ${of}(first_panel << 4), index = 0; before < stop; block++, index++)`, () => {
    w.line(
      `const first_key = ${startOf}(block), block_keys = min(${startOf}(block + 1), known) - first_key, ` +
        `panels = ((first_key + block_keys + 15) >> 4) - max(first_key >> 4, first_panel);`,
    );
    w.line(
      `const from_head = max(begin - before + (panels >> 1), 0) / panels, to_head = min((stop - before + ` +
        `(panels >> 1)) / panels, ${G});`,
    );
    w.line(`before += panels * ${G};`);
    w.block("if (from_head < to_head)", body);
  });
}

const HEADS = 4; // of a task: one in each lane
const merged = (heads: number, D: number, positions: number, also: Partial<AttentionAttrs> = {}) => {
  const { d, attrs } = sizes(heads, heads, D, positions, also);
  const { S, H, E, B } = d;
  const { head_dim, window = 0 } = attrs;
  return { d: { S, H, E, B, R: 1, O: H * D }, attrs: { head_dim, window } };
};

export const attention_merge = defineOp(
  "attended[S,H,E] top[S,H] sums[S,H] spans[B,4]:i32 window[1,1]?:i32 -> out[R,O]",
  {
    doc:
      "block after block:  m' = max(m, top),  l' = l e^(m − m') + sums e^(top − m'),  a' = a e^(m − m') + " +
      "attended e^(top − m');  out = a / l",
    attrs: { head_dim: 1, window: 0 },
    flops: ({ S, O }) => 2 * S * O,
    reference({ attended, top, sums, spans, window, out }, { S, H, E }, attrs) {
      const D = attrs.head_dim;
      const [{ start }] = spansOf(spans, Infinity) as [SpanNumbers];
      const first = blockOf(firstSeen(start, attrs, window));
      const blocks = Math.min(blockOf(start) + 1 - first, S);
      const parts = Array.from({ length: blocks }, (_, s) => s);
      for (let h = 0; h < H; h++) {
        const most = Math.max(...parts.map((s) => top[s * H + h]!));
        const weights = parts.map((s) => Math.exp(top[s * H + h]! - most));
        const total = parts.reduce((t, s) => t + weights[s]! * sums[s * H + h]!, 0);
        for (let c = 0; c < D; c++)
          out[h * D + c] =
            parts.reduce((t, s) => t + weights[s]! * attended[(s * H + h) * E + c]!, 0) / total;
      }
    },
    tasks: ({ H }) => Math.ceil(H / HEADS),
    scratch: ({ H, E }) => areas(mergeAreas(H, E)).total,
    emit(w, at, { S, H, E, O }, { attrs, has }) {
      const D = attrs.head_dim;
      const statistics = rowBytes(H);
      for (const [name, offset] of areas(mergeAreas(H, E)).offsets)
        w.line(`const ${name} = scratch + ${offset};`);
      if (attrs.window !== 0) w.line(windowLocal(attrs, has("window") ? at.window : undefined));
      const [of, seen] = [blockOfFunction(w), attrs.window !== 0 ? "max(start + 1 - WINDOW, 0)" : "0"];
      w.line(
        `const start = load<i32>(${at.spans}, ${4 * spanField.start}), blocks = min(${of}(start) + 1 - ` +
          `${of}(${seen}), ${S});`,
      );
      w.line(`const heads = min(last * ${HEADS}, ${H}) - first * ${HEADS}, head = <usize>first * ${HEADS};`);
      w.line("if (heads <= 0) return;");
      w.block("for (let block: usize = 0; block < <usize>blocks; block++)", () => {
        const row = (name: "top" | "sums"): string => `(${at[name]} + block * ${statistics} + head * 4)`;
        const attended = `${at.attended} + (block * ${H} + head) * ${E * 4}`;
        w.line(`if (block == 0) memory.copy(merged, ${attended}, heads * ${E * 4});`);
        emitMerge(w, {
          isFirst: "block == 0",
          rows: "heads",
          top: row("top"),
          sum: row("sums"),
          attended,
          DP: E,
        });
      });
      emitMergeEnd(w, "heads");
      w.line(`${finishFunction(w, D, E)}(merged, ${at.out} + head * ${D * 4}, heads, fade);`);
      w.block(`if (last == ${Math.ceil(H / HEADS)})`, () => emitZeroPadding(w, at.out, O, rowBytes(O), "1"));
    },
    sample: (tensor, { S }, noise, i) =>
      tensor === "sums"
        ? 1 + Math.abs(noise())
        : tensor === "spans"
          ? sampleCached(tensor, i, { R: 1, S: 1, A: 1 }, blockStart(S))!
          : tensor === "window"
            ? 23
            : noise(),
    cases: [
      merged(4, 8, 600),
      merged(7, 5, 1400, { window: 300 }),
      merged(2, 3, 60),
      merged(12, 64, 1024),
      merged(25, 64, 1024),
    ],
  },
);

/**
 * `attention_cached` with keys and values in 8 bits (q8_0, see kit/cache-layout.ts). A position is quantised
 * once, when it is written. One row or many, the products are those of integers (kit/q8-products.ts), which
 * round queries and weights to 16 bits: some 1e-5. The reference does not round them; it only quantises what
 * goes into the cache.
 */
import { defineOp, type Kernel } from "../kit/op.ts";
import type { Dims } from "../kit/signature.ts";
import type { Writer } from "../kit/writer.ts";
import { cacheShapes, panelBytes, readCached, writeCached } from "./kit/cache-layout.ts";
import {
  cachedFlops,
  cachedPositions,
  cachedTasks,
  eachSpan,
  emitCachedStart,
  emitRest,
  attendRows,
  sampleCached,
  spansOf,
} from "./kit/cached-kernel.ts";
import { paddedRow, storeRowFunction, wholeRow } from "./kit/q8-panels.ts";
import { areasQ8, blocksQ8, emitChunkQ8, sizesQ8 } from "./kit/rows-q8.ts";
import { sampleTogether } from "../matmul/quantised/samples.ts";
import { areas, attentionAttrs, type AttentionAttrs, type Sizes } from "./kit/kernel-sizes.ts";
import { PANEL } from "../kit/panels.ts";

const rowsOf = ({ N }: Dims): number => N! * PANEL;

export const attention_cached_q8 = defineOp(
  "qkv[R,Q] keys[A,G,N,W]:i32 values[A,G,N,W]:i32 spans[S,4]:i32 span_count[1]?:i32 window[1,1]?:i32 ring[1,1]?:i32 -> out[R,O] keys_out[A,G,N,W]:i32 values_out[A,G,N,W]:i32",
  {
    doc:
      "out = softmax(Q Kᵀ / √D) V of each span over the positions before it in its lane, in q8_0, after " +
      "this run's keys and values went there",
    attrs: attentionAttrs,
    flops: (d, a) => cachedFlops(cachedPositions(d, a), d.R, a),
    mutates: { keys_out: "keys", values_out: "values" },
    reference({ qkv, spans, window, ring, out, keys_out, values_out }, d, a) {
      const { Q, O, G, W } = d;
      const H = a.heads;
      const D = a.head_dim;
      const ringRows = ring ? ring[0]! : rowsOf(d);
      if (rowsOf(d) < ringRows) throw new Error(`a ring of ${ringRows} rows in a cache of ${rowsOf(d)}`);
      for (const { lane, start, row: first, rows } of spansOf(spans, cachedPositions(d, a))) {
        const from = lane * G * Math.ceil(ringRows / PANEL) * W;
        const keys = cacheOf("keys", keys_out.subarray(from), D, W, ringRows);
        const values = cacheOf("values", values_out.subarray(from), D, W, ringRows);
        const queries = qkv.subarray(first * Q);
        for (let g = 0; g < G; g++)
          for (let r = 0; r < rows; r++) {
            const row = (head: number) => queries.subarray(r * Q + head * D, r * Q + (head + 1) * D);
            keys.write(g, start + r, row(H + g));
            values.write(g, start + r, row(H + G + g));
          }
        attendRows(
          { qkv: queries, out: out.subarray(first * O), window, Q, O, G, D, H, start, rows },
          a,
          keys.elements(),
          values.elements(),
        );
      }
    },
    tiles: (d, a) => blocksQ8(d.R, a, cachedPositions(d, a)),
    tasks: ({ R }, { attrs }) => cachedTasks(R, attrs),
    scratch: (d, k) => areas(areasQ8(sizesQ8(d, k.attrs, k.tiles))).total,
    emit(w, at, d, k) {
      const s = sizesQ8(d, k.attrs, k.tiles);
      const ring = emitCachedStart(w, s, at, d, k, areas(areasQ8(s)));
      if (s.D % 8 !== 0) w.line(`memory.fill(row, 0, ${paddedRow(s.D)});`);
      const panel = s.G * panelBytes(s.D);
      eachSpan(w, s, at, d, k, { keys: panel, values: panel }, (span) =>
        w.block(`for (let g = from_head; g < to_head; g++)`, () => {
          emitNewPositions(w, s, span, d, k, ring);
          emitChunkQ8(w, s, k.target, { ...span, keys: "keys_of", values: "values_of", ring });
          emitRest(w, s, span.out, d);
        }),
      );
    },
    sample: (tensor, d, noise, i, attrs) =>
      sampleCached(tensor, i, d, cachedPositions(d, attrs)) ??
      (tensor === "qkv"
        ? noise()
        : samplePanel(tensor === "keys" ? "keys" : "values", attrs.head_dim, d.W, noise, i)),
    cases: [
      cachedCase(1, 64, { heads: 2, kv_heads: 1, head_dim: 8, window: 9 }, ["window"]),
      cachedCase(7, 64, { heads: 2, kv_heads: 1, head_dim: 8, window: 9 }),
      cachedCase(1, 32, { heads: 2, kv_heads: 1, head_dim: 8, window: 9, context: 70 }),
      cachedCase(8, 64, { heads: 2, kv_heads: 1, head_dim: 8, window: 23, context: 90 }, ["window", "ring"]),
      cachedCase(
        9,
        64,
        { heads: 2, kv_heads: 1, head_dim: 8, window: 23, context: 90 },
        ["window", "ring"],
        3,
      ),
      cachedCase(17, 48, { heads: 4, kv_heads: 2, head_dim: 9 }, [], 2),
      cachedCase(1, 64, { heads: 4, kv_heads: 4, head_dim: 32 }),
      cachedCase(1, 48, { heads: 3, kv_heads: 1, head_dim: 80 }),
      cachedCase(5, 48, { heads: 2, kv_heads: 2, head_dim: 40 }),
      cachedCase(1, 600, { heads: 2, kv_heads: 1, head_dim: 16 }),
      cachedCase(1, 1024, { heads: 12, kv_heads: 12, head_dim: 64 }),
      cachedCase(128, 1024, { heads: 12, kv_heads: 12, head_dim: 64 }),
      cachedCase(1, 1024, { heads: 32, kv_heads: 8, head_dim: 64 }),
      cachedCase(1, 1024, { heads: 16, kv_heads: 16, head_dim: 128 }),
    ],
  },
);

/**
 * A cache in f64 arithmetic: `words` of all heads, in panels of W words, of which a ring has so many rows.
 */
function cacheOf(kind: "keys" | "values", words: Float64Array, D: number, W: number, ringRows: number) {
  const panels = Math.ceil(ringRows / PANEL);
  const panelAt = (g: number, n: number): number => (g * panels + Math.floor((n % ringRows) / PANEL)) * W;
  const copyOf = (from: number): Int32Array => Int32Array.from(words.subarray(from, from + W));
  return {
    /** Quantises x[D] to position n of head g. */
    write(g: number, n: number, x: Float64Array): void {
      const from = panelAt(g, n);
      const panel = copyOf(from);
      writeCached(kind, new DataView(panel.buffer), D, (n % ringRows) % PANEL, x);
      words.set(panel, from);
    },
    /** (head, position, column) → element. Each position is decoded once: when nothing more is written. */
    elements() {
      const decoded: (readonly number[])[] = [];
      const read = (g: number, n: number): number[] =>
        readCached(kind, new DataView(copyOf(panelAt(g, n)).buffer), D, (n % ringRows) % PANEL);
      return (g: number, n: number, c: number): number =>
        (decoded[g * ringRows + (n % ringRows)] ??= read(g, n))[c]!;
    },
  };
}

type Addresses = Readonly<Record<"qkv" | "keys" | "values" | "out", string>>;
type CachedKernel = Kernel<string, AttentionAttrs>;

/** The head's caches (keys_of, values_of), and its part of the new rows of qkv in them. */
function emitNewPositions(
  w: Writer,
  s: Sizes,
  at: Addresses,
  d: Dims,
  k: CachedKernel,
  ring: string | undefined,
): void {
  const { D, G, H } = s;
  const bytes = panelBytes(D);
  const head = k.has("ring") ? `<usize>g * (<usize>(RING >> 4) * ${bytes})` : `<usize>g * ${d["N"]! * bytes}`;
  w.line(
    `const keys_of = ${at.keys} + ${head}, values_of = ${at.values} + ${head}; // panels of ` +
      `sixteen positions, ${bytes} bytes each`,
  );
  w.block(`for (let r = 0; r < real; r++)`, () => {
    const position = ring ? `(start + r) % ${ring}` : "start + r";
    w.line(
      `const n = ${position}, panel = <usize>(n >> 4) * ${bytes}, x = ${at.qkv} + <usize>r * ${s.qkvRow};`,
    );
    for (const [kind, from] of [
      ["keys", H],
      ["values", H + G],
    ] as const) {
      const row = wholeRow(w, D, `x + <usize>(${from} + g) * ${D * 4}`);
      w.line(`${storeRowFunction(w, kind, D)}(${row}, ${kind}_of + panel, n & 15, spill);`);
    }
  });
}

type Four = [number, number, number, number];

function cachedCase(
  R: number,
  rows: number,
  attrs: Partial<AttentionAttrs> & Pick<AttentionAttrs, "heads" | "kv_heads" | "head_dim">,
  also?: readonly ("window" | "ring")[],
  spans = 1,
) {
  const { heads, kv_heads, head_dim } = attrs;
  const [A, G, N, W] = cacheShapes(spans, rows, kv_heads, head_dim, "q8_0").keys as Four;
  return {
    d: { R, Q: (heads + 2 * kv_heads) * head_dim, O: heads * head_dim, A, S: spans, G, N, W },
    attrs,
    ...(also && { with: also }),
  };
}

/** Words of a panel for tests: the scales fit the numbers. */
function samplePanel(kind: "keys" | "values", D: number, W: number, noise: () => number, i: number): number {
  return sampleTogether(noise, W, i, () => {
    const words = new Int32Array(W);
    const view = new DataView(words.buffer);
    for (let p = 0; p < PANEL; p++) writeCached(kind, view, D, p, Array.from({ length: D }, noise));
    return words;
  });
}

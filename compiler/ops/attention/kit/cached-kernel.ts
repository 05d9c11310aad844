/**
 * What the operations of attention over a cache share, whatever its format: the cost, the locals that a
 * kernel begins with, parts of the f64 reference, and what tests feed.
 */
import type { Kernel } from "../../kit/op.ts";
import type { Dims } from "../../kit/signature.ts";
import type { Writer } from "../../kit/writer.ts";
import { emitZeroPadding } from "../../kit/copy-rows.ts";
import { fillMask } from "./score-rows.ts";
import { firstSeen, windowLocal, type areas, type AttentionAttrs, type Sizes } from "./kernel-sizes.ts";
import { PANEL, PANEL_BYTES } from "../../kit/panels.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import { spanField, SPAN_FIELDS } from "../../../../runtime/contract/entries.ts";

/** Positions of the context. A cache of N panels holds all of them, unless it is a ring. */
export const cachedPositions = (d: Dims, attrs: AttentionAttrs): number =>
  Math.max(d["N"]! * PANEL, attrs.context);

/** Operations of R rows at the end of the context, where they see the most positions. */
export function cachedFlops(
  positions: number,
  R: number,
  { heads, head_dim, window, dense_share }: AttentionAttrs,
): number {
  const dense = positions - (R - 1) / 2;
  return (
    4 *
    heads *
    head_dim *
    R *
    (window === 0 ? dense : dense_share * dense + (1 - dense_share) * Math.min(dense, window))
  );
}

/**
 * Writes the locals that the kernel begins with: scratch areas, RING, SCALE, WINDOW, the mask. Returns how
 * many rows (i32) the ring has, as text; undefined when the cache holds every position.
 */
export function emitCachedStart(
  w: Writer,
  s: Sizes,
  at: Readonly<Record<"window" | "ring", string>>,
  d: Dims,
  k: Kernel<string, AttentionAttrs>,
  { offsets }: ReturnType<typeof areas>,
): string | undefined {
  const positions = cachedPositions(d, k.attrs);
  const rows = d["N"]! * PANEL;
  for (const [name, offset] of offsets) w.line(`const ${name} = scratch + ${offset};`);
  if (k.has("ring")) w.line(`const RING = load<i32>(${at.ring}); // rows of the cache`);
  w.line(`const SCALE: f32 = ${s.scale};`);
  // no more than all positions: it is multiplied by the rows of a group
  if (k.has("window")) w.line(`const WINDOW = min(load<i32>(${at.window}), ${positions});`);
  else if (s.windowed) w.line(windowLocal(k.attrs, undefined));
  fillMask(w, "mask");
  return k.has("ring") ? "RING" : positions > rows ? `${rows}` : undefined;
}

type SpanTensor = "qkv" | "out" | "keys" | "values";

/** Tasks of a run of many rows: so many more than workers that each gets nearly the same work. */
const SHARES = 1024;
/** Rows as whose cost reading the cache of a head counts, beside the rows themselves. */
const READING = 4;

/** A single row's tasks are its key/value heads; those of a run are shares of the heads of all its spans. */
export const cachedTasks = (R: number, { kv_heads }: AttentionAttrs): number => (R === 1 ? kv_heads : SHARES);

/**
 * The body for each live span of the run of which the worker has heads `from_head` … `to_head` − 1, with the
 * addresses of the span's rows of qkv and out, and of its lane's caches. Locals: positions start … known − 1
 * are new, `real` many. `panelBytes`: what sixteen positions of all heads take in either cache.
 */
export function eachSpan(
  w: Writer,
  s: Sizes,
  at: Readonly<Record<SpanTensor | "spans" | "span_count", string>>,
  d: Dims,
  k: Kernel<string, AttentionAttrs>,
  panelBytes: Readonly<Record<"keys" | "values", number>>,
  body: (at: Readonly<Record<SpanTensor, string>>) => void,
): void {
  const positions = cachedPositions(d, k.attrs);
  const panels = k.has("ring") ? "(RING >> 4)" : `${d["N"]}`;
  const field = (name: keyof typeof spanField): string => `load<i32>(span, ${4 * spanField[name]})`;
  const count = k.has("span_count") ? `min(load<i32>(${at.span_count}), ${d["S"]})` : `${d["S"]}`;
  const spanAt = `const span = ${at.spans} + <usize>s * ${rowBytes(SPAN_FIELDS)};`;
  const whole = d["R"] === 1;
  w.line(`const live_spans = ${count};`);
  if (!whole) emitShare(w, s, spanAt, field);
  w.block("for (let s = 0; s < live_spans; s++)", () => {
    w.line(spanAt);
    w.line(whole ? "const from_head = first, to_head = last;" : headsOfShare(w, s, field));
    if (!whole) w.line("if (from_head >= to_head) continue;");
    w.line(
      `const start = ${field("start")}, real = min(${field("rows")}, ${positions} - start), known = start ` +
        `+ real; // rows, keys`,
    );
    w.line(`const from_row = <usize>${field("first")}, lane = <usize>${field("lane")} * ${panels};`);
    w.line(
      `const qkv_rows = ${at.qkv} + from_row * ${s.qkvRow}, out_span = ${at.out} + from_row * ${s.outRow};`,
    );
    w.line(
      `const lane_keys = ${at.keys} + lane * ${panelBytes.keys}, lane_values = ${at.values} + lane * ` +
        `${panelBytes.values};`,
    );
    body({ qkv: "qkv_rows", out: "out_span", keys: "lane_keys", values: "lane_values" });
  });
}

type FieldOf = (name: keyof typeof spanField) => string;

/** The worker's part of all spans' work: from `begin` up to `stop` of what their heads cost, in order. */
function emitShare(w: Writer, s: Sizes, spanAt: string, field: FieldOf): void {
  w.line("let all: i64 = 0, before: i64 = 0; // work of all heads of all spans, and of earlier spans");
  w.block("for (let s = 0; s < live_spans; s++)", () => {
    w.line(spanAt);
    w.line(`all += ${spanCost(w, s)}(${field("start")}, ${field("rows")}${windowOf(s)}) * ${s.G};`);
  });
  w.line(`const begin = all * first / ${SHARES}, stop = all * last / ${SHARES};`);
}

/** The worker's heads of a span: a share ends behind the head that brings it nearest to its part. */
function headsOfShare(w: Writer, s: Sizes, field: FieldOf): string {
  w.line(
    `const cost = ${spanCost(w, s)}(${field("start")}, ${field("rows")}${windowOf(s)}), half = cost >> 1;`,
  );
  w.line(
    "const from_head = <i32>(max<i64>(begin - before + half, 0) / cost), to_head = " +
      `<i32>min<i64>(max<i64>(stop - before + half, 0) / cost, ${s.G});`,
  );
  return `before += cost * ${s.G};`;
}

const windowOf = (s: Sizes): string => (s.windowed ? ", WINDOW" : "");

/** A function (start, rows) → what a head of a span costs: the panels that it reads, times its rows. */
function spanCost(w: Writer, s: Sizes): string {
  const name = `attention_span_cost${s.windowed ? "_windowed" : ""}`;
  return w.helper(name, (f) => {
    f.line("/** What a key/value head of a span costs, in some unit */");
    f.block(`function ${name}(start: i32, rows: i32${s.windowed ? ", window: i32" : ""}): i64`, () =>
      f.line(
        `return <i64>((${s.windowed ? "min(start, window)" : "start"} + rows + 15) >> 4) * ` +
          `(rows + ${READING});`,
      ),
    );
  });
}

/** The locals of a run's only span, for kernels of a single row; the addresses are those of its lane. */
export function emitOneSpan(
  w: Writer,
  s: Sizes,
  at: Readonly<Record<"keys" | "values" | "spans", string>>,
  d: Dims,
  k: Kernel<string, AttentionAttrs>,
): Readonly<Record<"keys" | "values", string>> {
  const panels = k.has("ring") ? "(RING >> 4)" : `${d["N"]}`;
  const field = (name: keyof typeof spanField): string => `load<i32>(${at.spans}, ${4 * spanField[name]})`;
  const positions = cachedPositions(d, k.attrs);
  w.line(
    `const start = ${field("start")}, real = min(${field("rows")}, ${positions} - start), ` +
      "known = start + real;",
  );
  w.line(`const lane = <usize>${field("lane")} * ${panels};`);
  const panel = (columns: number): number => s.G * columns * PANEL_BYTES;
  w.line(
    `const lane_keys = ${at.keys} + lane * ${panel(s.D)}, ` +
      `lane_values = ${at.values} + lane * ${panel(s.DP)};`,
  );
  return { keys: "lane_keys", values: "lane_values" };
}

/** Zeroes the padding of the span's rows, with the last head. */
export function emitRest(w: Writer, s: Sizes, out: string, { O }: Dims): void {
  if (s.outRow > O! * 4) w.block(`if (g == ${s.G - 1})`, () => emitZeroPadding(w, out, O!, s.outRow, "real"));
}

/** Where element (head, position, column) is in f32 caches (cache-layout.ts) of so many rows. */
export function cachePlaces({ G, D, E, L }: Readonly<Record<"G" | "D" | "E" | "L", number>>, rows: number) {
  return {
    key: (g: number, n: number, c: number): number =>
      ((Math.floor((n % rows) / L) * G + g) * D + c) * L + (n % L),
    value: (g: number, n: number, c: number): number =>
      ((Math.floor((n % rows) / L) * G + g) * E + (c - (c % L)) + (n % L)) * L + (c % L),
  };
}

/** A span of a run, as the reference reads it: `row`: its first one. */
export interface SpanNumbers {
  readonly lane: number;
  readonly start: number;
  readonly row: number;
  readonly rows: number;
}

/** All spans, in their order; a test has no others than live ones. */
export const spansOf = (spans: Float64Array, positions: number): readonly SpanNumbers[] =>
  Array.from({ length: spans.length / SPAN_FIELDS }, (_, i) => {
    const field = (name: keyof typeof spanField): number => spans[i * SPAN_FIELDS + spanField[name]]!;
    const start = field("start");
    return {
      lane: field("lane"),
      start,
      row: field("first"),
      rows: Math.min(field("rows"), positions - start),
    };
  });

interface NewRows {
  readonly qkv: ArrayLike<number>;
  readonly keys: Float64Array;
  readonly values: Float64Array;
  /** The first one's position, and how many. */
  readonly start: number;
  readonly rows: number;
}

/** Keys and values of the new rows go into f32 caches. */
export function storeRows(
  { qkv, keys, values, start, rows }: NewRows,
  d: Readonly<Record<"Q" | "G" | "D" | "E", number>>,
  H: number,
  place: ReturnType<typeof cachePlaces>,
): void {
  const { Q, G, D, E } = d;
  for (let g = 0; g < G; g++)
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < D; c++) keys[place.key(g, start + r, c)] = qkv[r * Q + (H + g) * D + c]!;
      for (let c = 0; c < E; c++)
        values[place.value(g, start + r, c)] = c < D ? qkv[r * Q + (H + G + g) * D + c]! : 0;
    }
}

interface Rows {
  readonly qkv: ArrayLike<number>;
  readonly out: Float64Array;
  readonly window: ArrayLike<number> | undefined;
  readonly Q: number;
  readonly O: number;
  readonly G: number;
  readonly D: number;
  readonly H: number;
  readonly start: number;
  readonly rows: number;
}

/**
 * out[r,:] of every head, once the new rows are in the cache. `key`, `value`: (head, position, column) →
 * element.
 */
export function attendRows(
  t: Rows,
  attrs: AttentionAttrs,
  key: (g: number, n: number, c: number) => number,
  value: (g: number, n: number, c: number) => number,
): void {
  const { qkv, out, Q, O, G, D, H, start } = t;
  for (let h = 0; h < H; h++)
    for (let r = 0; r < t.rows; r++) {
      const g = Math.floor((h * G) / H);
      const seen = firstSeen(start + r, attrs, t.window);
      const scores = Array.from({ length: start + r + 1 - seen }, (_, n) => {
        let sum = 0;
        for (let c = 0; c < D; c++) sum += qkv[r * Q + h * D + c]! * key(g, seen + n, c);
        return sum / Math.sqrt(D);
      });
      const top = Math.max(...scores);
      const weights = scores.map((s) => Math.exp(s - top));
      const total = weights.reduce((x, y) => x + y, 0);
      for (let c = 0; c < D; c++) {
        let attended = 0;
        for (let n = 0; n < weights.length; n++) attended += (weights[n]! / total) * value(g, seen + n, c);
        out[r * O + h * D + c] = attended;
      }
    }
}

/**
 * What a test feeds: spans as even as R rows allow, of lanes in falling order, that end where the context
 * does, or a little before; a window of 23 positions; a ring of 48 rows.
 */
export function sampleCached(
  tensor: string,
  i: number,
  { R, S, A }: Dims,
  positions: number,
): number | undefined {
  if (tensor === "window") return 23;
  if (tensor === "ring") return 48;
  if (tensor !== "spans") return undefined;
  const span = Math.floor(i / SPAN_FIELDS);
  const first = Math.floor((span * R!) / S!);
  const rows = Math.floor(((span + 1) * R!) / S!) - first;
  const fields = { lane: A! - 1 - span, start: positions - rows - 3 * span, first, rows };
  const name = (Object.keys(spanField) as (keyof typeof spanField)[]).find(
    (field) => spanField[field] === i % SPAN_FIELDS,
  )!;
  return fields[name];
}

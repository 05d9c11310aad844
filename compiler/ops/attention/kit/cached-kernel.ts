/**
 * What the operations of attention over a cache share, whatever its format: the cost, the locals that a
 * kernel begins with, parts of the f64 reference, and what tests feed.
 */
import type { Kernel } from "../../kit/op.ts";
import type { Dims } from "../../kit/signature.ts";
import type { Writer } from "../../kit/writer.ts";
import { emitZeroPadding, zeroFloats } from "../../kit/copy-rows.ts";
import { emitQueries, type Queries } from "./query-blocks.ts";
import { fillMask } from "./score-rows.ts";
import { firstSeen, windowLocal, type areas, type AttentionAttrs, type Sizes } from "./kernel-sizes.ts";
import { PANEL } from "../../kit/panels.ts";

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
 * Writes the locals that the kernel begins with: scratch areas, RING, SCALE, WINDOW, and which rows the call
 * brings. Positions start … known − 1 are new, `real` many, of `most` that there may be. Returns how many
 * rows (i32) the ring has, as text; undefined when the cache holds every position.
 */
export function emitCachedStart(
  w: Writer,
  s: Sizes,
  at: Readonly<Record<"place" | "window" | "ring", string>>,
  d: Dims,
  k: Kernel<string, AttentionAttrs>,
  { offsets }: ReturnType<typeof areas>,
  most: number,
): string | undefined {
  const positions = cachedPositions(d, k.attrs);
  const rows = d["N"]! * PANEL;
  for (const [name, offset] of offsets) w.line(`const ${name} = scratch + ${offset};`);
  if (k.has("ring")) w.line(`const RING = load<i32>(${at.ring}); // rows of the cache`);
  w.line(`const SCALE: f32 = ${s.scale};`);
  if (s.windowed) w.line(windowLocal(k.attrs, k.has("window") ? at.window : undefined));
  w.line(
    `const start = max(0, min(load<i32>(${at.place}), ${positions})), real = max(0, ` +
      `min(min(load<i32>(${at.place}, 4), ${most}), ${positions} - start)); // rows`,
  );
  w.line(`const known = start + real; // keys`);
  fillMask(w, "mask");
  return k.has("ring") ? "RING" : positions > rows ? `${rows}` : undefined;
}

/** `count`: queries that are real, in whole tiles. */
export const emitQueryCount = (w: Writer, { MR }: Sizes, d: Dims): void =>
  w.line(`const count = min((real + ${MR - 1}) / ${MR} * ${MR}, ${d["R"]}); // queries, in whole tiles`);

/** The queries of head g, each over everything before it; see emitQueryCount. */
export function emitHeads(
  w: Writer,
  s: Sizes,
  at: Readonly<Record<"qkv" | "out", string>>,
  d: Dims,
  k: Kernel<string, AttentionAttrs>,
  of: Pick<Queries, "across" | "acrossPanel" | "panels" | "panelBytes" | "ring" | "unpack">,
): void {
  w.block(`for (let h = g * ${s.group}; h < (g + 1) * ${s.group}; h++)`, () => {
    const head = `<usize>h * ${s.D * 4}`;
    emitQueries(w, s, k.target, cachedPositions(d, k.attrs), {
      query: `${at.qkv} + ${head}`,
      queryRow: s.qkvRow,
      out: `${at.out} + ${head}`,
      outRow: s.outRow,
      count: "count",
      most: d["R"]!,
      start: "start",
      keys: "known",
      ...of,
    });
  });
}

/**
 * Zeroes what head g has in rows that the call does not bring, and after the last head the padding of all
 * rows.
 */
export function emitRest(w: Writer, s: Sizes, out: string, d: Dims): void {
  const { R, O } = d as Record<"R" | "O", number>;
  w.line(
    `for (let r = real; r < ${R}; r++) ${zeroFloats(w)}(${out} + <usize>r * ${s.outRow} + <usize>g * ` +
      `${s.group * s.D * 4}, ${s.group * s.D});`,
  );
  if (s.outRow > O * 4) w.block(`if (g == ${s.G - 1})`, () => emitZeroPadding(w, out, O, s.outRow, `${R}`));
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
 * What a test feeds: start = positions − R, more rows than fit; a window of 23 positions; a ring of 48 rows.
 */
export const sampleCached = (tensor: string, R: number, d: Dims, attrs: AttentionAttrs): number | undefined =>
  tensor === "place"
    ? cachedPositions(d, attrs) - R
    : tensor === "window"
      ? 23
      : tensor === "ring"
        ? 48
        : undefined;

/** What the operations of attention over a cache share, however it is kept: cost, the f64 reference's second half, what a test feeds. */
import type { Attrs, Dims } from "../../op.ts";
import { firstSeen, PANEL, type attentionAttrs } from "./sizes.ts";

/** Positions of the context: all of them are in a cache of N panels, unless it is a ring. */
export const cachedPositions = (d: Dims, attrs: Attrs): number => Math.max(d["N"]! * PANEL, attrs["context"] as number);

/** Of R rows at the end of a context of so many positions, where they cost most. */
export function cachedFlops(positions: number, R: number, attrs: Attrs): number {
  const { heads, head_dim, window, dense_share } = attrs as typeof attentionAttrs, dense = positions - (R - 1) / 2;
  return 4 * heads * head_dim * R * (window === 0 ? dense : dense_share * dense + (1 - dense_share) * Math.min(dense, window));
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

/** out[r,:] of every head, once the new rows are in the cache. `key`, `value`: (head, position, column) → element. */
export function mixRows(t: Rows, attrs: Attrs, key: (g: number, n: number, c: number) => number, value: (g: number, n: number, c: number) => number): void {
  const { qkv, out, Q, O, G, D, H, start } = t;
  for (let h = 0; h < H; h++)
    for (let r = 0; r < t.rows; r++) {
      const g = Math.floor((h * G) / H), seen = firstSeen(start + r, attrs, t.window);
      const scores = Array.from({ length: start + r + 1 - seen }, (_, n) => {
        let sum = 0;
        for (let c = 0; c < D; c++) sum += qkv[r * Q + h * D + c]! * key(g, seen + n, c);
        return sum / Math.sqrt(D);
      });
      const top = Math.max(...scores), weights = scores.map((s) => Math.exp(s - top)), total = weights.reduce((x, y) => x + y, 0);
      for (let c = 0; c < D; c++) {
        let mixed = 0;
        for (let n = 0; n < weights.length; n++) mixed += (weights[n]! / total) * value(g, seen + n, c);
        out[r * O + h * D + c] = mixed;
      }
    }
}

/** start = positions − R, and no more than R rows fit; a band of 23; a ring of 48 rows. */
export const sampleCached = (tensor: string, R: number, positions: number): number | undefined =>
  tensor === "place" ? positions - R : tensor === "window" ? 23 : tensor === "ring" ? 48 : undefined;

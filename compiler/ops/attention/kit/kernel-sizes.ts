/**
 * All numbers of one attention kernel that are known at compile time, and where its operands stand.
 *
 * A row of qkv holds q of every query head, then k and then v of every key/value head (grouped heads: Ainslie
 * et al. 2023); query head h uses key/value head ⌊h · kv_heads / heads⌋. Two packed forms feed the register
 * tiles, both in panels of 16 floats (one cache line):
 *
 *   rows [x,D]  → panels [D/16][x][16]  right factor where x is summed away: P·V, dS·K, dSᵀ·Q, Pᵀ·dO
 *   transposed  → panels [x/16][D][16]  right factor where D is summed away: Q·Kᵀ, dO·Vᵀ
 */
import type { AttrTypes } from "../../kit/op.ts";
import type { Dims } from "../../kit/signature.ts";
import { ceilTo, PANEL } from "../../kit/panels.ts";
import { registerTile } from "../../kit/register-tile.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import type { Applied } from "../../../../runtime/contract/profile-site.ts";
import type { Target } from "../../../../runtime/contract/targets.ts";

export interface Sizes {
  /** Rows of one sequence, and sequences. */
  readonly T: number;
  readonly B: number;
  /**
   * Query heads, key/value heads, query heads per key/value head, columns of a head, the same padded to whole
   * panels.
   */
  readonly H: number;
  readonly G: number;
  readonly group: number;
  readonly D: number;
  readonly DP: number;
  /** Bytes from row to row of qkv, out, lse. */
  readonly qkvRow: number;
  readonly outRow: number;
  readonly lseRow: number;
  readonly causal: boolean;
  /** Rows of queries that stand at one position, side by side: several heads of a key/value head. */
  readonly each: number;
  /** A query sees the last WINDOW positions only: an i32 local of the kernel. */
  readonly windowed: boolean;
  /**
   * A query sees its own document only: the row of the sequence at which it begins stands at `first_q`, for
   * row 0 of a block of queries. Both are locals of the kernel, and so is `q`, that row's place in the
   * sequence.
   */
  readonly documents: boolean;
  readonly scale: number;
  /**
   * Register tile, and the block of queries × keys whose scores stand in scratch. QB is a multiple of MR, KB
   * of 16, NR 8 or 16.
   */
  readonly MR: number;
  readonly NR: number;
  readonly QB: number;
  readonly KB: number;
}

/**
 * `window`: positions that a query sees, itself included; 0 means all. `dense_share`: the share of layers in
 * which the tensor `window` says that all positions are seen.
 */
export const attentionAttrs = {
  heads: 1,
  kv_heads: 1,
  head_dim: 1,
  context: 1,
  causal: true,
  window: 0,
  dense_share: 0,
};
export type AttentionAttrs = AttrTypes<typeof attentionAttrs>;

export function sizesOf(d: Dims, attrs: AttentionAttrs, tiles: Dims, T: number, documents = false): Sizes {
  const H = attrs.heads;
  const G = attrs.kv_heads;
  const D = attrs.head_dim;
  const R = d["R"]!;
  if (H % G !== 0 || d["Q"] !== (H + 2 * G) * D || d["O"] !== H * D || R % T !== 0)
    throw new Error(`attention of ${JSON.stringify({ ...d, ...attrs })}`);
  if (documents && !attrs.causal) throw new Error("documents side by side need attention that looks back");
  return {
    T,
    B: R / T,
    H,
    G,
    group: H / G,
    D,
    DP: ceilTo(D, PANEL),
    qkvRow: rowBytes(d["Q"]),
    outRow: rowBytes(d["O"]),
    lseRow: rowBytes(R),
    causal: attrs.causal,
    each: 1,
    windowed: attrs.window !== 0,
    documents,
    scale: 1 / Math.sqrt(D),
    MR: tiles["MR"]!,
    NR: tiles["NR"]!,
    QB: tiles["QB"]!,
    KB: tiles["KB"]!,
  };
}

/**
 * Blocks of `queries` × `keys` (multiples of 48 = 6 · 8 = 4 · 12, and of 16), no larger than the sequence
 * needs. Where there are several blocks of keys, KB is a multiple of QB: no block of queries then lies before
 * a block of keys.
 */
export function blocks(target: Target, rows: number, positions: number, queries: number, keys: number): Dims {
  const { MR, NR } = registerTile(target);
  return { MR, NR, QB: Math.min(queries, ceilTo(rows, MR)), KB: Math.min(keys, ceilTo(positions, PANEL)) };
}

/**
 * Multiply-adds of one product over the pairs (query, key) that are really needed: causal attention counts
 * half of the square.
 */
export function pairs({ context: T, causal, window, dense_share }: AttentionAttrs): number {
  const dense = causal ? (T * (T + 1)) / 2 : T * T;
  if (window === 0 || window >= T) return dense;
  return dense_share * dense + (1 - dense_share) * (T * window - (window * (window - 1)) / 2);
}

/** Each pair's weight is e to the power of something, forward and backward. */
export const exponentials = ({ R }: Readonly<Record<"R", number>>, a: AttentionAttrs): Applied => ({
  function: "exp",
  numbers: a.heads * pairs(a) * (R / a.context),
});

/**
 * The first of the keys 0 … p that position p may see; for references. `document`: where its document begins.
 */
export const firstSeen = (
  position: number,
  attrs: Pick<AttentionAttrs, "window">,
  window: ArrayLike<number> | undefined,
  document = 0,
): number =>
  attrs.window === 0 ? document : Math.max(document, position + 1 - (window?.[0] ?? attrs.window));

/** Whether the first key that a query sees is another than the sequence's first. */
export const isBounded = ({ windowed, documents }: Pick<Sizes, "windowed" | "documents">): boolean =>
  windowed || documents;

/** The local WINDOW of a windowed kernel: a number, or what the layer's tensor says. */
export const windowLocal = (attrs: Pick<AttentionAttrs, "window">, tensor: string | undefined): string =>
  `const WINDOW = ${tensor ? `load<i32>(${tensor})` : attrs.window};`;

/** Scratch of a kernel: named areas, each on its own cache lines. */
export function areas<N extends string>(
  bytes: Readonly<Record<N, number>>,
): { readonly offsets: readonly (readonly [N, number])[]; readonly total: number } {
  let total = 0;
  const offsets = (Object.keys(bytes) as N[]).map((name) => {
    const at = total;
    total += ceilTo(bytes[name], 64);
    return [name, at] as const;
  });
  return { offsets, total };
}

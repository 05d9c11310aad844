/**
 * Tiles worth trying for one kernel, in two rounds: register tiles first, then cache blocks around the best
 * of them.
 */
import type { Dims } from "../../compiler/ops/kit/signature.ts";
import { rowFloats } from "../../runtime/contract/tensor-layout.ts";
import type { KernelSpec } from "../../compiler/6-tile/kernel-spec.ts";
import { wrongTiles } from "../../compiler/6-tile/tile-choices.ts";

/**
 * Rows × columns. `wide` has 16 registers of 256 bits, the others of 128: two rows of b, a splat, the rest
 * accumulators; a few that spill a little.
 */
const registerTiles: Readonly<Record<KernelSpec["target"], readonly (readonly [number, number])[]>> = {
  wide: [
    [6, 16],
    [5, 16],
    [4, 16],
    [7, 16],
    [8, 8],
    [12, 8],
  ],
  relaxed: [
    [4, 8],
    [5, 8],
    [6, 8],
    [3, 8],
    [2, 16],
    [3, 16],
  ],
  simd: [
    [4, 8],
    [5, 8],
    [6, 8],
    [3, 8],
    [2, 16],
  ],
};

const isAttention = (spec: KernelSpec): boolean => spec.opName.startsWith("attention");

/** The default is the first. */
export function firstRound(spec: KernelSpec): Dims[] {
  if (isAttention(spec)) return possible(spec, [spec.tiles, ...attentionBlocks(spec)]);
  const { MR, NR, KC, PB, RB } = spec.tiles as Record<"MR" | "NR" | "KC" | "PB" | "RB", number>;
  const { M, N } = spec.d as Record<"M" | "N", number>;
  const others = registerTiles[spec.target].map(([mr, nr]) => ({
    MR: mr,
    NR: nr,
    KC,
    PB: clamp((PB * NR) / nr, rowFloats(N) / nr),
    RB: RB >= Math.ceil(M / MR) ? Math.ceil(M / mr) : clamp((RB * MR) / mr, Math.ceil(M / mr)),
  }));
  return possible(spec, [spec.tiles, ...others]);
}

/** Around the first round's best, which is the first again. */
export function secondRound(spec: KernelSpec, best: Dims): Dims[] {
  if (isAttention(spec)) return [best];
  const { MR, NR, KC, PB, RB } = best as Record<"MR" | "NR" | "KC" | "PB" | "RB", number>;
  const { M, N, K } = spec.d as Record<"M" | "N" | "K", number>;
  const rowTiles = Math.ceil(M / MR);
  const panels = rowFloats(N) / NR;
  const steps = (n: number): number => Math.ceil(K / Math.ceil(K / n) / 16) * 16;
  const KCs = [K, ...[1024, 512, 256, 128].filter((n) => n < K).map(steps)].filter((n) => n !== KC);
  return possible(spec, [
    best,
    ...KCs.map((kc) => ({ ...best, KC: Math.min(kc, K) })),
    ...[PB * 2, PB * 4, PB / 2, panels].map((n) => ({ ...best, PB: clamp(n, panels) })),
    ...[RB * 2, RB / 2, 4, rowTiles].map((n) => ({ ...best, RB: clamp(n, rowTiles) })),
    ...KCs.slice(0, 3).map((kc) => ({
      ...best,
      KC: Math.min(kc, K),
      PB: clamp((PB * KC) / kc, panels),
      RB: clamp((RB * KC) / kc, rowTiles),
    })), // as many bytes as before
  ]);
}

function attentionBlocks({ tiles }: KernelSpec): Dims[] {
  const own = tiles as Record<"MR" | "NR" | "QB" | "KB", number>;
  const queries = [own.QB, 48, 96, 192];
  const keys = [own.KB, 96, 192, 256, 384, 512, 768];
  return queries.flatMap((QB) => keys.map((KB) => ({ ...own, QB, KB })));
}

const clamp = (n: number, most: number): number => Math.max(1, Math.min(most, Math.round(n)));

/** Each once, in order; the impossible ones left out. */
function possible(spec: KernelSpec, tiles: readonly Dims[]): Dims[] {
  const seen = new Set<string>();
  return tiles.filter((t) => {
    const text = JSON.stringify(t);
    const known = seen.has(text);
    seen.add(text);
    return !known && wrongTiles(spec, t) === undefined;
  });
}

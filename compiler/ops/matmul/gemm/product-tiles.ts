/**
 * Other tiles of matrix products: an MR × NR register tile; KC steps of k, PB panels of b and RB tiles of
 * rows for each cache block.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import { rowFloats } from "../../../../runtime/contract/tensor-layout.ts";
import { outside, type TileChoices } from "../../kit/tile-choices.ts";

type Sizes = Readonly<Record<"M" | "N" | "K", number>>;
type GemmTiles = Readonly<Record<"MR" | "NR" | "KC" | "PB" | "RB", number>>;

/** Registers of four floats that sums may take at the most; more are spilled on every machine. */
const MOST_ACCUMULATORS = 32;
/** Blocks of k are whole cache lines of b's rows, unless one block is all of k. */
const STEPS = 16;

export const gemmTileChoices: TileChoices<Sizes, unknown> = {
  whyNot({ d: { M, N, K }, tiles: own }, tiles) {
    const { MR, NR, KC, PB, RB } = tiles as GemmTiles;
    if (NR !== 8 && NR !== 16) return `NR ${NR} is neither 8 nor 16`; // epilogues work on pairs of vectors
    return (
      outside("MR", MR, 1, (MOST_ACCUMULATORS * 4) / NR) ??
      outside("KC", KC, 1, K) ??
      (KC !== own["KC"] && KC < K && KC % STEPS !== 0
        ? `KC ${KC} is neither K nor a multiple of ${STEPS}`
        : undefined) ??
      outside("PB", PB, 1, rowFloats(N) / NR) ??
      outside("RB", RB, 1, Math.ceil(M / MR))
    );
  },

  /** Register tiles, with cache blocks of about as many bytes as before. */
  firstRound({ d: { M, N }, target, tiles }) {
    const { MR, NR, KC, PB, RB } = tiles as GemmTiles;
    return registerTiles[target].map(([mr, nr]) => {
      const rowTiles = Math.ceil(M / mr);
      return {
        MR: mr,
        NR: nr,
        KC,
        PB: clamp((PB * NR) / nr, rowFloats(N) / nr),
        RB: RB >= Math.ceil(M / MR) ? rowTiles : clamp((RB * MR) / mr, rowTiles),
      };
    });
  },

  /** Cache blocks around the best: one size after the other, then two at once that keep the bytes. */
  secondRound({ d: { M, N, K } }, best) {
    const { MR, NR, KC, PB, RB } = best as GemmTiles;
    const rowTiles = Math.ceil(M / MR);
    const panels = rowFloats(N) / NR;
    const evenly = (steps: number): number => Math.ceil(K / Math.ceil(K / steps) / STEPS) * STEPS;
    const others = [K, ...[1024, 512, 256, 128].filter((steps) => steps < K).map(evenly)].filter(
      (kc) => kc !== KC,
    );
    return [
      ...others.map((kc) => ({ ...best, KC: Math.min(kc, K) })),
      ...[PB * 2, PB * 4, PB / 2, panels].map((pb) => ({ ...best, PB: clamp(pb, panels) })),
      ...[RB * 2, RB / 2, 4, rowTiles].map((rb) => ({ ...best, RB: clamp(rb, rowTiles) })),
      ...others.slice(0, 3).map((kc) => ({
        ...best,
        KC: Math.min(kc, K),
        PB: clamp((PB * KC) / kc, panels),
        RB: clamp((RB * KC) / kc, rowTiles),
      })),
    ];
  },
};

/**
 * Rows × columns that are worth trying. `wide` has 16 registers of 256 bits, the others have 16 of 128 bits:
 * two for a row of b, one for a splat of a, and the rest for sums. A few of these tiles spill a little.
 */
const registerTiles: Readonly<Record<Target, readonly (readonly [mr: number, nr: number])[]>> = {
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

const clamp = (n: number, most: number): number => Math.max(1, Math.min(most, Math.round(n)));

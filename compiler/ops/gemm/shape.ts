/** The three products as one: out[M,N] = â[M,K] · b̂[K,N], and where the elements of â and b̂ lie. */
import { rowFloats, type Attrs, type Dims, type Kernel, type Target } from "../../op.ts";

export type Form = "nn" | "nt" | "tn";
export type MatmulTensor = "a" | "b" | "bias" | "gate" | "add" | "out" | "pre";

/** Bytes from one row to the next of a tensor with this many columns. */
export const rowBytes = (columns: number): number => rowFloats(columns) * 4;

/** Can the register tile finish its elements by itself? A sum is cheap, an activation is not. (tn has no epilogue at all.) */
export function isLight(k: Kernel<MatmulTensor>): boolean {
  const { activation = "none", derivative = "none" } = k.attrs;
  return activation === "none" && derivative === "none" && !k.has("pre");
}

export const usesFewRows = (form: Form, M: number): boolean => form !== "tn" && M <= 4;

interface Blocks {
  /** Register tile: rows × columns. */
  readonly MR: number;
  readonly NR: number;
}

/** Best of those measured (bench/EXPERIMENTS.md): 12 256-bit accumulators for `wide`, 8 128-bit ones for the others. */
const registerTiles: Record<Target, Blocks> = {
  simd: { MR: 4, NR: 8 },
  relaxed: { MR: 4, NR: 8 },
  wide: { MR: 6, NR: 16 },
};

/**
 * Cache blocks, beside the register tile: KC steps of k at a time; PB packed panels of b at a time; RB tiles of rows at a time.
 * PB · KC · NR floats and (tn) RB · KC · MR floats of scratch.
 */
export function gemmTiles(form: Form, { M, N, K }: Dims & Record<"M" | "N" | "K", number>, _attrs: Attrs, target: Target): Dims {
  if (usesFewRows(form, M)) return {};
  const { MR, NR } = registerTiles[target];
  const rowTiles = Math.ceil(M / MR), panels = rowFloats(N) / NR, MB = 1 << 20;
  if (form === "tn") {
    const KC = Math.min(K, 512);
    return { MR, NR, KC, PB: Math.min(panels, Math.floor(MB / 4 / (KC * NR * 4))), RB: Math.min(rowTiles, Math.floor(MB / (KC * MR * 4))) };
  }
  const PB = Math.max(1, Math.min(panels, Math.floor(MB / (K * NR * 4))));
  return { MR, NR, KC: K, PB, RB: Math.min(rowTiles, Math.max(8, Math.floor(MB / 4 / (K * MR * 4)))) };
}

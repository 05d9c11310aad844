/** The three products as one: out[M,N] = â[M,K] · b̂[K,N], and where the elements of â and b̂ lie. */
import { rowFloats, type Dims, type Kernel, type Target } from "../../op.ts";

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

/** 256 bytes of each row of b are packed at a time (four cache lines, one page), into PB panels. */
const PACKED_ROW_FLOATS = 64;
const KIB = 1024;

/**
 * Cache blocks, beside the register tile: PB packed panels of b (they stay in L2 while rows of a stream by), RB tiles of rows at a
 * time, and, where sums may go to memory and back (tn), KC steps of k. For nn and nt KC = K: a panel that overflows L1 costs less
 * than a second trip of the sums. Scratch: PB · KC · NR floats, and for tn RB · KC · MR.
 */
export function gemmTiles(form: Form, { M, N, K }: Record<"M" | "N" | "K", number>, target: Target): Dims {
  if (usesFewRows(form, M)) return {};
  const { MR, NR } = registerTiles[target], rowTiles = Math.ceil(M / MR), panels = rowFloats(N) / NR;
  const KC = form === "tn" ? Math.min(K, 512) : K, panelBytes = KC * NR * 4, stripBytes = KC * MR * 4;
  return {
    MR, NR, KC,
    PB: Math.min(panels, PACKED_ROW_FLOATS / NR, Math.max(1, Math.floor((512 * KIB) / panelBytes))),
    RB: Math.min(rowTiles, form === "tn" ? Math.floor((1024 * KIB) / stripBytes) : Math.max(8, Math.floor((256 * KIB) / stripBytes))),
  };
}

/** The three products as one: out[M,N] = â[M,K] · b̂[K,N], and where the elements of â and b̂ lie. */
import type { Activation } from "../../../../runtime/contract/model.ts";
import type { Kernel } from "../../kit/op.ts";
import type { Dims } from "../../kit/signature.ts";
import { registerTile } from "../../kit/register-tile.ts";
import { rowFloats } from "../../../../runtime/contract/tensor-layout.ts";
import type { Target } from "../../../../runtime/contract/targets.ts";

export type Form = "nn" | "nt" | "tn";
export type EpilogueTensor = "bias" | "gate" | "add" | "out" | "bend";
export type MatmulTensor = "a" | "b" | EpilogueTensor;

/** They stand in lines (kit/lines.ts). Only products in training have them. */
export type LinesTensor = "gate" | "bend";
export const isLines = (t: EpilogueTensor): t is LinesTensor => t === "gate" || t === "bend";
/** One thing for each tensor of a product, or of one that only infers. */
export type PerTensor<T, N extends string = MatmulTensor> = Readonly<
  Record<Exclude<N, LinesTensor>, T> & Partial<Record<LinesTensor, T>>
>;

/**
 * What is fused into a product: an activation of its elements, and the slope of one as a factor, of which
 * `gate` has the bend (kit/activations.ts).
 */
export interface Epilogue {
  readonly activation: Activation | "none";
  readonly derivative: Activation | "none";
}
/** The kernel of a product. Gradients of weights have no epilogue. */
export type MatmulKernel = Kernel<MatmulTensor | "live", Partial<Epilogue>>;

/**
 * Can the register tile finish its elements by itself? It can add and gate, which is cheap, but an activation
 * is not. (tn has no epilogue at all.)
 */
export const isLight = (k: MatmulKernel): boolean => (k.attrs.activation ?? "none") === "none";

/**
 * Up to so many rows of a, nothing of b is used often enough to be packed (bench/EXPERIMENTS.md); where all
 * rows are live, as in training, register tiles begin earlier.
 */
export const FEW_ROWS = 16;
const FEW_FIXED_ROWS = 4;
export const usesFewRows = (form: Form, M: number, live = false): boolean =>
  form !== "tn" && M <= (live ? FEW_ROWS : FEW_FIXED_ROWS);

/** So many floats of each row of b are packed at a time, into PB panels: four cache lines, 256 bytes. */
const PACKED_ROW_FLOATS = 64;
const KIB = 1024;
/** Panels that are packed at once stay in a second-level cache, beside rows of a. */
const PACKED_BYTES = 640 * KIB;

/** So many panels, of NR columns and so many steps of k, are packed at once at most. */
export const panelsAtOnce = (steps: number, NR: number): number =>
  Math.max(1, Math.floor(Math.min(PACKED_ROW_FLOATS / NR, PACKED_BYTES / (steps * NR * 4))));

/**
 * From so many rows on, a worker's share are rows: the next operation finds in its own caches what this one
 * left there.
 */
export const MANY_ROWS = 512;

/**
 * nn, nt: up to this length K is one block. Sums that take another trip through memory cost more than a panel
 * that overflows L1.
 */
const LONGEST_BLOCK = 4096;

/**
 * Cache blocks, beside the register tile: KC steps of k, PB panels of b and RB tiles of rows at a time, so
 * that PB · KC · NR floats of b and RB · KC · MR floats of a stay in L2. Scratch holds the packed panels, for
 * tn also the packed strips of a, and RB · PB tiles of sums if KC < K.
 */
export const gemmTiles = (form: Form, d: Record<"M" | "N" | "K", number>, target: Target): Dims =>
  usesFewRows(form, d.M) ? {} : blockTiles(form, d, target);

/** The same for any number of rows. Blocks of K are multiples of `multiple`, or so many stretches of K. */
export function blockTiles(
  form: Form,
  { M, N, K }: Record<"M" | "N" | "K", number>,
  target: Target,
  { multiple = 16, stretches }: { readonly multiple?: number; readonly stretches?: number } = {},
): Dims {
  const { MR, NR } = registerTile(target);
  const rowTiles = Math.ceil(M / MR);
  const panels = rowFloats(N) / NR;
  const blocks = (KC: number, PB: number, RB: number): Dims => ({
    MR,
    NR,
    KC,
    PB: Math.max(1, Math.min(panels, Math.floor(PB))),
    RB: Math.min(rowTiles, Math.floor(RB)),
  });
  const panelBytes = (KC: number): number => KC * NR * 4;
  const stripBytes = (KC: number): number => KC * MR * 4;
  if (form === "tn") {
    const KC = Math.min(K, 256);
    // as equal as they can be: each block of rows packs b anew, and a last one of few rows would be dear
    const room = (1024 * KIB) / stripBytes(KC); // for so many; a block has up to half as many again
    const RB = Math.ceil(rowTiles / Math.max(1, Math.round(rowTiles / room)));
    return blocks(KC, panelsAtOnce(KC, NR), RB);
  }
  if (K > LONGEST_BLOCK) {
    const KC = stretches ? Math.ceil(K / stretches) : evenBlocks(K, 256, multiple);
    // a, which is large, is read once per PB panels
    const PB = Math.min(panels, (768 * KIB) / panelBytes(KC));
    return blocks(KC, PB, (1024 * KIB) / (PB * MR * NR * 4));
  }
  return blocks(K, panelsAtOnce(K, NR), Math.max(4, (256 * KIB) / stripBytes(K)));
}

/** Length of blocks of about `most` steps, as equal as multiples of `multiple` allow. */
export const evenBlocks = (K: number, most: number, multiple = 1): number =>
  Math.ceil(K / Math.ceil(K / most) / multiple) * multiple;

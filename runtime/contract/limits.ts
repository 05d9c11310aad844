/**
 * THE table of ranges: how large the numbers of a spec may be. The checker holds specs to it, readers of
 * published files hold what a file says to it before it is used, and run records are checked by it.
 */
import type { SampleSettings, Sizes, TrainSettings } from "./model.ts";

export interface Range {
  /** A real number may be any within the range; a whole one is also a safe integer. */
  readonly kind: "whole" | "real";
  readonly min: number;
  readonly max: number;
  /** `min` itself is excluded. */
  readonly above?: boolean;
}

export const integer = (min: number, max: number): Range => ({ kind: "whole", min, max });
export const real = (min: number, max: number): Range => ({ kind: "real", min, max });
/** Greater than `min`. */
export const realAbove = (min: number, max: number): Range => ({ kind: "real", min, max, above: true });

export const isWithin = ({ kind, min, max, above }: Range, value: unknown): boolean =>
  typeof value === "number" &&
  (kind === "real" || Number.isSafeInteger(value)) &&
  (above ? value > min : value >= min) &&
  value <= max;

/** What such a number is, for messages: "a whole number from 1 to 4096". */
export function rangeText({ kind, min, max, above }: Range): string {
  const what = kind === "whole" ? "a whole number" : "a number";
  return above ? `${what} above ${min}, at most ${max}` : `${what} from ${min} to ${max}`;
}

const TWO_20 = 2 ** 20;
const TWO_24 = 2 ** 24;
/** Steps, and whatever is counted in them. */
const MOST_STEPS = 1_000_000_000;
const MOST_SEED = 2 ** 32 - 1;

/** The model's sizes; `hidden` is the width inside of a part, `window` what attention sees. */
export const sizeRanges = {
  vocab: integer(1, TWO_24),
  context: integer(1, TWO_24),
  width: integer(1, TWO_20),
  layers: integer(1, 10_000),
  heads: integer(1, 65_536),
  kvHeads: integer(1, 65_536),
  headDim: integer(1, 65_536),
  hidden: integer(1, TWO_24),
  window: integer(1, TWO_24),
} as const satisfies Record<keyof Sizes | "hidden" | "window", Range>;

/** A mixture's experts, how many of them a token goes to, and the weight of its load-balancing loss. */
export const expertRanges = { count: integer(1, 4096), top: integer(1, 4096), balance: real(0, 10) } as const;

/** How many texts a module may have room for. */
export const laneRange = integer(1, 1024);

/** What norms add to a variance or a mean square. */
export const epsRange = realAbove(0, 1);

/** Rotary positions: wavelengths, and how they are stretched. */
export const ropeRanges = {
  theta: realAbove(1, 1e12),
  linear: real(1, 1e6),
  factor: real(1, 1e6),
  low: realAbove(0, 1e6),
  high: realAbove(0, 1e6),
  original: integer(1, TWO_24),
} as const;

export const trainRanges = {
  batch: integer(1, TWO_20),
  context: integer(1, TWO_24),
  steps: integer(0, MOST_STEPS),
  accumulate: integer(1, TWO_20),
  lr: realAbove(0, 10),
  minLr: real(0, 10),
  warmup: integer(0, MOST_STEPS),
  beta1: real(0, 0.999999),
  beta2: real(0, 0.999999),
  eps: realAbove(0, 1),
  decay: real(0, 10),
  clip: real(0, 1e9),
  seed: integer(0, MOST_SEED),
  heldOut: real(0, 0.9),
  evalEvery: integer(0, MOST_STEPS),
  sampleEvery: integer(0, MOST_STEPS),
  saveEvery: integer(0, MOST_STEPS),
} as const satisfies Record<
  Exclude<keyof TrainSettings, "rows" | "recompute" | "optimizer" | "schedule">,
  Range
>;

export const stageRanges = { patience: integer(0, 1_000_000) } as const;

/** Of learning from answers of the model itself. */
export const rlRanges = {
  prompts: integer(1, TWO_20),
  group: integer(1, TWO_20),
  answer: integer(1, TWO_24),
  updates: integer(1, 1000),
  target: real(0, 1e6),
  horizon: integer(1, MOST_STEPS),
  penalty: real(0, 1e6),
  /** Discounts. */
  share: real(0, 1),
} as const;

/** An adapter's inner width, and by how much it counts. */
export const loraRanges = { rank: integer(1, 65_536), alpha: realAbove(0, 1e6) } as const;

export const sampleRanges = {
  temperature: real(0, 100),
  topK: integer(0, TWO_24),
  topP: real(0, 1),
  minP: real(0, 1),
  repeatPenalty: realAbove(0, 100),
  tokens: integer(1, MOST_STEPS),
  seed: integer(0, MOST_SEED),
} as const satisfies Record<keyof SampleSettings, Range>;

/** Numbers in the equations of objectives. */
export const objectiveRanges = {
  coefficient: real(0, 1e6),
  positive: realAbove(0, 1e6),
  probability: real(0, 0.499999),
  clip: realAbove(0, 1e3),
} as const;

/**
 * How sure the ratio of two medians is: the bootstrap (Efron 1979). Samples are drawn again from those that
 * there are, as many, with replacement; the middle 95 % of the ratios that come out are the interval. It
 * takes samples for independent of each other.
 *
 * Where there are several processes, these are drawn first, then the samples of each, and what counts is the
 * median of their medians: processes differ more than the samples within one.
 */
import { noise } from "./kernel-numbers.ts";
import { median } from "./statistics.ts";

/** Milliseconds: the samples of each process. */
export type Processes = readonly (readonly number[])[];

export interface RatioInterval {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

export const DRAWS = 1000;
export const CONFIDENCE = 0.95;

export const medianOfMedians = (processes: Processes): number => median(processes.map(median));

/** Median time before ÷ median time after. The same samples give the same interval. */
export function ratioInterval(before: Processes, after: Processes): RatioInterval {
  const next = noise(1);
  const below = (n: number): number => Math.min(n - 1, Math.floor(((next() + 1) / 2) * n));
  const drawn = <T>(from: readonly T[]): T[] => Array.from(from, () => from[below(from.length)]!);
  const once = (processes: Processes): number => medianOfMedians(drawn(processes).map(drawn));
  const ratios = Array.from({ length: DRAWS }, () => once(before) / once(after)).sort((a, b) => a - b);
  const at = (share: number): number => ratios[Math.round(share * (DRAWS - 1))]!;
  const tail = (1 - CONFIDENCE) / 2;
  return { ratio: medianOfMedians(before) / medianOfMedians(after), low: at(tail), high: at(1 - tail) };
}

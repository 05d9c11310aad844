/**
 * Measures something between two readings of the limits that it is held against. A share of a limit says
 * nothing where the limit was another one a minute ago, or where it is that of another piece of the machine:
 *
 *   arithmetic   multiply-adds of f32, or the integer dot products of the weights' format
 *   reading      so many bytes again and again, from the cache that holds them or from memory
 *
 * What comes out above its limit, or while the limit moved, is measured once more, and marked if it stays so.
 */
import type { Target } from "../../runtime/contract/targets.ts";
import type { Arithmetic, LimitMeter } from "./limits.ts";
import { median, ratesOf, type Rates, type Reading } from "./statistics.ts";

/** What something does, each time it runs. */
export interface Work {
  readonly flops: number;
  /** Bytes that must move at least: 0 where only arithmetic is judged. */
  readonly bytes: number;
  /** Bytes of memory that it touches, again and again. Default: as many. */
  readonly touches?: number;
  /** Default: f32. */
  readonly arithmetic?: Arithmetic;
}

/** Why a share of a limit is not to be relied on. */
export type Doubt = "above" | "moved";
export const doubts: Readonly<Record<Doubt, { readonly sign: string; readonly means: string }>> = {
  above: { sign: "!", means: "above 105 % of its limit, in two measurements: do not rely on this limit" },
  moved: { sign: "~", means: "its limit moved by a tenth or more during each of two measurements" },
};
const MOST_OF_LIMIT = 1.05;
const MOST_MOVED = 0.1;
const ATTEMPTS = 2;

/** What a row is held against: the larger reading of the two beside it. */
export interface Limit {
  /** Reading: the bytes that are read again and again. */
  readonly of: Arithmetic | { readonly bytes: number };
  /** 1e9 operations or bytes per second. */
  readonly rate: number;
  /** By which share the second reading differs from the first: −0.1 is a tenth less. */
  readonly moved: number;
}

export interface Judged extends Rates {
  readonly limit: Limit;
  readonly doubt?: Doubt;
  /** Milliseconds: the median, the least, and all of them in their order. */
  readonly ms: number;
  readonly bestMs: number;
  readonly samples: readonly number[];
}

export interface Place {
  readonly meter: LimitMeter;
  readonly target: Target;
  readonly workers: number;
}

/** `measure`: milliseconds of one run, as samples, for each of the works, which are measured together. */
export async function judged(
  place: Place,
  works: readonly Work[],
  measure: () => Promise<readonly (readonly number[])[]>,
): Promise<Judged[]> {
  for (let attempt = 1; ; attempt++) {
    const before = await readings(place, works);
    const times = await measure();
    const after = await readings(place, works);
    const found = works.map((work, i) => judge(work, times[i]!, before[i]!, after[i]!));
    if (attempt === ATTEMPTS || found.every((f) => f.doubt === undefined)) return found;
  }
}

async function readings({ meter, target, workers }: Place, works: readonly Work[]): Promise<Reading[]> {
  const out: Reading[] = [];
  for (const { bytes, touches = bytes, flops, arithmetic = "f32" } of works)
    out.push({
      arithmetic: flops > 0 ? await meter.arithmetic(arithmetic, target, workers) : Infinity,
      read: bytes > 0 ? await meter.read(touches, workers) : Infinity,
    });
  return out;
}

function judge(work: Work, samples: readonly number[], before: Reading, after: Reading): Judged {
  const ms = median(samples);
  const limits = {
    arithmetic: Math.max(before.arithmetic, after.arithmetic),
    read: Math.max(before.read, after.read),
  };
  const rates = ratesOf(work, ms, limits);
  const by = rates.bound === "arithmetic" ? "arithmetic" : "read";
  const moved = after[by] / before[by] - 1;
  const doubt = rates.ofLimit > MOST_OF_LIMIT ? "above" : Math.abs(moved) >= MOST_MOVED ? "moved" : undefined;
  const of = by === "arithmetic" ? (work.arithmetic ?? "f32") : { bytes: work.touches ?? work.bytes };
  return {
    ...rates,
    limit: { of, rate: limits[by], moved },
    ...(doubt && { doubt }),
    ms,
    bestMs: Math.min(...samples),
    samples,
  };
}

/** The numbers of workers, and the fastest target, that a report has figures of. */
import type { Target } from "../../runtime/contract/targets.ts";
import type { BenchReport } from "../suite/bench.ts";

export const measuredWorkers = (r: BenchReport): number[] =>
  Object.keys(r.limits.read)
    .map(Number)
    .sort((a, b) => a - b);
export const bestTarget = (r: BenchReport): Target =>
  (["wide", "relaxed", "simd"] as const).find((t) => r.limits.fma[t])!;

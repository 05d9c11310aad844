/** What becomes of many samples: how long to take them, their median, and the machine's limits beside it. */
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!;

export interface Sampling {
  /** Rounds that come first and do not count. */
  readonly warm: number;
  /** Then at least this many, and at least this long. */
  readonly least: number;
  readonly ms: number;
}

/** Rounds until there are enough. `counts`: the warm-up is over. */
export async function rounds(
  { warm, least, ms }: Sampling,
  round: (counts: boolean, index: number) => Promise<void>,
): Promise<void> {
  let until = Infinity;
  for (let i = 0; i < warm + least || performance.now() < until; i++) {
    if (i === warm) until = performance.now() + ms;
    await round(i >= warm, i);
  }
}

/** Milliseconds of each run that counts. */
export async function timesOf(
  sampling: Sampling,
  run: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  await rounds(sampling, async (counts, index) => {
    const began = performance.now();
    await run(index);
    if (counts) times.push(performance.now() - began);
  });
  return times;
}

/** How fast something was, and how near that is to what the machine can do. */
export interface Rates {
  readonly gflops: number;
  /** GB/s (1e9 bytes). */
  readonly gbs: number;
  readonly bound: "arithmetic" | "memory";
  /** The time that the measured limits allow ÷ the time taken: 0…1. */
  readonly ofLimit: number;
}

interface Work {
  readonly flops: number;
  readonly bytes: number;
  /** Milliseconds that functions of single numbers take at least, beside `flops`. Default: 0. */
  readonly functionsMs?: number;
}

/** What the machine does at most: 1e9 operations and bytes per second. */
export interface Reading {
  readonly arithmetic: number;
  readonly read: number;
}

/**
 * Milliseconds that work takes at least on this machine: for its arithmetic, or, where that is more, for its
 * bytes. What does not decide is 0.
 */
export interface LeastMs {
  readonly multiplyAdds: number;
  /** Functions applied to numbers one by one. */
  readonly functions: number;
  readonly bytes: number;
}

export function leastOf({ flops, bytes, functionsMs: functions = 0 }: Work, limits: Reading): LeastMs {
  const multiplyAdds = flops / limits.arithmetic / 1e6;
  const bytesMs = bytes / limits.read / 1e6;
  return multiplyAdds + functions > bytesMs
    ? { multiplyAdds, functions, bytes: 0 }
    : { multiplyAdds: 0, functions: 0, bytes: bytesMs };
}

/** Of all three. */
export const sumOfLeast = ({ multiplyAdds, functions, bytes }: LeastMs): number =>
  multiplyAdds + functions + bytes;

/** `ms`: how long the work took. */
export function ratesOf(work: Work, ms: number, limits: Reading): Rates {
  const least = leastOf(work, limits);
  return {
    gflops: work.flops / ms / 1e6,
    gbs: work.bytes / ms / 1e6,
    bound: least.bytes > 0 ? "memory" : "arithmetic",
    ofLimit: sumOfLeast(least) / ms,
  };
}

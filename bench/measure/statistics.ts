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

/** `limits`: 1e9 operations and bytes per second. */
export function ratesOf(
  { flops, bytes, ms }: { readonly flops: number; readonly bytes: number; readonly ms: number },
  limits: { readonly arithmetic: number; readonly read: number },
): Rates {
  const arithmeticMs = flops / limits.arithmetic / 1e6;
  const memoryMs = bytes / limits.read / 1e6;
  return {
    gflops: flops / ms / 1e6,
    gbs: bytes / ms / 1e6,
    bound: arithmeticMs > memoryMs ? "arithmetic" : "memory",
    ofLimit: Math.max(memoryMs, arithmeticMs) / ms,
  };
}

/**
 * The side of a peer in its own process: requests come as lines of JSON, answers go back the same way, in
 * order; the first line says what the peer is. bench/suite/peer-process.ts is the other side. stdout belongs
 * to the answers: what a library prints goes to stderr.
 */
import { createInterface } from "node:readline";

export interface Request {
  /** "sgemm", "train", "lora", "infer". */
  readonly what: string;
  /**
   * "256x768x3072", "nt:…", "tn:…" (a stored [K,M]); "S", "M", "gpt2"; "gpt2:4x256:8" (batch, context, rank);
   * a folder with a model.
   */
  readonly which: string;
  readonly threads: number;
  /** Per measurement, warm-up apart. */
  readonly seconds: number;
  /**
   * train, lora, infer: no run begins after so many seconds in all, warm-up included; but one is there to be
   * timed. Absent: as long as it takes.
   */
  readonly within?: number;
}

/** Work per second: GFLOP/s, tokens. */
export interface Rate {
  /** Which measurement it is, where a request makes several. */
  readonly what?: string;
  readonly median: number;
  /** Of all runs together: what somebody gets who waits for them. */
  readonly mean: number;
  readonly best: number;
  readonly runs: number;
}

/** The first line of a peer. */
export interface About {
  readonly about: string;
  /** "AVX-512": the widest vectors that its products use here, as far as it can be found out. */
  readonly vectors?: string;
}

/** All that WebAssembly has, but for what V8 joins when it is asked to. */
export const WASM_VECTORS = "128 bits";

export async function serve(
  about: () => Promise<About>,
  answer: (request: Request) => Promise<readonly Rate[]>,
): Promise<void> {
  const answers = process.stdout.write.bind(process.stdout) as (line: string) => boolean;
  console.log = console.info = console.debug = console.error;
  const say = (value: unknown): void => void answers(`${JSON.stringify(value)}\n`);
  const said = (error: unknown): { error: string } => ({
    error: error instanceof Error ? error.message : String(error),
  });
  try {
    say(await about());
  } catch (error) {
    say(said(error));
    process.exit(1);
  }
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say({ rates: await answer(JSON.parse(line) as Request) });
    } catch (error) {
      say(said(error));
    }
  }
  process.exit(0);
}

/** Milliseconds of each run after the first two: for `seconds`, and at least five. */
export async function durations(run: (i: number) => Promise<unknown>, seconds: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < 2; i++) await run(i);
  for (const until = performance.now() + 1000 * seconds; performance.now() < until || times.length < 5;) {
    const began = performance.now();
    await run(2 + times.length);
    times.push(performance.now() - began);
  }
  return times;
}

/** `work` per run, in units per millisecond · 1000. */
export function rate(work: number, times: readonly number[], what?: string): Rate {
  const sorted = [...times].sort((a, b) => a - b);
  const perSecond = (ms: number): number => (1000 * work) / ms;
  return {
    ...(what !== undefined && { what }),
    median: perSecond(sorted[sorted.length >> 1]!),
    mean: perSecond(times.reduce((sum, ms) => sum + ms, 0) / times.length),
    best: perSecond(sorted[0]!),
    runs: times.length,
  };
}

export interface Product {
  readonly form: "nn" | "nt" | "tn";
  readonly M: number;
  readonly K: number;
  readonly N: number;
  readonly gflop: number;
  /** As stored: a [K,M] in tn, b [N,K] in nt. */
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
}

export function productOf(which: string): Product {
  const [form, sizes] = which.includes(":")
    ? (which.split(":") as ["nt" | "tn", string])
    : (["nn", which] as const);
  const [M, K, N] = sizes.split("x").map(Number) as [number, number, number];
  return {
    form,
    M,
    K,
    N,
    gflop: (2 * M * K * N) / 1e9,
    a: form === "tn" ? [K, M] : [M, K],
    b: form === "nt" ? [N, K] : [K, N],
  };
}

/** Deterministic noise in −1…1. */
export function numbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from(
    { length: count },
    () => (state = (state * 48271) % 2147483647) / 1073741823.5 - 1,
  );
}

/** Compares a few elements of a product with their sums in f64, so that nothing wrong is timed. */
export function checkProduct(
  p: Product,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  out: ArrayLike<number>,
): void {
  for (let sample = 0; sample < 20; sample++) {
    const m = (sample * 7919) % p.M;
    const n = (sample * 104729) % p.N;
    let sum = 0;
    for (let k = 0; k < p.K; k++)
      sum +=
        a[p.form === "tn" ? k * p.M + m : m * p.K + k]! * b[p.form === "nt" ? n * p.K + k : k * p.N + n]!;
    if (!(Math.abs(out[m * p.N + n]! - sum) <= 1e-3 * Math.sqrt(p.K)))
      throw new Error(`out[${m},${n}] is ${out[m * p.N + n]}, should be ${sum}`);
  }
}

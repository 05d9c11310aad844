/**
 * What this machine can do at most, measured by the same means as the kernels: WebAssembly made by asc, on
 * the runtime's own workers.
 *
 *   read    GB/s of a sum over 256 MiB, which no cache holds; each worker reads its part
 *   fma     GFLOP/s of independent multiply-adds in registers, per target: enough chains to hide the latency
 *   dots    the same of integer dot products, as products of q8_0 and q4_0 use them (GOP/s, 2 for each
 *           multiply-add)
 */
import { prelude } from "../../compiler/8-emit/prelude.ts";
import { measuredModule } from "./kernel-module.ts";
import { CONTROL_BYTES } from "../../runtime/contract/control.ts";
import { PAGE_BYTES } from "../../runtime/contract/memory-import.ts";
import type { Target } from "../../runtime/contract/targets.ts";

const READ_BYTES = 256 << 20;
/**
 * Pairs of accumulators. With 128 bits, there are 16 registers in all, and two of them are operands; with 256
 * bits, a pair takes one register.
 */
const PAIRS: Readonly<Record<Target, number>> = { simd: 6, relaxed: 6, wide: 12 };
/** Multiply-adds of one integer dot instruction on 128 bits. */
const DOT_LANES: Readonly<Record<Target, number>> = { simd: 8, relaxed: 16, wide: 16 };
const FMA_ROUNDS = 1 << 21;
const OPERANDS = CONTROL_BYTES;
const RESULTS = CONTROL_BYTES + 64;
const RESULT_BYTES = 1024;
/** Behind the results of as many workers as there can be. */
const READ_FROM = 2 * PAGE_BYTES;

/** By number of workers. */
export type ByWorkers = Readonly<Record<number, number>>;

export interface Limits {
  /** GB/s (1e9 bytes). */
  readonly read: ByWorkers;
  /** GFLOP/s. */
  readonly fma: Partial<Record<Target, ByWorkers>>;
}

/** Measures the limits for every target and number of workers. 1 has to be among `workers`. */
export async function measureLimits(targets: readonly Target[], workers: readonly number[]): Promise<Limits> {
  const most = Math.max(...workers);
  const fma: Partial<Record<Target, ByWorkers>> = {};
  for (const target of targets) {
    const flops = (n: number): number => 2 * 8 * PAIRS[target] * FMA_ROUNDS * n;
    fma[target] = await measure(
      { source: multiplyAdds(target), target, bytes: READ_FROM, mostWorkers: most, entries: ["fma"] },
      "fma",
      workers,
      flops,
    );
  }
  const read = await measure(readPlan(most), "read", workers, () => READ_BYTES);
  return { read, fma };
}

/** The rate of integer dot products on one target. */
export function measureDots(target: Target, workers: readonly number[]): Promise<ByWorkers> {
  const operations = (n: number): number => 2 * DOT_LANES[target] * 2 * PAIRS[target] * FMA_ROUNDS * n;
  const mostWorkers = Math.max(...workers);
  const plan = { source: dots(target), target, bytes: READ_FROM, mostWorkers, entries: ["dots"] };
  return measure(plan, "dots", workers, operations);
}

const readPlan = (mostWorkers: number): Plan => ({
  source: reading(),
  target: "wide",
  bytes: READ_FROM + READ_BYTES,
  mostWorkers,
  entries: ["read"],
});

/**
 * Measures the read limit again and again, between other measurements, because what memory gives changes by a
 * factor of two within minutes.
 */
export interface ReadMeter {
  /** GB/s now: the best of three calls after one that wakes the threads. */
  rate(): Promise<number>;
  close(): Promise<void>;
}

export async function readMeter(workers: number): Promise<ReadMeter> {
  const { call, close } = await measuredModule(readPlan(workers), prepared);
  const rate = async (): Promise<number> => {
    await call("read", workers);
    let ms = Infinity;
    for (let i = 0; i < 3; i++) ms = Math.min(ms, await call("read", workers));
    return READ_BYTES / ms / 1e6;
  };
  return { rate, close };
}

type Plan = Parameters<typeof measuredModule>[0];

function prepared<C>(memory: WebAssembly.Memory, call: C): { call: C } {
  new Float32Array(memory.buffer).fill(1, READ_FROM / 4); // touches every page
  new Float32Array(memory.buffer, OPERANDS, 3).set([0.5, 0.25, 1]);
  return { call };
}

/** Work per nanosecond. */
async function measure(
  plan: Plan,
  entry: string,
  workers: readonly number[],
  work: (workers: number) => number,
): Promise<ByWorkers> {
  const module = await measuredModule(plan, prepared);
  try {
    const rates: Record<number, number> = {};
    for (const n of workers) rates[n] = work(n) / (await least(() => module.call(entry, n))) / 1e6;
    return rates;
  } finally {
    await module.close();
  }
}

const reading = (): string => `${prelude("wide")}
export function read(worker: i32): void {
  let lo0 = ZERO, hi0 = ZERO, lo1 = ZERO, hi1 = ZERO;
  const from: usize = ${READ_FROM} + <usize>share(${READ_BYTES / 64}, worker) * 64;
  const end: usize = ${READ_FROM} + <usize>share(${READ_BYTES / 64}, worker + 1) * 64;
  for (let at = from; at < end; at += 64) {
    lo0 = f32x4.add(lo0, v128.load(at));
    hi0 = f32x4.add(hi0, v128.load(at, 16));
    lo1 = f32x4.add(lo1, v128.load(at, 32));
    hi1 = f32x4.add(hi1, v128.load(at, 48));
  }
  const to: usize = ${RESULTS} + <usize>worker * ${RESULT_BYTES};
  v128.store(to, f32x4.add(lo0, lo1));
  v128.store(to, f32x4.add(hi0, hi1), 16);
  barrier();
}`;

const multiplyAdds = (target: Target): string => chains(target, "fma", (half) => `madd(a, ${half}, b)`);

/** Each result is an operand of the next one, so that no part of an instruction can leave the loop. */
const dots = (target: Target): string =>
  chains(target, "dots", (half) =>
    target === "simd"
      ? `i32x4.add(i32x4.dot_i16x8_s(${half}, b), a)`
      : `i32x4.relaxed_dot_i8x16_i7x16_add_s(${half}, b, ${half})`,
  );

/**
 * An entry that computes in as many chains as there are registers; `step` is what follows a chain's value.
 */
function chains(target: Target, entry: string, step: (half: string) => string): string {
  const pairs = Array.from({ length: PAIRS[target] }, (_, i) => i);
  const halves = pairs.flatMap((i) => [`lo${i}`, `hi${i}`]);
  const start = halves.map((half) => `  let ${half} = v128.load32_splat(${OPERANDS + 8});`);
  const round = halves.map((half) => `    ${half} = ${step(half)};`);
  const stores = halves.map((half, i) => `  v128.store(to, ${half}, ${16 * i});`);
  return `${prelude(target)}
export function ${entry}(worker: i32): void {
  const a = v128.load32_splat(${OPERANDS});
  const b = v128.load32_splat(${OPERANDS + 4});
  const to: usize = ${RESULTS} + <usize>worker * ${RESULT_BYTES};
${start.join("\n")}
  for (let i = 0; i < ${FMA_ROUNDS}; i++) {
${round.join("\n")}
  }
${stores.join("\n")}
  barrier();
}`;
}

/**
 * The fewest milliseconds of a call, after a warm-up: a limit is what the machine does when nothing disturbs
 * it.
 */
async function least(run: () => Promise<number>, samples = 25): Promise<number> {
  for (const start = performance.now(); performance.now() - start < 100;) await run();
  let ms = Infinity;
  for (let i = 0; i < samples; i++) ms = Math.min(ms, await run());
  return ms;
}

/**
 * What this machine can do at most, measured by the same means as the kernels: WebAssembly made by asc, one worker.
 *
 *   read    GB/s of a sum over 128 MiB, which no cache holds
 *   fma     GFLOP/s of independent multiply-adds in registers, per target: enough chains to hide the latency
 */
import { prelude } from "../compiler/8-emit/prelude.ts";
import { assemble, withSharedMemory } from "../compiler/9-bundle/assemble.ts";
import type { Target } from "../compiler/op.ts";
import { joinPairs } from "../test/harness.ts";

const READ_BYTES = 128 << 20, READ_FROM = 65536;
/** Pairs of accumulators. 128 bits: 16 registers in all, two of them operands; 256 bits: the same pairs are half as many. */
const PAIRS: Readonly<Record<Target, number>> = { simd: 6, relaxed: 6, wide: 12 };
const FMA_ROUNDS = 1 << 16;

export interface Limits {
  /** GB/s (1e9 bytes). */
  readonly read: number;
  /** GFLOP/s. */
  readonly fma: Partial<Record<Target, number>>;
}

export async function measureLimits(targets: readonly Target[]): Promise<Limits> {
  const fma: Partial<Record<Target, number>> = {};
  for (const target of targets) {
    const { fma: run } = await kernels(target);
    fma[target] = (2 * 8 * PAIRS[target] * FMA_ROUNDS) / median(() => run(FMA_ROUNDS)) / 1e6;
  }
  const { read } = await kernels("wide");
  return { read: READ_BYTES / median(() => read(READ_BYTES)) / 1e6, fma };
}

async function kernels(target: Target): Promise<{ read(bytes: number): void; fma(rounds: number): void }> {
  const pairs = Array.from({ length: PAIRS[target] }, (_, i) => i), halves = pairs.flatMap((i) => [`lo${i}`, `hi${i}`]);
  const source = `${prelude(target)}
export function read(bytes: usize): void {
  let lo0 = ZERO, hi0 = ZERO, lo1 = ZERO, hi1 = ZERO;
  for (let at: usize = ${READ_FROM}, end = at + bytes; at < end; at += 64) {
    lo0 = f32x4.add(lo0, v128.load(at));
    hi0 = f32x4.add(hi0, v128.load(at, 16));
    lo1 = f32x4.add(lo1, v128.load(at, 32));
    hi1 = f32x4.add(hi1, v128.load(at, 48));
  }
  v128.store(1024, f32x4.add(lo0, lo1));
  v128.store(1024, f32x4.add(hi0, hi1), 16);
}
export function fma(rounds: i32): void {
  const a = v128.load32_splat(2048), b = v128.load32_splat(2052);
  let ${halves.map((h) => `${h} = v128.load32_splat(2056)`).join(", ")};
  for (let i = 0; i < rounds; i++) {
${halves.map((h) => `    ${h} = madd(a, ${h}, b);`).join("\n")}
  }
${pairs.map((i) => `  v128.store(${1024 + 32 * i}, lo${i});\n  v128.store(${1024 + 32 * i}, hi${i}, 16);`).join("\n")}
}`;
  const pages = (READ_FROM + READ_BYTES) / 65536;
  const { wasm, memoryFlagOffset } = await assemble(source, target, pages);
  joinPairs(target);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(withSharedMemory(wasm, memoryFlagOffset, false)), { env: { memory, abort() {} } });
  new Float32Array(memory.buffer, 2048, 3).set([0.5, 0.25, 1]);
  new Float32Array(memory.buffer, READ_FROM).fill(1); // touches every page
  return instance.exports as unknown as { read(bytes: number): void; fma(rounds: number): void };
}

/** Median milliseconds of one call, after a warm-up that reaches the optimizing tier. */
export function median(run: () => void, samples = 15): number {
  for (const start = performance.now(); performance.now() - start < 150; ) run();
  return Array.from({ length: samples }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  }).sort((a, b) => a - b)[samples >> 1]!;
}

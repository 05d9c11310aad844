/**
 * What this machine's vector unit can do, measured with a small module (probe-module.ts). This tells whether
 * an engine knows a target, whether `wide` computes rightly and pays, and what the machine's peak is for MFU.
 */
import { sin } from "../contract/exact-math.ts";
import type { Target } from "../contract/targets.ts";
import type { Host } from "./host.ts";
import { PROBE_A, PROBE_B, PROBE_C, PROBE_K, PROBE_ROWS, PROBE_VECTORS, probeBytes } from "./probe-module.ts";

export { probeBytes } from "./probe-module.ts";

export interface Probe {
  /** The result agrees with the same sums in JavaScript. */
  readonly right: boolean;
  readonly gflops: number;
}

/**
 * So many runs are made however long they take: on a busy machine, a few milliseconds may have room for a
 * single run, and that one may be held up.
 */
const LEAST_RUNS = 24;
/** Floating-point operations of one run: a tenth of a millisecond or more. */
const RUN_FLOPS = 1e7;
/** Differences of c are rounding up to this. */
const TOLERANCE = 1e-4;
/** Before the result is looked at, c is computed so many times over. */
const CHECKED_TIMES = 3;

/**
 * The best of many short runs, in `ms` milliseconds or more: the machine may be busy with other things, and
 * what is chosen by the probe must not depend on that. Undefined: the engine does not know the instructions.
 */
export async function probe(target: Target, ms: number, host: Host): Promise<Probe | undefined> {
  const bytes = probeBytes(target);
  if (!WebAssembly.validate(bytes)) return undefined;
  const exports = new WebAssembly.Instance(host.compile(bytes)).exports as unknown as {
    m: WebAssembly.Memory;
    run(times: number): void;
  };
  const f32 = new Float32Array(exports.m.buffer);
  for (let i = 0; i < 16; i++) f32[PROBE_A / 4 + i] = Math.fround(0.3 + 0.01 * i);
  for (let i = 0; i < PROBE_K * 16; i++) f32[PROBE_B / 4 + i] = Math.fround(sin(i) / 8);
  const flopsPerTime = PROBE_K * PROBE_ROWS[target] * PROBE_VECTORS[target] * 4 * 2;
  const times = Math.ceil(RUN_FLOPS / flopsPerTime);
  let best = 0;
  for (let runs = 0, start = performance.now(); runs < LEAST_RUNS || performance.now() - start < ms; runs++) {
    const t = performance.now();
    exports.run(times);
    best = Math.max(best, (times * flopsPerTime) / (performance.now() - t) / 1e6);
    await host.breathe();
  }
  exports.run(CHECKED_TIMES);
  return { right: agrees(f32, target), gflops: best };
}

const FIRST_PEAK_MS = 40;
const NEXT_PEAK_MS = 5;

/**
 * The most that was ever measured on this machine, in GFLOP/s: one that is busy now has no smaller peak, and
 * a short look is enough where a long one was taken before. Undefined: the engine does not know the target.
 */
export async function peakGflops(target: Target, host: Host): Promise<number | undefined> {
  const about = ["peak GFLOP/s", target];
  const found = await host.findings?.read(about);
  const before = typeof found === "number" ? found : 0;
  const measured = await probe(target, before > 0 ? NEXT_PEAK_MS : FIRST_PEAK_MS, host);
  if (!measured || measured.gflops <= before) return measured && before;
  await host.findings?.write(about, measured.gflops);
  return measured.gflops;
}

function agrees(f32: Float32Array, target: Target): boolean {
  const vectors = PROBE_VECTORS[target];
  for (let r = 0; r < PROBE_ROWS[target]; r++)
    for (let j = 0; j < vectors * 4; j++) {
      let sum = 0;
      for (let k = 0; k < PROBE_K; k++)
        sum += f32[PROBE_A / 4 + r]! * f32[PROBE_B / 4 + k * 16 + j]! * CHECKED_TIMES;
      if (!(Math.abs(f32[PROBE_C / 4 + r * vectors * 4 + j]! - sum) <= TOLERANCE)) return false;
    }
  return true;
}

/** Whether the engine takes a module that declares a shared memory, and a page is allowed to make one. */
export const threadsSupported = (): boolean =>
  typeof SharedArrayBuffer === "function" &&
  WebAssembly.validate(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 4, 1, 3, 1, 1]));

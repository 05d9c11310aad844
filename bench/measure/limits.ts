/**
 * What this machine can do at most, measured by the same means as the kernels: WebAssembly made by asc, on
 * the runtime's own workers. Machines get faster and slower within minutes, so a limit counts for what was
 * measured next to it: a meter stays open, and is read between two measurements.
 *
 *   arithmetic   GFLOP/s of multiply-adds in registers; GOP/s of integer dot products, by those instructions
 *                that products of weights in this format take here (2 operations for each multiply-add)
 *   elements     1e9 numbers per second to which e^x, or an activation, is applied in L1
 *   read         GB/s of reading as many bytes again and again, each worker its part: what the cache gives
 *                that holds them, or memory where none does
 */
import { waysOf } from "../../compiler/ops/matmul/quantised/group-sums.ts";
import type { ElementFunction } from "../../runtime/contract/profile-site.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { IntegerFormat } from "../../runtime/contract/weight-rows.ts";
import { measuredModule } from "./kernel-module.ts";
import {
  ANSWERS,
  chainNames,
  chainOperations,
  chainsSource,
  ELEMENT_BYTES,
  ELEMENTS,
  elementsSource,
  OPERANDS,
  READ_BLOCK,
  READ_BLOCKS,
  READ_FROM,
  READ_TIMES,
  readSource,
  type ChainName,
} from "./limit-sources.ts";

/** What is multiplied: f32, or integers as products of weights in this format do it. */
export type Arithmetic = "f32" | IntegerFormat;

export interface LimitMeter {
  /** 1e9 operations per second. */
  arithmetic(what: Arithmetic, target: Target, workers: number): Promise<number>;
  /** 1e9 numbers per second to which a function is applied, in L1. */
  elements(what: ElementFunction, target: Target, workers: number): Promise<number>;
  /** GB/s (1e9 bytes). More bytes than MEMORY_BYTES are read like those: no cache holds them. */
  read(bytes: number, workers: number): Promise<number>;
  close(): Promise<void>;
}

/** No cache holds so many bytes. */
export const MEMORY_BYTES = 256 << 20;
/** Samples of which the best one counts: a limit is what the machine does when nothing disturbs it. */
const CHAIN_SAMPLES = 5;
const READ_SAMPLES = 3;
/** A shorter call would measure how long threads take to wake up. */
const LEAST_READ_MS = 4;
/** A call is made longer by no more than this at once. */
const MOST_LONGER = 50;
/** New threads and code need so much time to come to their speed. */
const WARM_MS = 100;

interface Opened {
  readonly words: Int32Array;
  call(entry: string): Promise<number>;
  close(): Promise<void>;
}

/** Modules are made when they are needed first, one for each target and number of workers. */
export function limitMeter(): LimitMeter {
  const opened = new Map<string, Promise<Opened>>();
  const once = (key: string, open: () => Promise<Opened>): Promise<Opened> => {
    const module = opened.get(key) ?? open();
    opened.set(key, module);
    return module;
  };
  return {
    async arithmetic(what, target, workers) {
      const module = await once(`${target} ${workers}`, () => openChains(target, workers));
      const name = what === "f32" ? "fma" : wayOf(what, target, module.words);
      const ms = await least(CHAIN_SAMPLES, () => module.call(name));
      return (chainOperations(name, target) * workers) / ms / 1e6;
    },
    async elements(what, target, workers) {
      const module = await once(`${what} ${target} ${workers}`, () => openElements(what, target, workers));
      return (ELEMENTS * workers) / (await least(CHAIN_SAMPLES, () => module.call("elements"))) / 1e6;
    },
    async read(bytes, workers) {
      const module = await once(`read ${workers}`, () => openRead(workers));
      return readRate(module, bytes, workers);
    },
    async close() {
      for (const module of opened.values()) await (await module).close();
      opened.clear();
    },
  };
}

/** The way that kernels take on this machine. */
function wayOf(format: IntegerFormat, target: Target, words: Int32Array): ChainName {
  const { usual, quick } = waysOf(format, target);
  const [oneInstruction, unsigned] = [words[ANSWERS / 4], words[ANSWERS / 4 + 1]];
  const answer = quick?.name === "bytes" ? unsigned : oneInstruction;
  return (quick && answer ? quick : usual).name;
}

async function openChains(target: Target, workers: number): Promise<Opened> {
  const entries = ["ask", ...chainNames(target)];
  const module = await openModule(chainsSource(target), target, READ_FROM, workers, entries);
  await module.call("ask");
  await warm(() => module.call("fma"));
  return module;
}

async function openElements(what: ElementFunction, target: Target, workers: number): Promise<Opened> {
  const end = READ_FROM + workers * ELEMENT_BYTES;
  const module = await openModule(elementsSource(what, target), target, end, workers, ["elements"]);
  await warm(() => module.call("elements"));
  return module;
}

async function openRead(workers: number): Promise<Opened> {
  const module = await openModule(readSource(), "wide", READ_FROM + MEMORY_BYTES, workers, ["read"]);
  new Float32Array(module.words.buffer).fill(1, READ_FROM / 4); // touches every page
  await warm(() => readOnce(module, MEMORY_BYTES / READ_BLOCK, 1));
  return module;
}

const openModule = (
  source: string,
  target: Target,
  bytes: number,
  workers: number,
  entries: readonly string[],
): Promise<Opened> =>
  measuredModule({ source, target, bytes, mostWorkers: workers, entries }, (memory, call) => {
    new Float32Array(memory.buffer, OPERANDS, 3).set([0.5, 0.25, 1]);
    return { words: new Int32Array(memory.buffer), call: (entry) => call(entry, workers) };
  });

function readOnce(module: Opened, blocks: number, times: number): Promise<number> {
  module.words[READ_BLOCKS / 4] = blocks;
  module.words[READ_TIMES / 4] = times;
  return module.call("read");
}

async function readRate(module: Opened, bytes: number, workers: number): Promise<number> {
  const wanted = Math.ceil(Math.min(bytes, MEMORY_BYTES) / READ_BLOCK);
  const blocks = Math.ceil(wanted / workers) * workers; // none has more to read than another
  let times = 1;
  const twice = (): Promise<number> => least(1, () => readOnce(module, blocks, times));
  for (let ms = 0; (ms = await twice()) < LEAST_READ_MS / 2;)
    times = Math.ceil(times * Math.min(MOST_LONGER, LEAST_READ_MS / ms));
  const leastMs = await least(READ_SAMPLES, () => readOnce(module, blocks, times));
  return (blocks * READ_BLOCK * times) / leastMs / 1e6;
}

async function warm(run: () => Promise<number>): Promise<void> {
  for (const start = performance.now(); performance.now() - start < WARM_MS;) await run();
}

async function least(samples: number, run: () => Promise<number>): Promise<number> {
  await run(); // wakes the threads
  let ms = Infinity;
  for (let i = 0; i < samples; i++) ms = Math.min(ms, await run());
  return ms;
}

/** By number of workers. */
export type ByWorkers = Readonly<Record<number, number>>;

/** The limits of a machine at one time. */
export interface Limits {
  /** GB/s of memory. */
  readonly read: ByWorkers;
  /** GFLOP/s. */
  readonly fma: Partial<Record<Target, ByWorkers>>;
}

/** Reads the limits of every target and number of workers once. */
export async function limitsNow(
  meter: LimitMeter,
  targets: readonly Target[],
  workers: readonly number[],
): Promise<Limits> {
  const by = async (rate: (n: number) => Promise<number>): Promise<ByWorkers> => {
    const rates: Record<number, number> = {};
    for (const n of workers) rates[n] = await rate(n);
    return rates;
  };
  const fma: Partial<Record<Target, ByWorkers>> = {};
  for (const target of targets) fma[target] = await by((n) => meter.arithmetic("f32", target, n));
  return { read: await by((n) => meter.read(MEMORY_BYTES, n)), fma };
}

/** The same for who needs them once. */
export async function measureLimits(targets: readonly Target[], workers: readonly number[]): Promise<Limits> {
  const meter = limitMeter();
  try {
    return await limitsNow(meter, targets, workers);
  } finally {
    await meter.close();
  }
}

/**
 * Measures where the time of a training step, a prompt or a token goes, kernel by kernel, with a module that
 * is compiled to time itself (compiler/8-emit/stopwatch.ts): time in the kernel, time of waiting for other
 * workers after it, arithmetic, bytes, and share of the limit.
 */
import { compileModel } from "../../compiler/compile.ts";
import type { CompileOptions } from "../../compiler/compile-options.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { joinPairs, noise, randomTokens } from "./kernel-numbers.ts";
import { PROMPT } from "./random-tokens.ts";
import { leastOf, median, ratesOf, timesOf, type LeastMs, type Rates } from "./statistics.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import type { ElementFunction } from "../../runtime/contract/profile-site.ts";
import type { SiteTimes } from "../../runtime/engine/profile.ts";
import { MEMORY_BYTES, type LimitMeter } from "./limits.ts";

export const profiled = ["train", "prefill", "decode"] as const;
export type ProfiledEntry = (typeof profiled)[number];

/**
 * Rates are of all workers together. Bytes are those that a call touches: a core writes in place what it has
 * read, and the limit is one of reading.
 */
export interface KernelRow extends Rates {
  readonly section: string;
  readonly op: string;
  readonly kernel: string;
  readonly calls: number;
  /** Milliseconds per run of the entry, mean over the workers: in the kernel, and at the barrier after it. */
  readonly ms: number;
  readonly waitingMs: number;
  /** Share of the entry's time. */
  readonly share: number;
  /** Per run of the entry. */
  readonly least: LeastMs;
}

export interface Profile {
  readonly entry: ProfiledEntry;
  readonly target: Target;
  readonly workers: number;
  /** Median milliseconds of a run as the caller sees it. */
  readonly ms: number;
  readonly runs: number;
  readonly tokens: number;
  readonly gflops: number;
  /** Multiply-adds in registers: the larger reading of the two. */
  readonly limitGflops: number;
  /**
   * Milliseconds per run, mean over the workers: in kernels, at barriers, and the rest (starting threads,
   * copying logits).
   */
  readonly busyMs: number;
  readonly waitingMs: number;
  readonly outsideMs: number;
  /** Largest first. */
  readonly kernels: readonly KernelRow[];
}

export interface ProfileOptions {
  readonly entry: ProfiledEntry;
  readonly target: Target;
  readonly workers: number;
  /** Is read just before and just after the runs. */
  readonly meter: LimitMeter;
  /** Milliseconds of measuring. */
  readonly ms: number;
  /** What else the module is compiled with. */
  readonly compile?: Pick<CompileOptions, "lora" | "weights">;
}

const WARM_RUNS = 2;

export async function profileModel(source: Model, o: ProfileOptions): Promise<Profile> {
  const name = o.entry === "train" ? "train" : "infer";
  const bundle = await compileModel(source, {
    ...o.compile,
    targets: [o.target],
    modules: [name],
    profile: true,
  });
  joinPairs(o.target);
  const model = await createModel(bundle, name, {
    host: nodeHost,
    workers: o.workers,
    target: o.target,
    seed: 1,
  });
  try {
    const before = await multiplyAdds(o);
    const run = o.entry === "train" ? steps(model) : prompts(model, o.entry);
    for (let warm = 0; warm < WARM_RUNS; warm++) await run();
    model.profile("clear");
    const times = await timesOf({ warm: 0, least: 3, ms: o.ms }, run);
    return await summary(model, o, times, Math.max(before, await multiplyAdds(o)));
  } finally {
    await model.close();
  }
}

function steps(model: RunningModel): () => Promise<unknown> {
  const { batch, context } = model.entry("train");
  const { vocab } = model.manifest.model.sizes;
  const next = noise(7);
  const ids = (): Int32Array => randomTokens(next, batch * context, vocab);
  const tokens = ids();
  const targets = ids();
  let step = 0;
  return () => model.trainStep([{ tokens, targets }], { lr: 1e-3, step: ++step });
}

/** Runs a prompt at once; or tokens one by one after a prompt, as many as the context allows. */
function prompts(model: RunningModel, entry: "prefill" | "decode"): () => Promise<unknown> {
  const { vocab, context } = model.manifest.model.sizes;
  const rows = Math.min(model.entry("prefill").context, PROMPT, context - 1);
  const prompt = Array.from({ length: rows }, (_, i) => (i * 7919) % vocab);
  if (entry === "prefill") return () => model.feed(prompt, 0);
  let at = 0;
  return () => {
    at = at < rows || at === context - 1 ? rows : at + 1;
    return at === rows
      ? model.feed(prompt, 0).then(() => model.feed([1 % vocab], at))
      : model.feed([1 % vocab], at);
  };
}

async function summary(
  model: RunningModel,
  o: ProfileOptions,
  times: readonly number[],
  arithmetic: number,
): Promise<Profile> {
  const { batch, context, flops } = model.entry(o.entry);
  const sites = model.profile()!.filter((s) => s.entry === o.entry && s.calls > 0);
  const runs = sites[0]!.calls / sites[0]!.times;
  const mean = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0) / o.workers / runs;
  const sum = (of: (s: SiteTimes) => number): number => sites.reduce((total, s) => total + of(s), 0);
  const busyMs = sum((s) => mean(s.busy));
  const waitingMs = sum((s) => mean(s.waiting));
  const limitsOf = await siteLimits(sites, o);
  const kernels = sites
    .map((s): KernelRow => {
      const ms = mean(s.busy);
      const { read, functionsMs } = limitsOf(s);
      const work = { flops: s.flops * s.times, bytes: s.touches * s.times, functionsMs };
      const limits = { arithmetic, read };
      return {
        section: s.section,
        op: s.op,
        kernel: s.kernel,
        calls: s.times,
        ms,
        waitingMs: mean(s.waiting),
        share: (ms + mean(s.waiting)) / (busyMs + waitingMs),
        least: leastOf(work, limits),
        ...ratesOf(work, ms, limits),
      };
    })
    .sort((a, b) => b.share - a.share);
  const ms = median(times);
  return {
    entry: o.entry,
    target: o.target,
    workers: o.workers,
    ms,
    runs: times.length,
    tokens: o.entry === "decode" ? 1 : batch * context,
    gflops: flops / ms / 1e6,
    limitGflops: arithmetic,
    busyMs,
    waitingMs,
    outsideMs: Math.max(0, times.reduce((a, b) => a + b, 0) / times.length - busyMs - waitingMs),
    kernels,
  };
}

/**
 * Bytes that stand for what a kernel reads: no more than one call's may come from a cache, where a kernel
 * before has just left them. Weights of a token come round once for each token, those of all layers together.
 * Rounded to a power of √2, so that a few readings serve all kernels.
 */
function readTogether({ touches, times }: SiteTimes, { entry }: ProfileOptions): number {
  const together = entry === "decode" ? touches * times : touches;
  return Math.min(MEMORY_BYTES, Math.round(2 ** (Math.round(2 * Math.log2(Math.max(1, together))) / 2)));
}

const multiplyAdds = ({ meter, target, workers }: ProfileOptions): Promise<number> =>
  meter.arithmetic("f32", target, workers);

/** What the machine does at most for a site. */
interface SiteLimits {
  /** GB/s. */
  readonly read: number;
  /** Milliseconds that the functions of its calls take at least. */
  readonly functionsMs: number;
}

async function siteLimits(
  sites: readonly SiteTimes[],
  o: ProfileOptions,
): Promise<(site: SiteTimes) => SiteLimits> {
  const { meter, target, workers } = o;
  const functions = new Map<ElementFunction, number>();
  for (const name of new Set(sites.flatMap((s) => s.applies?.function ?? [])))
    functions.set(name, await meter.elements(name, target, workers));
  const reads = new Map<number, number>();
  for (const bytes of new Set(sites.map((s) => readTogether(s, o))))
    reads.set(bytes, await meter.read(bytes, workers));
  return (site) => ({
    read: reads.get(readTogether(site, o))!,
    functionsMs: site.applies
      ? (site.applies.numbers * site.times) / functions.get(site.applies.function)! / 1e6
      : 0,
  });
}

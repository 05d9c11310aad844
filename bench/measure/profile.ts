/**
 * Where the time of a training step, a prompt or a token goes, kernel by kernel, from a module that is
 * compiled to time itself (compiler/8-emit/stopwatch.ts): seconds of work, seconds of waiting for other
 * workers after it, arithmetic, bytes, share of the limit.
 */
import { compileModel } from "../../compiler/compile.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { joinPairs, noise } from "./kernel-numbers.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import type { SiteTimes } from "../../runtime/engine/profile.ts";
import { rateText } from "../../runtime/contract/amounts.ts";
import type { Limits } from "./limits.ts";

export const profiled = ["train", "prefill", "decode"] as const;
export type ProfiledEntry = (typeof profiled)[number];

export interface KernelRow {
  readonly section: string;
  readonly kernel: string;
  readonly calls: number;
  /** Milliseconds per run of the entry, mean over the workers: in the kernel, and at the barrier after it. */
  readonly ms: number;
  readonly waitingMs: number;
  /** Of the entry's time. */
  readonly share: number;
  /** Of all workers together. */
  readonly gflops: number;
  readonly gbs: number;
  readonly bound: "arithmetic" | "memory";
  /** Time that the measured limits allow ÷ time taken. What caches hold can be above 1. */
  readonly ofLimit: number;
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
  /**
   * Milliseconds per run, mean over the workers: in kernels, at barriers; and what is left (starting threads,
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
  readonly limits: Limits;
  /** Milliseconds of measuring. */
  readonly ms: number;
}

const PROMPT = 128;

export async function profileModel(source: Model, o: ProfileOptions): Promise<Profile> {
  const name = o.entry === "train" ? "train" : "infer";
  const bundle = await compileModel(source, { targets: [o.target], modules: [name], profile: true });
  joinPairs(o.target);
  const model = await createModel(bundle, name, {
    host: nodeHost,
    workers: o.workers,
    target: o.target,
    seed: 1,
  });
  try {
    const run = o.entry === "train" ? steps(model) : prompts(model, o.entry);
    for (let warm = 0; warm < 2; warm++) await run();
    model.profile("clear");
    const times: number[] = [];
    for (const until = performance.now() + o.ms; times.length < 3 || performance.now() < until;) {
      const began = performance.now();
      await run();
      times.push(performance.now() - began);
    }
    return summary(model, o, times);
  } finally {
    await model.close();
  }
}

function steps(model: RunningModel): () => Promise<unknown> {
  const { batch, context } = model.entry("train");
  const { vocab } = model.manifest.model.sizes;
  const next = noise(7);
  const ids = (): Int32Array =>
    Int32Array.from({ length: batch * context }, () => Math.floor((next() + 1) * 0.49999 * vocab));
  const tokens = ids();
  const targets = ids();
  let step = 0;
  return () => model.trainStep([{ tokens, targets }], { lr: 1e-3, step: ++step });
}

/** A prompt at once; or tokens one by one behind a prompt, as often as the context allows. */
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

function summary(model: RunningModel, o: ProfileOptions, times: readonly number[]): Profile {
  const { batch, context, flops } = model.entry(o.entry);
  const sites = model.profile()!.filter((s) => s.entry === o.entry && s.calls > 0);
  const runs = sites[0]!.calls / sites[0]!.times;
  const mean = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0) / o.workers / runs;
  const sum = (of: (s: SiteTimes) => number): number => sites.reduce((total, s) => total + of(s), 0);
  const busyMs = sum((s) => mean(s.busy));
  const waitingMs = sum((s) => mean(s.waiting));
  const read = o.limits.read[o.workers]!;
  const fma = o.limits.fma[o.target]![o.workers]!;
  const kernels = sites
    .map((s): KernelRow => {
      const ms = mean(s.busy);
      const atMemory = (s.bytes * s.times) / read / 1e6;
      const atArithmetic = (s.flops * s.times) / fma / 1e6;
      return {
        section: s.section,
        kernel: s.kernel,
        calls: s.times,
        ms,
        waitingMs: mean(s.waiting),
        share: (ms + mean(s.waiting)) / (busyMs + waitingMs),
        gflops: (s.flops * s.times) / ms / 1e6,
        gbs: (s.bytes * s.times) / ms / 1e6,
        bound: atArithmetic > atMemory ? "arithmetic" : "memory",
        ofLimit: Math.max(atMemory, atArithmetic) / ms,
      };
    })
    .sort((a, b) => b.share - a.share);
  const ms = [...times].sort((a, b) => a - b)[times.length >> 1]!;
  return {
    entry: o.entry,
    target: o.target,
    workers: o.workers,
    ms,
    runs: times.length,
    tokens: o.entry === "decode" ? 1 : batch * context,
    gflops: flops / ms / 1e6,
    busyMs,
    waitingMs,
    outsideMs: Math.max(0, times.reduce((a, b) => a + b, 0) / times.length - busyMs - waitingMs),
    kernels,
  };
}

const KERNEL_COLUMNS = 46;
/** Kernels below this are one last line. */
const LEAST_SHARE = 0.002;

/** The table, 100 columns wide. */
export function profileLines(p: Profile): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const ms = (n: number): string => (n < 1 ? n.toFixed(3) : n < 100 ? n.toFixed(2) : n.toFixed(0));
  const line = (...cells: readonly string[]): string =>
    cells
      .map((cell, i) =>
        i === 0
          ? cell.slice(0, KERNEL_COLUMNS).padEnd(KERNEL_COLUMNS)
          : cell.padStart([0, 5, 8, 7, 8, 14, 6][i]!),
      )
      .join(" ")
      .trimEnd();
  const shown = p.kernels.filter((k) => k.share >= LEAST_SHARE);
  const rest = p.kernels.slice(shown.length);
  const total = (of: (k: KernelRow) => number): number => rest.reduce((sum, k) => sum + of(k), 0);
  const rows = shown.flatMap((k, i) => [
    ...(i > 0 ? [] : [line("kernel", "calls", "ms", "wait", "share", "rate", "limit")]),
    line(
      `${k.kernel}`,
      `${k.calls}`,
      ms(k.ms),
      ms(k.waitingMs),
      percent(k.share),
      k.bound === "arithmetic" ? `${k.gflops.toFixed(0)} GFLOP/s` : `${k.gbs.toFixed(0)} GB/s`,
      `${(100 * k.ofLimit).toFixed(0)} %`,
    ),
  ]);
  return [
    ...rows,
    ...(rest.length > 0
      ? [
          line(
            `${rest.length} more`,
            "",
            ms(total((k) => k.ms)),
            ms(total((k) => k.waitingMs)),
            percent(total((k) => k.share)),
          ),
        ]
      : []),
    `${p.entry}, ${p.target}, ${p.workers} worker${p.workers === 1 ? "" : "s"}: ${ms(p.ms)} ms, ` +
      `${rateText((1000 * p.tokens) / p.ms)}, ${p.gflops.toFixed(0)} GFLOP/s. ` +
      `In kernels ${ms(p.busyMs)}, at barriers ${ms(p.waitingMs)} ` +
      `(${percent(p.waitingMs / (p.busyMs + p.waitingMs))}), outside ${ms(p.outsideMs)} ms.`,
  ];
}

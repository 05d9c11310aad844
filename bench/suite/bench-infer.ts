/**
 * GPT-2 124M as it is used: a prompt of 128 tokens at once (prefill), then 64 tokens one by one (decode),
 * each the likeliest so far. Through the real runtime and its `infer` module; random weights: the arithmetic
 * does not depend on them.
 */
import { compileModel, planModule, type CompileOptions } from "../../compiler/compile.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { joinPairs, noise } from "../measure/kernel-numbers.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import type { Limits } from "../measure/limits.ts";
import { benchModel } from "./bench-models.ts";

export const PROMPT = 128;
export const DECODED = 64;
/** Only when asked for: the module needs 1 GiB. */
export const inferSize = "gpt2";
export const phases = ["prefill", "decode"] as const;
export type Phase = (typeof phases)[number];

export interface InferRow {
  readonly phase: Phase;
  readonly size: string;
  readonly target: Target;
  readonly workers: number;
  readonly tokensPerSecond: number;
  readonly best: number;
  /** Milliseconds of the prompt, or of one token: median. */
  readonly ms: number;
  /** Prefill: GFLOP/s. Decode: GB/s of parameters. */
  readonly rate: number;
  /** Of the multiply-add rate (prefill) or of the read bandwidth (decode) of as many workers. */
  readonly ofLimit: number;
  readonly runs: number;
}

export interface InferOptions {
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly limits: Limits;
  readonly phases: readonly Phase[];
  /** Milliseconds per measurement. */
  readonly ms: number;
}

export async function* benchInference(o: InferOptions, size = inferSize): AsyncGenerator<InferRow> {
  const source = benchModel(size);
  const bundle = await compileModel(source, { targets: o.targets, modules: ["infer"] });
  const bytes = bytesPerToken(source);
  for (const target of o.targets)
    for (const workers of o.workers) {
      joinPairs(target);
      const model = await createModel(bundle, "infer", { host: nodeHost, workers, target, seed: 1 });
      try {
        const times = await measure(model, o.ms);
        const { flops } = model.entry("prefill");
        for (const phase of o.phases) {
          const sorted = times[phase].sort((a, b) => a - b);
          const ms = sorted[sorted.length >> 1]!;
          const tokens = phase === "prefill" ? PROMPT : 1;
          const rate = (phase === "prefill" ? flops : bytes) / ms / 1e6;
          const limit = phase === "prefill" ? o.limits.fma[target]![workers]! : o.limits.read[workers]!;
          yield {
            phase,
            size,
            target,
            workers,
            tokensPerSecond: (1000 * tokens) / ms,
            best: (1000 * tokens) / sorted[0]!,
            ms,
            rate,
            ofLimit: rate / limit,
            runs: sorted.length,
          };
        }
      } finally {
        await model.close();
      }
    }
}

/** Bytes of parameters that one token's run reads: a row of a table, and the experts that the token goes to. */
export function bytesPerToken(model: Model, options: Pick<CompileOptions, "weights"> = {}): number {
  const plan = planModule(model, "infer", { ...options, targets: ["simd"] });
  const decode = plan.programs.get("simd")!.find((p) => p.graph.entry === "decode")!;
  const read = new Map<string, number>(); // parameter → the share of it that is read
  for (const { node, spec } of decode.sections.flatMap((s) => s.calls))
    for (const [argument, { value }] of Object.entries(node.ins)) {
      if (decode.graph.values.get(value)!.storage !== "parameter") continue;
      const share = spec.op.share?.[argument]?.(spec.d) ?? 1;
      read.set(value, Math.max(share, read.get(value) ?? 0));
    }
  return [...read].reduce(
    (sum, [name, share]) =>
      sum + share * decode.graph.values.get(name)!.slices * plan.placement.persistent.get(name)!.stride,
    0,
  );
}

/** Milliseconds of whole prompts and of single tokens, after one round that does not count. */
async function measure(model: RunningModel, ms: number): Promise<Record<Phase, number[]>> {
  const { vocab } = model.manifest.model.sizes;
  const prompt = promptTokens(vocab);
  const times: Record<Phase, number[]> = { prefill: [], decode: [] };
  let until = Infinity;
  for (let round = 0; round < 3 || performance.now() < until; round++) {
    if (round === 1) until = performance.now() + ms;
    let began = performance.now();
    let logits = await model.feed(prompt, 0);
    if (round > 0) times.prefill.push(performance.now() - began);
    if (!logits.every(Number.isFinite)) throw new Error("logits are not finite: not timed");
    for (let i = 0; i < DECODED; i++) {
      began = performance.now();
      logits = await model.feed([likeliest(logits)], PROMPT + i);
      if (round > 0) times.decode.push(performance.now() - began);
    }
  }
  return times;
}

export function promptTokens(vocab: number): number[] {
  const next = noise(5);
  return Array.from({ length: PROMPT }, () => Math.floor((next() + 1) * 0.49999 * vocab));
}

export function likeliest(logits: Float32Array): number {
  let at = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[at]!) at = i;
  return at;
}

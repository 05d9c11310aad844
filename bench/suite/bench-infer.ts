/**
 * Measures GPT-2 124M as it is used: a prompt of 128 tokens at once (prefill), then 64 tokens one by one
 * (decode), each the likeliest so far. It runs on the real runtime and the `infer` module. Weights are
 * random, since speed does not depend on them.
 */
import { compileModel, planModule } from "../../compiler/compile.ts";
import type { CompileOptions } from "../../compiler/compile-options.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { joinPairs } from "../measure/kernel-numbers.ts";
import { PROMPT, promptTokens } from "../measure/random-tokens.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { judged, type Judged, type Work } from "../measure/judged.ts";
import type { LimitMeter } from "../measure/limits.ts";
import { likeliestToken } from "../../runtime/sample/logprobs.ts";
import { rounds } from "../measure/statistics.ts";
import { benchModel } from "./bench-models.ts";

export const DECODED = 64;
/** Measured only when asked for, because the module needs 1 GiB. */
export const inferSize = "gpt2";
export const phases = ["prefill", "decode"] as const;
export type Phase = (typeof phases)[number];

/**
 * A run is the prompt, or one token. The limit is the multiply-add rate for a prompt, and for a token the
 * reading of the parameters, by as many workers.
 */
export interface InferRow extends Judged {
  readonly phase: Phase;
  readonly size: string;
  readonly target: Target;
  readonly workers: number;
  readonly tokensPerSecond: number;
  readonly best: number;
}

export interface InferOptions {
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly meter: LimitMeter;
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
        const works: Readonly<Record<Phase, Work>> = {
          prefill: { flops: model.entry("prefill").flops, bytes: 0 },
          decode: { flops: 0, bytes },
        };
        const place = { meter: o.meter, target, workers };
        const found = await judged(
          place,
          o.phases.map((phase) => works[phase]),
          async () => {
            const times = await measure(model, o.ms);
            return o.phases.map((phase) => times[phase]);
          },
        );
        for (const [i, phase] of o.phases.entries()) {
          const tokens = phase === "prefill" ? PROMPT : 1;
          const { ms, bestMs } = found[i]!;
          const rates = { tokensPerSecond: (1000 * tokens) / ms, best: (1000 * tokens) / bestMs };
          yield { phase, size, target, workers, ...rates, ...found[i]! };
        }
      } finally {
        await model.close();
      }
    }
}

/** Bytes of parameters that one token's run reads: a row of a table, and the experts that it goes to. */
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

/** Milliseconds of whole prompts and of single tokens. */
async function measure(model: RunningModel, ms: number): Promise<Record<Phase, number[]>> {
  const prompt = promptTokens(model.manifest.model.sizes.vocab);
  const times: Record<Phase, number[]> = { prefill: [], decode: [] };
  await rounds({ warm: 1, least: 2, ms }, async (counts) => {
    const feed = async (phase: Phase, tokens: readonly number[], at: number): Promise<Float32Array> => {
      const began = performance.now();
      const logits = await model.feed(tokens, at);
      if (counts) times[phase].push(performance.now() - began);
      return logits;
    };
    let logits = await feed("prefill", prompt, 0);
    if (!logits.every(Number.isFinite)) throw new Error("logits are not finite: not timed");
    for (let i = 0; i < DECODED; i++) logits = await feed("decode", [likeliestToken(logits)], PROMPT + i);
  });
  return times;
}

/**
 * The mean loss over a text, and the bits per byte that it comes to, which are comparable between tokenizers.
 */
import type { Batch, RunningModel } from "../engine/model.ts";
import { addSums, meansOf, type ObjectiveSums } from "../engine/objective.ts";
import { finite } from "./figures.ts";
import type { Figures, Measured } from "./sources/batch-source.ts";
import { countTargets } from "../engine/training.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { SinterError } from "../base/errors.ts";
import { windows, type Tokens, type WindowOptions } from "./sources/text-windows.ts";

export interface Evaluation {
  /** Mean cross-entropy per token, in nats. */
  readonly loss: number;
  readonly perplexity: number;
  /** Cross-entropy in bits per byte of UTF-8 text. */
  readonly bitsPerByte: number;
  readonly tokens: number;
}

export interface EvaluateOptions extends WindowOptions {
  breathe?(): Promise<void>;
  /** It is looked at after every batch. */
  readonly signal?: AbortSignal | undefined;
  /** Hears after every batch how many tokens were evaluated so far. */
  readonly progress?: ((tokens: number) => void) | undefined;
}

/** Evaluates a text, in windows of the entry's context. */
export function evaluateText(
  model: RunningModel,
  tokens: Tokens,
  tokenizer: Tokenizer,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { batch, context } = model.entry("evaluate");
  const batches = windows(tokens, batch, context, options);
  return evaluateBatches(model, batches, (id) => tokenizer.bytes(id).length, options);
}

/**
 * Evaluates batches. `bytes` says how many bytes of text a target stands for. Without a single target,
 * `tokens` is 0 and the loss is NaN. Rejects with "interrupted" at the signal, unless everything is done by
 * then.
 */
export async function evaluateBatches(
  model: RunningModel,
  batches: Iterable<Batch>,
  bytes: (target: number) => number,
  { breathe, signal, progress }: Pick<EvaluateOptions, "breathe" | "signal" | "progress"> = {},
): Promise<Evaluation> {
  const bytesOf = new Map<number, number>(); // remembered, since a tokenizer makes an array each time
  let sum = 0;
  let tokens = 0;
  let total = 0;
  for (const batch of batches) {
    if (signal?.aborted)
      throw new SinterError("interrupted", `the evaluation was stopped after ${tokens} tokens`);
    const result = await model.evaluate(batch);
    sum += result.sum;
    tokens += result.count;
    for (const target of batch.targets) {
      if (target < 0) continue;
      if (!bytesOf.has(target)) bytesOf.set(target, bytes(target));
      total += bytesOf.get(target)!;
    }
    progress?.(tokens);
    await breathe?.();
  }
  const loss = sum / tokens;
  return { loss, perplexity: Math.exp(loss), bitsPerByte: sum / Math.LN2 / total, tokens };
}

/**
 * The mean loss of an objective's units over batches, and its metrics. Undefined: there is no unit. Rejects
 * with "interrupted" at the signal.
 */
export async function evaluateObjective(
  model: RunningModel,
  batches: Iterable<Batch>,
  {
    breathe,
    signal,
    progress,
    settings = {},
  }: Pick<EvaluateOptions, "breathe" | "signal" | "progress"> & { readonly settings?: Figures } = {},
): Promise<Measured | undefined> {
  let sums: ObjectiveSums | undefined;
  let tokens = 0;
  for (const batch of batches) {
    if (signal?.aborted)
      throw new SinterError("interrupted", `the evaluation was stopped after ${tokens} tokens`);
    const { objective } = await model.evaluate(batch, { settings });
    sums = sums ? addSums(sums, objective!) : objective!;
    tokens += countTargets(batch.targets);
    progress?.(tokens);
    await breathe?.();
  }
  if (!sums) return undefined;
  const { units, loss, metrics } = meansOf(model.entry("evaluate").objective!, sums);
  return units === 0 ? undefined : { loss, tokens, metrics: finite(metrics) };
}

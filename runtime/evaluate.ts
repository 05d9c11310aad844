/** The mean loss over a text, and what it says per byte: comparable between tokenizers. */
import type { RunningModel } from "./model.ts";
import type { Tokenizer } from "./tokenizers/tokenizer.ts";
import { windows, type Tokens, type WindowOptions } from "./data.ts";

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
}

/** Over windows of the entry's context; throws by way of the model if a token is outside of its vocabulary. */
export async function evaluateText(model: RunningModel, tokens: Tokens, tokenizer: Tokenizer, options: EvaluateOptions = {}): Promise<Evaluation> {
  const { batch, context } = model.entry("evaluate");
  const bytesPerToken = Int32Array.from({ length: tokenizer.size }, (_, id) => tokenizer.bytes(id).length);
  let sum = 0, count = 0, bytes = 0;
  for (const window of windows(tokens, batch, context, options)) {
    const result = await model.evaluate(window);
    sum += result.sum;
    count += result.count;
    for (const target of window.targets) if (target >= 0) bytes += bytesPerToken[target]!;
    await options.breathe?.();
  }
  const loss = sum / count;
  return { loss, perplexity: Math.exp(loss), bitsPerByte: sum / Math.LN2 / bytes, tokens: count };
}

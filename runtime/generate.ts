/**
 * Text from a model: the prompt in chunks, then token by token, with keys and values of earlier positions in the cache.
 * When the context is full, its newer half is fed again from position 0 and becomes the past.
 */
import { SinterError } from "./errors.ts";
import type { RunningModel } from "./model.ts";
import { randomStream } from "./random.ts";
import { sampleToken, type SamplerSettings } from "./sampler.ts";
import { textStream } from "./tokenizers/text-stream.ts";
import type { Tokenizer } from "./tokenizers/tokenizer.ts";

export interface GenerateOptions extends SamplerSettings {
  readonly prompt: string;
  /** Most tokens to add. */
  readonly tokens: number;
  readonly seed: number;
  readonly stop?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

export type EndReason = "tokens" | "stop" | "end of text" | "aborted";

export interface Generated {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  readonly reason: EndReason;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

/** `onText` gets each piece of new text as soon as it is certain. */
export async function generate(model: RunningModel, tokenizer: Tokenizer, o: GenerateOptions, onText: (text: string) => void = () => {}): Promise<Generated> {
  const { context, vocab } = model.manifest.model.sizes;
  const prompt = promptTokens(tokenizer, o.prompt);
  const random = randomStream(o.seed, "sample");
  const stream = textStream(o.stop ?? []);
  const all = [...prompt];
  let text = "", reason: EndReason = "tokens";
  const show = (piece: string): void => {
    text += piece;
    if (piece !== "") onText(piece);
  };

  const began = performance.now();
  let window = prompt.slice(-context), start = 0;
  let logits: Float32Array | undefined = o.tokens > 0 ? await model.feed(window, start) : undefined;
  const prefilled = performance.now();
  start = window.length;
  while (logits && all.length - prompt.length < o.tokens) {
    if (o.signal?.aborted) { reason = "aborted"; break; }
    const token = sampleToken(logits, o, all, random, Math.min(tokenizer.size, vocab));
    if (token === tokenizer.endOfText) { reason = "end of text"; break; }
    all.push(token);
    const { text: piece, stopped } = stream.push(tokenizer.bytes(token));
    show(piece);
    if (stopped) { reason = "stop"; break; }
    if (all.length - prompt.length === o.tokens) break;
    window = start < context ? [token] : all.slice(-Math.max(1, context >> 1));
    if (start >= context) start = 0;
    logits = await model.feed(window, start);
    start += window.length;
  }
  show(stream.end());
  return { text, tokens: all.slice(prompt.length), promptTokens: prompt.length, reason, prefillMs: prefilled - began, decodeMs: performance.now() - prefilled };
}

/** A model needs a token to start from: of an empty prompt it is <|endoftext|>, else a line break, else token 0. */
function promptTokens(tokenizer: Tokenizer, prompt: string): number[] {
  if (prompt !== "") return tokenizer.encode(prompt);
  if (tokenizer.endOfText !== undefined) return [tokenizer.endOfText];
  try {
    return tokenizer.encode("\n");
  } catch (cause) {
    if (cause instanceof SinterError) return [0];
    throw cause;
  }
}

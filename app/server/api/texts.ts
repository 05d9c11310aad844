/** The texts of a request: its prompts, each so many times, made side by side. */
import type { PromptProgress } from "../../../runtime/sample/batch.ts";
import type { MadeToken, ServedFacts, TextMade } from "../pool/serving.ts";
import type { Call } from "./call.ts";
import { ApiError, retryAfter } from "./errors.ts";
import type { Prompt } from "./prompts.ts";
import type { SeededSampling } from "./sampling.ts";

export interface TextsAsked {
  readonly prompts: readonly Prompt[];
  /** Texts to each prompt. */
  readonly n: number;
  readonly sampling: SeededSampling;
  readonly lane?: number | undefined;
  readonly reuse?: boolean | undefined;
}

/** The lane that a request wants, and whether what is known of its prompt may be used. */
export const laneOf = ({
  id_slot: lane,
  cache_prompt: reuse,
}: {
  readonly id_slot?: number | null | undefined;
  readonly cache_prompt?: boolean | null | undefined;
}): Pick<TextsAsked, "lane" | "reuse"> => ({
  lane: typeof lane === "number" && lane >= 0 ? lane : undefined,
  reuse: reuse ?? undefined,
});

/** A text of a request: `index` counts the texts of the first prompt, then those of the next one. */
export interface Place {
  readonly index: number;
  readonly prompt: Prompt;
}

/** Hears of texts while they grow. */
export interface TextListener {
  onText?(place: Place, piece: string, tokens: readonly MadeToken[]): void;
  onProgress?(place: Place, progress: PromptProgress): void;
  onMade?(place: Place, made: TextMade): void;
}

/** What became of each text, in the order of their indices. */
export async function makeTexts(
  call: Call,
  facts: ServedFacts,
  asked: TextsAsked,
  listener: TextListener = {},
): Promise<readonly TextMade[]> {
  const places = asked.prompts.flatMap((prompt, p) =>
    Array.from({ length: asked.n }, (_, i): Place => ({ index: p * asked.n + i, prompt })),
  );
  const deadline = call.settings.timeoutMs && performance.now() + call.settings.timeoutMs;
  const make = async (place: Place): Promise<TextMade> => {
    const made = await call.serving.complete({
      tokens: place.prompt.tokens,
      sampling: { ...asked.sampling, seed: asked.sampling.seed + (place.index % asked.n) },
      lane: asked.lane,
      reuse: asked.reuse,
      signal: call.signal,
      ...(deadline && { deadlineMs: Math.max(1, deadline - performance.now()) }),
      ...(listener.onProgress && { onProgress: (progress) => listener.onProgress?.(place, progress) }),
      ...(listener.onText && { onText: (piece, tokens) => listener.onText?.(place, piece, tokens) }),
    });
    if (made.stop === "aborted") throw new ApiError("client gone", "the client has gone");
    if (made.stop === "deadline" && made.tokens.length === 0)
      throw new ApiError("out of time", "the time of the request was over before its first token", {
        headers: retryAfter(5),
      });
    call.metrics.textMade(made);
    listener.onMade?.(place, made);
    return made;
  };
  return sideBySide(call, places, make, facts.lanes);
}

/**
 * Works at all items, at most so many at once: a long list does not fill the queue. Where one fails, the
 * others are given up.
 */
export async function sideBySide<Item, Result>(
  call: Call,
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
  atOnce: number,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const workThrough = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i]!);
  };
  try {
    await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, workThrough));
    return results;
  } catch (cause) {
    next = items.length;
    call.giveUp();
    throw cause;
  }
}

/** `usage`: each prompt counts once, however many texts it has. */
export function usageOf(made: readonly TextMade[], n: number): object {
  const sum = (of: (text: TextMade) => number, some = made): number =>
    some.reduce((total, text) => total + of(text), 0);
  const firsts = made.filter((_, i) => i % n === 0);
  const prompt = sum((text) => text.promptTokens, firsts);
  const completion = sum((text) => text.tokens.length);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum((text) => text.cached, firsts) },
  };
}

/** `timings` of one text, as llama.cpp has them, and the time to its first token. */
export function timingsOf({
  cached,
  promptTokens,
  tokens,
  promptMs,
  madeMs,
  firstTokenMs,
}: TextMade): object {
  const ran = promptTokens - cached;
  return {
    cache_n: cached,
    prompt_n: ran,
    prompt_ms: promptMs,
    prompt_per_token_ms: each(promptMs, ran),
    prompt_per_second: each(ran * 1000, promptMs),
    predicted_n: tokens.length,
    predicted_ms: madeMs,
    predicted_per_token_ms: each(madeMs, tokens.length),
    predicted_per_second: each(tokens.length * 1000, madeMs),
    first_token_ms: firstTokenMs,
  };
}

const each = (sum: number, count: number): number => (count > 0 ? sum / count : 0);

/** `finish_reason`. What was cut, by whatever bound, is "length". */
export const finishReason = ({ stop }: TextMade): "stop" | "length" =>
  stop === "end of text" || stop === "word" ? "stop" : "length";

/** `prompt_progress` of llama.cpp. */
export const progressOf = ({ total, cached, processed, ms }: PromptProgress): object => ({
  total,
  cache: cached,
  processed,
  time_ms: ms,
});

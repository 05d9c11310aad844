/**
 * Two answers of a model to one prompt, for a person to choose between. All that is drawn follows from the
 * seed and the prompt alone: a session that goes on later shows the same pairs, in the same places.
 */
import { randomStream } from "../base/random.ts";
import type { RunningModel } from "../engine/model.ts";
import { generateTogether } from "../sample/batch.ts";
import type { SamplerSettings } from "../sample/sampler.ts";
import type { ChatFormat, ChatMessage } from "../tokenizers/chat/chat.ts";
import { renderPrompt } from "../tokenizers/chat/render-dialogue.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { askedIn } from "./examples/example.ts";

export interface DrawnAnswer {
  readonly text: string;
  /** A token ended it, not its length. */
  readonly ended: boolean;
}

/** a stands on the left, or first. */
export type AnswerPair = readonly [a: DrawnAnswer, b: DrawnAnswer];

export interface AnswerPairOptions {
  readonly format: ChatFormat;
  readonly tokenizer: Tokenizer;
  readonly sampling: SamplerSettings & { readonly stop?: readonly string[] };
  /** Most tokens of an answer. */
  readonly tokens: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** So many answers are drawn to find two that differ, two at a time. */
const MOST_DRAWN = 8;

/**
 * The first two answers that say something, and not the same; undefined where there are no such two among
 * some, or the signal came. Throws SinterError "input" for a prompt that the context has no room for.
 */
export async function answerPair(
  model: RunningModel,
  prompt: readonly ChatMessage[],
  { format, tokenizer, sampling, tokens, seed, signal }: AnswerPairOptions,
): Promise<AnswerPair | undefined> {
  const asked = askedIn(prompt);
  const seeds = randomStream(seed, `label/answers/${asked}`);
  const isSwapped = randomStream(seed, `label/sides/${asked}`).below(2) === 1;
  const asking = {
    ...sampling,
    prompt: await renderPrompt(format, tokenizer, prompt),
    stop: [...(sampling.stop ?? []), ...(format.stops ?? [])],
    tokens,
    special: false,
    whenFull: "stop",
  } as const;
  const found = new Map<string, DrawnAnswer>();
  for (let drawn = 0; drawn < MOST_DRAWN; drawn += 2) {
    const both = [seeds.word(), seeds.word()].map((own) => ({ ...asking, seed: own }));
    const made = await generateTogether(model, tokenizer, both, signal);
    if (signal?.aborted) return undefined;
    for (const { text, reason } of made) {
      const answer = { text: text.trim(), ended: reason === "end of text" || reason === "stop" };
      if (answer.text !== "" && !found.has(answer.text)) found.set(answer.text, answer);
    }
    const [one, other] = found.values();
    if (one && other) return isSwapped ? [other, one] : [one, other];
  }
  return undefined;
}

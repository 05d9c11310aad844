/**
 * A text that grows by one token at a time, each drawn in sight. The random numbers are those of a text that
 * is written in one go with the same seed (runtime/sample/continuation.ts), so the tokens are, too. Settings
 * may change until a token is appended: its random number stays, and what it falls into may be another token.
 */
import { randomFrom, randomStream, type RandomState } from "../../../../runtime/base/random.ts";
import { drawInSteps, type DrawSteps } from "../../../../runtime/sample/draw-steps.ts";
import type { SamplerSettings } from "../../../../runtime/sample/sampler.ts";

export interface Growing {
  readonly prompt: string;
  /** Tokens that were appended to the prompt. */
  readonly drawn: readonly number[];
  /** Where the stream of random numbers is before the next draw. */
  readonly random: RandomState;
}

export const beginText = (prompt: string, seed: number): Growing => ({
  prompt,
  drawn: [],
  random: randomStream(seed, "sample").state(),
});

/** The next draw. `tokens` are all of the text, the prompt's too. */
export const nextDraw = (
  { random }: Growing,
  { logits, tokens }: { readonly logits: Float32Array; readonly tokens: readonly number[] },
  settings: SamplerSettings,
): DrawSteps => drawInSteps(logits, settings, tokens, randomFrom(random));

/** The text with the token that was drawn, and with one random number less ahead of it. */
export function appended({ prompt, drawn, random }: Growing, { token, u }: DrawSteps): Growing {
  const stream = randomFrom(random);
  if (u !== undefined) stream.unit();
  return { prompt, drawn: [...drawn, token], random: stream.state() };
}

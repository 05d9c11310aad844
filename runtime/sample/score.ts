/** How likely a model finds a text that is there already: the log-probability of each of its tokens. */
import type { RunningModel } from "../engine/model.ts";
import { likeliest, type TokenLogprob } from "./logprobs.ts";
import { runRowChunks, type RowChunkOptions } from "./row-chunks.ts";

export interface ScoreOptions extends RowChunkOptions {
  /** How many of the likeliest ids go with each token. Default: none. */
  readonly top?: number | undefined;
}

/**
 * ln p of each token after those before it; null for the first one, of which the model says nothing. By a
 * module that was compiled with the entry `score`, whose kernel is that of evaluations.
 */
export async function scoreTokens(
  model: RunningModel,
  tokens: readonly number[],
  { top = 0, ...options }: ScoreOptions = {},
): Promise<readonly (TokenLogprob | null)[]> {
  const scores: (TokenLogprob | null)[] = [null];
  await runRowChunks(model, "score", tokens, options, {
    before: (entry, start, end) => entry.expect(tokens.slice(start + 1, end + 1)),
    after(entry, start, end) {
      for (const [r, id] of tokens.slice(start + 1, end + 1).entries()) {
        const logits = entry.row(r);
        const logprob = entry.logprob(r);
        const total = logits[id]! - logprob;
        const best = likeliest(logits, top).map((other) => ({ id: other, logprob: logits[other]! - total }));
        scores[start + r + 1] = { id, logprob, top: best };
      }
    },
  });
  return scores;
}

/**
 * What a model's cache holds: keys and values of these tokens, from position 0 on. Of a new text only what is not there yet is run, so a
 * second question, or a second prompt with the same beginning, costs its own tokens and no more.
 */
import { SinterError } from "./errors.ts";
import type { RunningModel } from "./model.ts";

export interface Session {
  /** Tokens whose keys and values are in the cache. */
  readonly cached: readonly number[];
  /**
   * Logits [vocab] after `tokens`, which the next call overwrites; `reused`: how many of them were in the cache. The last one is always run.
   * Throws SinterError "input" when they do not fit into the context.
   */
  feed(tokens: readonly number[]): Promise<{ readonly logits: Float32Array; readonly reused: number }>;
  /** One more token behind those that are cached: its logits. There must be room. */
  next(token: number): Promise<Float32Array>;
  /** Nothing is cached: for someone who has used the model by other ways. */
  forget(): void;
}

export function createSession(model: RunningModel): Session {
  const { context } = model.manifest.model.sizes, bands = model.module.cache?.bands ?? [];
  let cached: number[] = [];
  /** Of the first `count` tokens that are cached, can the next one see all that it has to? A band's rows may have been needed for later ones. */
  const kept = (count: number): boolean => bands.every(({ window, rows }) => Math.max(0, cached.length - rows) <= Math.max(0, count - window + 1));
  return {
    get cached() {
      return cached;
    },
    async feed(tokens) {
      if (tokens.length === 0) throw new SinterError("bug", "a model needs a token to start from");
      if (tokens.length > context)
        throw new SinterError("input", `${tokens.length} tokens do not fit into a context of ${context}`, "Shorten the text, or let the context shift (--when-full shift).");
      const common = Math.min(commonLength(cached, tokens), tokens.length - 1), reused = kept(common) ? common : 0;
      cached = cached.slice(0, reused); // should the model fail half-way
      const logits = await model.feed(tokens.slice(reused), reused);
      cached = [...tokens];
      return { logits, reused };
    },
    async next(token) {
      const logits = await model.feed([token], cached.length);
      cached.push(token);
      return logits;
    },
    forget() {
      cached = [];
    },
  };
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

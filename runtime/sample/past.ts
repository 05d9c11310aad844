/**
 * The past of a session: the tokens of its text, and how they come into a lane, or back into one when others
 * have got it. On a model whose numerics are consistent a token's bits depend on the tokens before it alone,
 * so they come in whatever chunks, beside whatever other texts, and what another text that begins alike has
 * in its lane is copied. For other models: chunked-past.ts.
 */
import { SinterError } from "../base/errors.ts";
import type { Lanes } from "../engine/lanes.ts";

/** All calls are for someone who has the model to themselves. */
export interface Past {
  readonly tokens: readonly number[];
  /**
   * Makes `wanted` the text; its logits are those of the last run's first span. Returns how many tokens did
   * not have to be run. Throws `input` where they do not fit.
   */
  feed(lanes: Lanes, wanted: readonly number[], signal: AbortSignal | undefined): Promise<number>;
  /** Runs one more token. */
  push(lanes: Lanes, token: number, signal: AbortSignal | undefined): Promise<void>;
  /** The module's own loop has run these tokens, after the others, in the lane that holds this past. */
  ran(tokens: readonly number[]): void;
  /** Only the first `count` tokens belong to the text from now on. */
  goBack(count: number): void;
  /** The next text begins anew. */
  forget(): void;
}

export class SharedPast implements Past {
  #tokens: number[] = [];
  #anew = false;

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  async feed(lanes: Lanes, wanted: readonly number[], signal: AbortSignal | undefined): Promise<number> {
    checkLength(wanted, lanes.context);
    const lane = lanes.take(this, wanted);
    const reused = this.#anew ? 0 : lanes.takeOver(lane, wanted);
    this.#anew = false;
    lane.holder = this;
    this.#tokens = wanted.slice(0, reused);
    for (let start = reused; start < wanted.length; start = this.#tokens.length) {
      signal?.throwIfAborted();
      const tokens = wanted.slice(start, start + lanes.chunk);
      await lanes.run([{ lane, start, tokens }]);
      for (const token of tokens) this.#tokens.push(token);
    }
    return reused;
  }

  async push(lanes: Lanes, token: number, signal: AbortSignal | undefined): Promise<void> {
    const lane = lanes.of(this);
    const start = this.#tokens.length;
    if (lane?.tokens.length !== start) {
      await this.feed(lanes, [...this.#tokens, token], signal);
      return;
    }
    await lanes.run([{ lane, start, tokens: [token] }]);
    this.#tokens.push(token);
  }

  ran(tokens: readonly number[]): void {
    this.#tokens.push(...tokens);
  }

  goBack(count: number): void {
    this.#tokens = this.#tokens.slice(0, count);
  }

  forget(): void {
    this.#tokens = [];
    this.#anew = true;
  }
}

/** Throws `input` where a text is empty, or does not fit. */
export function checkLength({ length }: readonly number[], context: number): void {
  if (length === 0)
    throw new SinterError("input", "a model needs a token to start from", "The prompt is empty.");
  if (length > context)
    throw new SinterError(
      "input",
      `${length} tokens do not fit into a context of ${context}`,
      "Shorten the text, or let the context shift (--when-full shift).",
    );
}

/** How many tokens two texts have in common from their beginnings on. */
export function commonLength(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let n = 0;
  while (n < most && a[n] === b[n]) n++;
  return n;
}

/** What a pool has done since it was made, and how long an ask takes. */
import type { TextPhase } from "../../../runtime/sample/batch.ts";
import type { AskedText } from "./asked-text.ts";
import type { PoolCounts } from "./serving.ts";

/** So many of the last asks say how long the next one takes. */
const LAST = 32;
/** The longest wait that clients keep to. */
const MOST_SECONDS = 60;

type Summed = Pick<PoolCounts, "promptTokens" | "cachedTokens" | "madeTokens" | "cancelled">;

export class Sums {
  #promptTokens = 0;
  #cachedTokens = 0;
  #madeTokens = 0;
  readonly #cancelled: Record<TextPhase, number> = { waiting: 0, prompt: 0, text: 0 };
  #lastMs: readonly number[] = [];

  /** An ask has ended. */
  add(asked: AskedText): void {
    const { prompt, cached, made } = asked.counted;
    this.#promptTokens += prompt;
    this.#cachedTokens += cached;
    this.#madeTokens += made;
    if (asked.isAborted) this.#cancelled[asked.phase]++;
    else if (asked.phase === "text") this.#lastMs = [...this.#lastMs, asked.runMs].slice(-LAST);
  }

  /** So many tokens were read, with no text to follow. */
  addRead(tokens: number): void {
    this.#promptTokens += tokens;
  }

  /** With those of asks that have not ended. */
  with(asks: Iterable<AskedText>): Summed {
    const counted = [...asks].map((asked) => asked.counted);
    const sum = (of: keyof AskedText["counted"], before: number): number =>
      counted.reduce((total, numbers) => total + numbers[of], before);
    return {
      promptTokens: sum("prompt", this.#promptTokens),
      cachedTokens: sum("cached", this.#cachedTokens),
      madeTokens: sum("made", this.#madeTokens),
      cancelled: { ...this.#cancelled },
    };
  }

  /** Whole seconds until one of so many asks that run at once has ended, by the last ones: 1 … 60. */
  retryAfterSeconds(lanes: number): number {
    const meanMs = this.#lastMs.reduce((a, b) => a + b, 0) / Math.max(1, this.#lastMs.length);
    return Math.min(MOST_SECONDS, Math.max(1, Math.ceil(meanMs / Math.max(1, lanes) / 1000)));
  }
}

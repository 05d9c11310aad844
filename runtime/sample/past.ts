/**
 * The past of a session: the tokens whose keys and values are in the cache, or were there before others used
 * it, and how they came there. When it has lost the cache, it runs its tokens again as they came: the same
 * chunks, and the others one by one, because a chunk's kernels round otherwise than those of a single token.
 * So a text has the same bits whoever else uses the model.
 */
import { SinterError } from "../base/errors.ts";
import type { Lane } from "../engine/lane.ts";
import type { RunningModel } from "../engine/model.ts";

/**
 * Tokens that were run at once. Of these, the positions `start` … `until` − 1 still belong to the text; but
 * all of them had a part in the bits.
 */
interface Chunk {
  readonly start: number;
  readonly tokens: readonly number[];
  until: number;
}

/** The cache of a sliding window: a ring of `rows` positions, of which a token sees the last `window`. */
interface Ring {
  readonly window: number;
  readonly rows: number;
}

export class Past {
  readonly #context: number;
  readonly #rings: readonly Ring[];
  #tokens: number[] = [];
  readonly #chunks: Chunk[] = [];
  /** How many positions were run since the text began anew. A ring holds the last ones of these. */
  #written = 0;

  constructor(model: RunningModel) {
    this.#context = model.manifest.model.sizes.context;
    this.#rings = model.module.cache?.bands ?? [];
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Whether the lane's cache is ours. */
  holds(lane: Lane): boolean {
    return lane.holder === this;
  }

  /**
   * How many tokens of a new text need not be run again; the last one always is. Throws `input` where it does
   * not fit.
   */
  common(wanted: readonly number[]): number {
    if (wanted.length === 0)
      throw new SinterError("input", "a model needs a token to start from", "The prompt is empty.");
    if (wanted.length > this.#context)
      throw new SinterError(
        "input",
        `${wanted.length} tokens do not fit into a context of ${this.#context}`,
        "Shorten the text, or let the context shift (--when-full shift).",
      );
    const count = Math.min(commonLength(this.#tokens, wanted), wanted.length - 1);
    return this.#canGoBackTo(count) ? count : 0;
  }

  /** Only the first `count` tokens belong to the text from now on. */
  goBack(count: number): void {
    if (count < this.#tokens.length) this.#tokens = this.#tokens.slice(0, count);
    while (this.#chunks.length > 0 && this.#chunks.at(-1)!.start >= count) this.#chunks.pop();
    const last = this.#chunks.at(-1);
    if (last) last.until = Math.min(last.until, count);
    if (count === 0) this.#written = 0;
  }

  /** Runs the tokens again, as they came; then the lane's cache is ours. */
  async bringBack(lane: Lane, signal: AbortSignal | undefined): Promise<void> {
    lane.holder = undefined; // until all of it is there
    let there = 0;
    for (const chunk of this.#chunks) {
      await this.#runSingly(lane, there, chunk.start, signal);
      signal?.throwIfAborted();
      await lane.run(chunk.tokens, chunk.start);
      there = chunk.until;
    }
    await this.#runSingly(lane, there, this.#tokens.length, signal);
    lane.holder = this;
  }

  /** Runs those of `wanted` that come after the tokens that are there, in chunks. */
  async extend(lane: Lane, wanted: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    for (let at = this.#tokens.length; at < wanted.length; at = this.#tokens.length) {
      signal?.throwIfAborted();
      const tokens = wanted.slice(at, at + lane.chunk);
      if (tokens.length === 1) {
        await this.push(lane, tokens[0]!);
        continue;
      }
      this.#written = Math.max(this.#written, at + tokens.length); // also when the run fails half-way
      await lane.run(tokens, at);
      this.#chunks.push({ start: at, tokens, until: at + tokens.length });
      this.#tokens.push(...tokens);
    }
  }

  /** Runs one more token. */
  async push(lane: Lane, token: number): Promise<void> {
    this.#written = Math.max(this.#written, this.#tokens.length + 1);
    await lane.run([token], this.#tokens.length);
    this.#tokens.push(token);
  }

  async #runSingly(lane: Lane, from: number, to: number, signal: AbortSignal | undefined): Promise<void> {
    for (let at = from; at < to; at++) {
      signal?.throwIfAborted();
      await lane.run([this.#tokens[at]!], at);
    }
  }

  /**
   * Whether the text can be cut back to its first `count` tokens and go on from there. The next token sees
   * the last `window` positions; a ring has lost the oldest of these where later tokens, now cut off, were
   * written over them.
   */
  #canGoBackTo(count: number): boolean {
    return this.#rings.every(({ window, rows }) => {
      const oldestHeld = Math.max(0, this.#written - rows);
      const oldestSeen = Math.max(0, count - window + 1);
      return oldestHeld <= oldestSeen;
    });
  }
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

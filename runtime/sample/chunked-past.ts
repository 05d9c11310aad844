/**
 * The past of a session on a model whose numerics are `float`, as all models of earlier releases: there a
 * chunk's kernels round otherwise than those of a single token. So it remembers how its tokens came, and when
 * it has lost its lane it runs them again as they came: the same chunks, and the others one by one. A text
 * has the same bits whoever else uses the model.
 */
import { canGoBackTo, type Lane } from "../engine/lane.ts";
import type { Lanes } from "../engine/lanes.ts";
import { checkLength, commonLength, type Past } from "./past.ts";

/**
 * Tokens that were run at once. Of these, the positions `start` … `until` − 1 still belong to the text; but
 * all of them had a part in the bits.
 */
interface Chunk {
  readonly start: number;
  readonly tokens: readonly number[];
  until: number;
}

export class ChunkedPast implements Past {
  #tokens: number[] = [];
  readonly #chunks: Chunk[] = [];
  /** How many positions were run since the text began anew. A ring holds the last ones of these. */
  #written = 0;

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  async feed(lanes: Lanes, wanted: readonly number[], signal: AbortSignal | undefined): Promise<number> {
    checkLength(wanted, lanes.context);
    const count = Math.min(commonLength(this.#tokens, wanted), wanted.length - 1);
    const common = canGoBackTo(count, this.#written, lanes.rings) ? count : 0;
    const lane = lanes.take(this);
    const reused = this.#holds(lane) ? common : 0;
    this.goBack(common);
    if (!this.#holds(lane)) await this.#bringBack(lanes, lane, signal);
    await this.#extend(lanes, lane, wanted, signal);
    return reused;
  }

  async push(lanes: Lanes, token: number, signal: AbortSignal | undefined): Promise<void> {
    const lane = lanes.take(this);
    if (!this.#holds(lane)) await this.#bringBack(lanes, lane, signal);
    await this.#push(lanes, lane, token);
  }

  ran(tokens: readonly number[]): void {
    this.#tokens.push(...tokens);
    this.#written = Math.max(this.#written, this.#tokens.length);
  }

  goBack(count: number): void {
    if (count < this.#tokens.length) this.#tokens = this.#tokens.slice(0, count);
    while (this.#chunks.length > 0 && this.#chunks.at(-1)!.start >= count) this.#chunks.pop();
    const last = this.#chunks.at(-1);
    if (last) last.until = Math.min(last.until, count);
    if (count === 0) this.#written = 0;
  }

  forget(): void {
    this.goBack(0);
  }

  #holds(lane: Lane): boolean {
    return lane.holder === this;
  }

  /** Runs the tokens again, as they came; then the lane is ours. */
  async #bringBack(lanes: Lanes, lane: Lane, signal: AbortSignal | undefined): Promise<void> {
    lane.holder = undefined; // until all of it is there
    let there = 0;
    for (const chunk of this.#chunks) {
      await this.#runSingly(lanes, lane, there, chunk.start, signal);
      signal?.throwIfAborted();
      await lanes.run([{ lane, start: chunk.start, tokens: chunk.tokens }]);
      there = chunk.until;
    }
    await this.#runSingly(lanes, lane, there, this.#tokens.length, signal);
    lane.holder = this;
  }

  /** Runs those of `wanted` that come after the tokens that are there, in chunks. */
  async #extend(
    lanes: Lanes,
    lane: Lane,
    wanted: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (let start = this.#tokens.length; start < wanted.length; start = this.#tokens.length) {
      signal?.throwIfAborted();
      const tokens = wanted.slice(start, start + lanes.chunk);
      if (tokens.length === 1) {
        await this.#push(lanes, lane, tokens[0]!);
        continue;
      }
      this.#written = Math.max(this.#written, start + tokens.length); // also when the run fails half-way
      await lanes.run([{ lane, start, tokens }]);
      this.#chunks.push({ start, tokens, until: start + tokens.length });
      this.#tokens.push(...tokens);
    }
  }

  /** Runs one more token. */
  async #push(lanes: Lanes, lane: Lane, token: number): Promise<void> {
    this.#written = Math.max(this.#written, this.#tokens.length + 1);
    await lanes.run([{ lane, start: this.#tokens.length, tokens: [token] }]);
    this.#tokens.push(token);
  }

  async #runSingly(
    lanes: Lanes,
    lane: Lane,
    from: number,
    to: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (let start = from; start < to; start++) {
      signal?.throwIfAborted();
      await lanes.run([{ lane, start, tokens: [this.#tokens[start]!] }]);
    }
  }
}

/**
 * A session: one text after another on a model, where a new text costs only what it does not have in common
 * with the last one. Keys and values are in the model's cache (lane.ts), which others use too. A session that
 * has lost it brings its tokens back as they came: the same chunks, then singly, because a chunk's kernels
 * round otherwise than a single token's. So a text has the same bits whoever else uses the model.
 */
import { SinterError } from "../base/errors.ts";
import type { Lane } from "../engine/lane.ts";
import type { RunningModel } from "../engine/model.ts";

export interface Fed {
  /** Logits [classes] after the tokens: the session's own array, which its next call overwrites. */
  readonly logits: Float32Array;
  /** How many of the tokens were in the cache. The last one is always run. */
  readonly reused: number;
}

/** A session's calls for someone who has the model to himself (RunningModel.inTurn). */
export interface SessionCalls {
  feed(tokens: readonly number[], signal?: AbortSignal): Promise<Fed>;
  next(token: number, signal?: AbortSignal): Promise<Float32Array>;
}

/**
 * Each call waits until the model is free; the signal's reason is thrown when it comes while it waits, or
 * between chunks.
 */
export interface Session {
  readonly model: RunningModel;
  /** Tokens that the session stands on: what comes next is behind them. */
  readonly cached: readonly number[];
  /** Logits after `tokens`. Throws SinterError "input" when they do not fit into the context. */
  feed(tokens: readonly number[], signal?: AbortSignal): Promise<Fed>;
  /**
   * One more token behind those that are cached: its logits, in the same array as those of `feed`. There must
   * be room.
   */
  next(token: number, signal?: AbortSignal): Promise<Float32Array>;
  /** Begins anew: nothing of what was is used again. */
  forget(): void;
  within(lane: Lane): SessionCalls;
}

export function createSession(model: RunningModel): Session {
  const past = createPast(model);
  let logits: Float32Array | undefined;
  const read = (lane: Lane): Float32Array => {
    // one for all calls: a new one each time costs page faults
    logits ??= new Float32Array(lane.classes);
    lane.readLogits(logits);
    return logits;
  };
  const within = (lane: Lane): SessionCalls => ({
    async feed(tokens, signal) {
      const common = past.common(tokens);
      const reused = lane.holder === past ? common : 0;
      past.goBack(common);
      if (lane.holder !== past) await past.bringBack(lane, signal);
      await past.extend(lane, tokens, signal);
      return { logits: read(lane), reused };
    },
    async next(token, signal) {
      if (lane.holder !== past) await past.bringBack(lane, signal);
      await past.push(lane, token);
      return read(lane);
    },
  });
  return {
    model,
    get cached() {
      return past.tokens;
    },
    feed: (tokens, signal) => model.inTurn((lane) => within(lane).feed(tokens, signal), signal),
    next: (token, signal) => model.inTurn((lane) => within(lane).next(token, signal), signal),
    forget: () => past.goBack(0),
    within,
  };
}

/**
 * Tokens that were run at once: positions `start` … `until` of them still count, but all of them made the
 * bits.
 */
interface Chunk {
  readonly start: number;
  readonly tokens: readonly number[];
  until: number;
}

/** What a session has in the cache, or had, and how it came there. The lane's holder. */
interface Past {
  readonly tokens: readonly number[];
  /** How many of a new text's tokens need not be run. */
  common(tokens: readonly number[]): number;
  /** Only the first `count` tokens count from now on. */
  goBack(count: number): void;
  /** Runs the tokens again, as they came. */
  bringBack(lane: Lane, signal: AbortSignal | undefined): Promise<void>;
  /** Runs what `tokens` have behind those that are there. */
  extend(lane: Lane, tokens: readonly number[], signal: AbortSignal | undefined): Promise<void>;
  push(lane: Lane, token: number): Promise<void>;
}

function createPast(model: RunningModel): Past {
  const { context } = model.manifest.model.sizes;
  const bands = model.module.cache?.bands ?? [];
  let tokens: number[] = [];
  const chunks: Chunk[] = [];
  /** Positions that were run since the last beginning: a band's ring has kept the last ones of these. */
  let written = 0;
  /**
   * Of the first `count` tokens, can the next one see all that it has to? A band's rows may have been needed
   * for later ones.
   */
  const kept = (count: number): boolean =>
    bands.every(({ window, rows }) => Math.max(0, written - rows) <= Math.max(0, count - window + 1));
  const past: Past = {
    get tokens() {
      return tokens;
    },
    common(wanted) {
      if (wanted.length === 0)
        throw new SinterError("input", "a model needs a token to start from", "The prompt is empty.");
      if (wanted.length > context)
        throw new SinterError(
          "input",
          `${wanted.length} tokens do not fit into a context of ${context}`,
          "Shorten the text, or let the context shift (--when-full shift).",
        );
      const count = Math.min(commonLength(tokens, wanted), wanted.length - 1);
      return kept(count) ? count : 0;
    },
    goBack(count) {
      if (count < tokens.length) tokens = tokens.slice(0, count);
      while (chunks.length > 0 && chunks.at(-1)!.start >= count) chunks.pop();
      const last = chunks.at(-1);
      if (last) last.until = Math.min(last.until, count);
      if (count === 0) written = 0;
    },
    async bringBack(lane, signal) {
      lane.holder = undefined; // until all of it is there
      const singly = async (from: number, to: number): Promise<void> => {
        for (let at = from; at < to; at++) {
          signal?.throwIfAborted();
          await lane.run([tokens[at]!], at);
        }
      };
      let there = 0;
      for (const chunk of chunks) {
        await singly(there, chunk.start);
        signal?.throwIfAborted();
        await lane.run(chunk.tokens, chunk.start);
        there = chunk.until;
      }
      await singly(there, tokens.length);
      lane.holder = past;
    },
    async extend(lane, wanted, signal) {
      for (let at = tokens.length; at < wanted.length; at = tokens.length) {
        signal?.throwIfAborted();
        const piece = wanted.slice(at, at + lane.chunk);
        if (piece.length === 1) {
          await past.push(lane, piece[0]!);
          continue;
        }
        written = Math.max(written, at + piece.length); // also should it fail half-way
        await lane.run(piece, at);
        chunks.push({ start: at, tokens: piece, until: at + piece.length });
        tokens.push(...piece);
      }
    },
    async push(lane, token) {
      written = Math.max(written, tokens.length + 1);
      await lane.run([token], tokens.length);
      tokens.push(token);
    },
  };
  return past;
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

/**
 * A session: one text after another on a model, where a new text costs only what it does not have in common
 * with the last one. Keys and values are in the model's cache (engine/lane.ts), which others use too. A
 * session that has lost the cache to others brings its tokens back as they came (past.ts).
 */
import type { Lane } from "../engine/lane.ts";
import type { RunningModel } from "../engine/model.ts";
import { Past } from "./past.ts";

export interface Fed {
  /** Logits [classes] after the tokens: the session's own array, which its next call overwrites. */
  readonly logits: Float32Array;
  /**
   * How many of the tokens did not have to be run, since they were in the cache. The last one always runs.
   */
  readonly reused: number;
}

/** A session's calls for someone who has the model to themselves (RunningModel.inTurn). */
export interface SessionCalls {
  feed(tokens: readonly number[], signal?: AbortSignal): Promise<Fed>;
  next(token: number, signal?: AbortSignal): Promise<Float32Array>;
}

/**
 * A text on a model, which may be continued and changed. Each call waits until the model is free, and rejects
 * with the signal's reason when the signal comes while it waits, or between two chunks.
 */
export interface Session {
  readonly model: RunningModel;
  /** The tokens that the session has run: the next one comes after them. */
  readonly cached: readonly number[];
  /**
   * Makes `tokens` the text; only those run that it does not have in common with the last text. Throws
   * `input` when they do not fit into the context.
   */
  feed(tokens: readonly number[], signal?: AbortSignal): Promise<Fed>;
  /**
   * Adds one token to the text. Its logits are in the same array as those of `feed`. There must be room in
   * the context.
   */
  next(token: number, signal?: AbortSignal): Promise<Float32Array>;
  /** Begins anew: nothing of the last text is used again. */
  forget(): void;
  /** The same calls, within a turn of the model that the caller has. */
  within(lane: Lane): SessionCalls;
}

export function createSession(model: RunningModel): Session {
  const past = new Past(model);
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
      const reused = past.holds(lane) ? common : 0;
      past.goBack(common);
      if (!past.holds(lane)) await past.bringBack(lane, signal);
      await past.extend(lane, tokens, signal);
      return { logits: read(lane), reused };
    },
    async next(token, signal) {
      if (!past.holds(lane)) await past.bringBack(lane, signal);
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

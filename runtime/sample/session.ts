/**
 * A session: one text after another on a model, where a new text costs only what it does not have in common
 * with the last one. Its keys and values are in one of the model's lanes (engine/lanes.ts). A session of
 * `createSession` shares the lanes with others, and brings its tokens back when it has lost its own; one of
 * `openSession` has a lane for itself until it is closed.
 */
import type { Lanes } from "../engine/lanes.ts";
import type { RunningModel } from "../engine/model.ts";
import type { OpenLane } from "../engine/reservations.ts";
import type { LoopText, LoopTokens } from "../engine/text-loop.ts";
import { ChunkedPast } from "./chunked-past.ts";
import { SharedPast, type Past } from "./past.ts";

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
  /**
   * A text that the module goes on with by itself. Its tokens but the last one are those of the session.
   * Undefined: the module cannot; tokens are drawn from logits.
   */
  draw(text: DrawnText): Drawing | undefined;
}

/** How a text goes on, and what it may become. */
export type DrawnText = Omit<LoopText, "lane">;

/** A text while the module draws its tokens. It ends when the session is used otherwise. */
export interface Drawing {
  /** Adds up to so many tokens; fewer when the text ends, or the signal comes. */
  add(steps: number, signal?: AbortSignal): Promise<LoopTokens>;
  /** Of the tokens that were run, only the first `count` belong to the text. */
  goBack(count: number): void;
  /** The logits by which no token could be drawn. */
  logits(row: number): Float32Array;
}

/**
 * A text on a model, which may be continued and changed. Each call waits until the model is free, and rejects
 * with the signal's reason when the signal comes while it waits, or between two chunks. Where others have
 * opened all lanes for themselves, it rejects with a `NoLaneError`.
 */
export interface Session {
  readonly model: RunningModel;
  /** The tokens that the session has run: the next one comes after them. */
  readonly cached: readonly number[];
  /**
   * Makes `tokens` the text; only those run that it does not have in common with the last text, or that no
   * other text in the cache begins with. Throws `input` when they do not fit into the context.
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
  within(lanes: Lanes): SessionCalls;
  /** Gives the session's lane back. It may go on; then it gets a lane again as a session that shares them. */
  close(): void;
}

export function createSession(model: RunningModel): Session {
  return sessionOf(model, pastOf(model));
}

/**
 * A session that has a lane for itself. Where others have opened all of them, waits until one is closed, or
 * rejects with a `NoLaneError`, as `full` says (default: wait).
 */
export async function openSession(model: RunningModel, options?: OpenLane): Promise<Session> {
  const past = pastOf(model);
  await model.openLane(past, options);
  return sessionOf(model, past);
}

const pastOf = ({ module }: RunningModel): Past =>
  module.numerics === "consistent" ? new SharedPast() : new ChunkedPast();

function sessionOf(model: RunningModel, past: Past): Session {
  let logits: Float32Array | undefined;
  const read = (lanes: Lanes, span = 0): Float32Array => {
    // one for all calls: a new one each time costs page faults
    logits ??= new Float32Array(lanes.classes);
    lanes.readLogits(logits, span);
    return logits;
  };
  const within = (lanes: Lanes): SessionCalls => ({
    async feed(tokens, signal) {
      const reused = await past.feed(lanes, tokens, signal);
      return { logits: read(lanes), reused };
    },
    async next(token, signal) {
      await past.push(lanes, token, signal);
      return read(lanes);
    },
    draw(text) {
      const { loop } = lanes;
      const lane = lanes.of(past);
      const isAsDecoded = lanes.consistent || lanes.all.length === 1;
      if (!loop || !isAsDecoded || lane?.tokens.length !== text.tokens.length - 1) return undefined;
      loop.begin(lane, text);
      return {
        async add(steps, stop) {
          const [added] = await loop.draw([lane], steps, stop);
          past.ran(added!.ran);
          return added!;
        },
        goBack: (count) => past.goBack(count),
        logits: (row) => read(lanes, row),
      };
    },
  });
  return {
    model,
    get cached() {
      return past.tokens;
    },
    feed: (tokens, signal) => model.inTurn((lanes) => within(lanes).feed(tokens, signal), signal),
    next: (token, signal) => model.inTurn((lanes) => within(lanes).next(token, signal), signal),
    forget: () => past.forget(),
    within,
    close: () => model.closeLane(past),
  };
}

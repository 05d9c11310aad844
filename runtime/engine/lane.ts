/**
 * A lane: where the keys and values of one text are, and the way to add to them. A model has one, whose bytes
 * all texts share: so whoever is about to run tokens asks first whose tokens are in it. More lanes would be a
 * dimension of the caches; a session would then keep one for itself, and lose nothing to others.
 */
import { SinterError } from "../base/errors.ts";

export interface Lane {
  /** Most tokens that one `run` takes. */
  readonly chunk: number;
  /**
   * Whose tokens are in it: of a session, itself. Undefined: nobody can go on from what is there. Set by who
   * runs tokens.
   */
  holder: object | undefined;
  /**
   * Runs 1 … `chunk` tokens at positions `start` …; keys and values of earlier positions are in the cache.
   */
  run(tokens: readonly number[], start: number): Promise<void>;
  /** Columns of the logits: one for each id, unless the model tells fewer classes apart. */
  readonly classes: number;
  /** Logits [classes] after the last token that was run. */
  readLogits(into: Float32Array): void;
}

/** Whoever runs tokens by position, without a session. */
const BY_POSITION = {};
/** Nobody yet: positions may be left out, as measurements do; their keys and values are zeros. */
const FRESH = {};

/** What a lane is made of: the model's part of it. */
export interface LaneParts {
  readonly chunk: number;
  readonly sizes: { readonly context: number; readonly vocab: number };
  /** Runs the entry for so many rows. */
  run(tokens: readonly number[], start: number): Promise<void>;
  readonly classes: number;
  /** Padded: its first `classes` are the logits. */
  logits(): Float32Array;
  /** Lets timers and signals in. */
  breathe(): Promise<void>;
}

/** Between two looks at timers and signals, where runs follow each other. */
const LISTEN_MS = 8;

export function createLane({ chunk, sizes, classes, run, logits, breathe }: LaneParts): Lane {
  let listened = performance.now();
  const lane: Lane = {
    chunk,
    classes,
    holder: FRESH,
    async run(tokens, start) {
      checkTokens(tokens, start, chunk, sizes);
      try {
        await run(tokens, start);
      } catch (cause) {
        lane.holder = undefined; // nobody knows what is there now
        throw cause;
      }
      if (performance.now() - listened < LISTEN_MS) return;
      await breathe();
      listened = performance.now();
    },
    readLogits: (into) => into.set(logits().subarray(0, classes)),
  };
  return lane;
}

function checkTokens(
  tokens: readonly number[],
  start: number,
  chunk: number,
  { context, vocab }: LaneParts["sizes"],
): void {
  if (tokens.length === 0 || tokens.length > chunk || start < 0 || start + tokens.length > context)
    throw new SinterError("bug", `${tokens.length} tokens at position ${start} of a context of ${context}`);
  for (const token of tokens)
    if (!(Number.isInteger(token) && token >= 0 && token < vocab))
      throw new SinterError(
        "input",
        `token ${token} is outside of the model's vocabulary of ${vocab}`,
        "Ids are whole numbers from 0 on.",
      );
}

/**
 * Tokens by position: for callers who keep account of what is in the cache themselves. Throws rather than to
 * go on from what a session has left there, or older weights.
 */
export async function feedByPosition(lane: Lane, tokens: readonly number[], start: number): Promise<void> {
  if (start > 0 && lane.holder !== BY_POSITION && lane.holder !== FRESH)
    throw new SinterError(
      "bug",
      `the cache does not hold what was fed by position before position ${start}: a session has used ` +
        "it, or the weights have changed",
      "Feed from position 0, or use a session (createSession): it brings its tokens back.",
    );
  lane.holder = BY_POSITION;
  for (let at = 0; at < tokens.length; at += lane.chunk)
    await lane.run(tokens.slice(at, at + lane.chunk), start + at);
}

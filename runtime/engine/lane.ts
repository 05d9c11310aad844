/**
 * A lane: the place where the keys and values of one text are, and the way to add to them. A module has one
 * lane, and all texts use it in turn: whoever is about to run tokens looks first whose tokens are in it.
 * Several lanes would be a leading dimension of the caches; a session would then keep one for itself, and
 * would lose nothing to others.
 */
import { SinterError } from "../base/errors.ts";
import type { Entries } from "./entries.ts";
import { writeRun } from "./run-inputs.ts";

export interface Lane {
  /** Most tokens that one `run` takes. */
  readonly chunk: number;
  /**
   * Whose tokens are in the lane; for a session, an object of its own. Undefined: nobody can go on from what
   * is there. It is set by whoever runs tokens.
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

/** The holder when tokens are run by position, without a session. */
const BY_POSITION = {};
/**
 * The holder of a lane that nobody has used. Positions may then be left out, as measurements do: their keys
 * and values are zeros.
 */
const FRESH = {};

/** What a lane is made of: the way to run tokens and to read what they give. */
export interface LaneSource {
  readonly chunk: number;
  readonly sizes: { readonly context: number; readonly vocab: number };
  run(tokens: readonly number[], start: number): Promise<void>;
  readonly classes: number;
  /** Padded: its first `classes` are the logits. */
  logits(): Float32Array;
  /** Lets timers and signals in. */
  breathe(): Promise<void>;
}

/** Milliseconds between two looks at timers and signals, where runs follow each other. */
const LISTEN_MS = 8;

export function createLane({ chunk, sizes, classes, run, logits, breathe }: LaneSource): Lane {
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

/** The lane of a module: one token is a run of `decode`, several are one of `prefill`. */
export const laneOf = (entries: Entries, breathe: () => Promise<void>): Lane =>
  createLane({
    chunk: entries.find("prefill")?.context ?? 1,
    sizes: entries.manifest.model.sizes,
    classes: entries.findTensor("logits")?.place.shape.at(-1) ?? entries.manifest.model.sizes.vocab,
    breathe,
    logits: () => entries.tensor("logits").padded() as Float32Array,
    run(tokens, start) {
      const rows = writeRun(entries, [{ lane: 0, start, tokens }]);
      return entries.run(entries.get(rows === 1 ? "decode" : "prefill"), rows);
    },
  });

function checkTokens(
  tokens: readonly number[],
  start: number,
  chunk: number,
  { context, vocab }: LaneSource["sizes"],
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
 * Runs tokens by position, for callers who keep account of what is in the cache themselves. Throws where they
 * would go on from what a session has left there, or from what older weights have made.
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

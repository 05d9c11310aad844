/**
 * A running text becomes tokens, and these become batches of windows. A window of T tokens predicts the T
 * tokens that begin one later. Training reads random windows of the first part of the text; the part that is
 * held out, from the end of the text, is read from its first to its last token.
 */
import { documentsIn, TEXT_RULE } from "./documents.ts";
import { SinterError } from "../../base/errors.ts";
import type { Batch } from "../../engine/model.ts";
import type { Random } from "../../base/random.ts";
import type { Tokenizer } from "../../tokenizers/base/tokenizer.ts";

export type Tokens = Uint16Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** So many tokens are gathered before they are packed into a typed array. */
const PACKED = 1 << 16;

/**
 * The tokens of a text and of its documents' beginnings and ends. Throws `input` on a character that the
 * tokenizer lacks, and on an id that the model lacks.
 */
export function encodeText(text: string, tokenizer: Tokenizer, vocab: number, rule = TEXT_RULE): Tokens {
  const list = tokenList(tokenizer, vocab);
  for (const document of documentsIn(text, tokenizer, rule)) {
    list.add(document.begin);
    list.addText(document.text);
    list.add(document.end);
  }
  return list.all();
}

export interface TokenList {
  add(ids: readonly number[]): void;
  addText(text: string): void;
  readonly length: number;
  all(): Tokens;
}

/** Gathers the tokens of a long text as they come, in two bytes each where the vocabulary allows. */
export function tokenList(tokenizer: Tokenizer, vocab: number): TokenList {
  const emptyTokens = (n: number): Tokens => (vocab <= 65536 ? new Uint16Array(n) : new Int32Array(n));
  const parts: Tokens[] = [];
  let waiting: number[] = []; // not yet packed: short texts are packed together
  let length = 0;
  const flush = (): void => {
    const part = emptyTokens(waiting.length);
    part.set(waiting);
    parts.push(part);
    waiting = [];
  };
  const add = (ids: readonly number[]): void => {
    const high = ids.find((id) => id >= vocab);
    if (high !== undefined)
      throw new SinterError(
        "input",
        `the text needs token ${high}, but the model's vocabulary ends at ${vocab - 1}`,
        `The ${tokenizer.name} tokenizer has ${tokenizer.size} tokens: set vocab to ${tokenizer.size}.`,
      );
    for (const id of ids) waiting.push(id);
    length += ids.length;
    if (waiting.length >= PACKED) flush();
  };
  return {
    add,
    addText(text) {
      if (tokenizer.encodeInParts) tokenizer.encodeInParts(text, add);
      else add(tokenizer.encode(text));
    },
    get length() {
      return length;
    },
    all() {
      flush();
      const tokens = emptyTokens(length);
      let at = 0;
      for (const part of parts) {
        tokens.set(part, at);
        at += part.length;
      }
      return tokens;
    },
  };
}

export interface TokenSplits {
  readonly train: Tokens;
  readonly heldOut: Tokens;
}

/**
 * Splits a text as nanoGPT does: the first (1 − share) of the tokens, rounded down, are for training. Throws
 * `input` when one of the parts does not hold a window.
 */
export function split(tokens: Tokens, share: number, context: number): TokenSplits {
  const cut = share === 0 ? tokens.length : Math.floor(tokens.length * (1 - share));
  const parts = { train: tokens.subarray(0, cut), heldOut: tokens.subarray(cut) };
  if (parts.train.length < context + 1) throw tooShort(tokens.length, parts.train.length, context);
  if (share > 0 && parts.heldOut.length < 2) throw tooShort(tokens.length, parts.heldOut.length, 1);
  return parts;
}

const tooShort = (all: number, part: number, context: number): SinterError =>
  new SinterError(
    "input",
    `the text is too short: ${all} tokens, of which ${part} are in this part, and a window takes ` +
      `${context + 1}`,
    "Use a longer text, or a smaller context: --set context=N",
  );

/**
 * Draws B windows at random places, as nanoGPT does. (Windows without repetition within an epoch taught a
 * model no better: bench/EXPERIMENTS.md.)
 */
export function randomBatch(tokens: Tokens, batch: number, context: number, random: Random): Batch {
  const out = emptyBatch(batch, context);
  for (let b = 0; b < batch; b++) {
    const at = random.below(tokens.length - context);
    out.tokens.set(tokens.subarray(at, at + context), b * context);
    out.targets.set(tokens.subarray(at + 1, at + context + 1), b * context);
  }
  return out;
}

export interface WindowOptions {
  /** At most so many batches, whose windows are spread evenly over the text. */
  readonly most?: number;
  /**
   * How many tokens from the start of a window to the start of the next, 1 … context. Below the context,
   * windows overlap: a token that two windows hold is a target in the first only, and every target but those
   * of the first window is predicted from at least context − stride tokens.
   */
  readonly stride?: number;
}

/**
 * Windows [B, T] one after the other, in which every token but the first is a target once. Rows that the last
 * batch lacks are not counted.
 */
export function* windows(
  tokens: Tokens,
  batch: number,
  context: number,
  { most = Infinity, stride = context }: WindowOptions = {},
): Generator<Batch> {
  const targets = tokens.length - 1;
  const overlap = context - stride;
  const count = targets < 1 ? 0 : 1 + Math.ceil(Math.max(0, targets - context) / stride);
  const every = Math.max(1, count / (most * batch));
  const taken = count === 0 ? 0 : Math.floor((count - 1) / every) + 1;
  for (let first = 0; first < taken; first += batch) {
    const out = emptyBatch(batch, context);
    for (let b = 0; b < batch && first + b < taken; b++) {
      const window = Math.floor((first + b) * every);
      const at = window * stride;
      const known = window === 0 ? 0 : overlap;
      const end = Math.min(at + context, targets);
      out.tokens.set(tokens.subarray(at, end), b * context);
      out.targets.set(tokens.subarray(at + known + 1, end + 1), b * context + known);
    }
    yield out;
  }
}

export const emptyBatch = (batch: number, context: number): Batch => ({
  tokens: new Int32Array(batch * context),
  targets: new Int32Array(batch * context).fill(-1),
});

/**
 * Log-probabilities in the three forms that clients know: the lists of OpenAI's completions, the objects of
 * its chats, and those of llama.cpp.
 */
import type { TokenLogprob } from "../../../runtime/sample/logprobs.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { MadeToken } from "../pool/serving.ts";

/** Tokens that came with their log-probabilities. */
export const withLogprobs = (tokens: readonly MadeToken[]): readonly TokenLogprob[] =>
  tokens.map(({ id, logprob = 0, top = [] }) => ({ id, logprob, top }));

interface Piece {
  readonly token: string;
  readonly bytes: readonly number[];
}

/** What a token stands for. Bytes that are no whole characters are U+FFFD in `token`. */
function pieceOf(tokenizer: Tokenizer, id: number): Piece {
  const bytes = tokenizer.bytes(id);
  return { token: new TextDecoder().decode(bytes), bytes: [...bytes] };
}

/** `choices[].logprobs` of a chat. */
export const chatLogprobs = (tokenizer: Tokenizer, tokens: readonly TokenLogprob[]): object => ({
  content: tokens.map(({ id, logprob, top }) => ({
    ...pieceOf(tokenizer, id),
    logprob: finite(logprob),
    top_logprobs: top.map((one) => ({ ...pieceOf(tokenizer, one.id), logprob: finite(one.logprob) })),
  })),
  refusal: null,
});

/** `completion_probabilities` of /completion. */
export const nativeLogprobs = (tokenizer: Tokenizer, tokens: readonly TokenLogprob[]): readonly object[] =>
  tokens.map(({ id, logprob, top }) => ({
    id,
    ...pieceOf(tokenizer, id),
    logprob: finite(logprob),
    top_logprobs: top.map((one) => ({
      id: one.id,
      ...pieceOf(tokenizer, one.id),
      logprob: finite(one.logprob),
    })),
  }));

/** JSON has no infinities; this is what OpenAI sends for what cannot be. */
const finite = (logprob: number): number => Math.max(logprob, -9999);

/**
 * `choices[].logprobs` of completions: four lists, one element for each token. `text_offset` counts Unicode's
 * characters from the beginning of the choice's text, as Python does. Goes on from call to call.
 */
export class LegacyLogprobs {
  readonly #tokenizer: Tokenizer;
  readonly #special: ReadonlySet<number>;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  /** The text begins with the next token, and a space that this carries is not part of it. */
  #begins: boolean;
  #offset = 0;

  /** `continues`: the text goes on in the middle of another one. */
  constructor(tokenizer: Tokenizer, { continues }: { readonly continues: boolean }) {
    this.#tokenizer = tokenizer;
    this.#special = new Set(tokenizer.special.values());
    this.#begins = !continues && tokenizer.addsSpace;
  }

  /** `scored` is null for the first token of all, whose probability nothing says. */
  add(ids: readonly number[], scored: readonly (TokenLogprob | null)[]): object {
    const likeliest = ({ id, logprob, top }: TokenLogprob): object =>
      Object.fromEntries([...top, { id, logprob }].map((one) => [this.#name(one.id), finite(one.logprob)]));
    return {
      tokens: ids.map((id) => this.#name(id)),
      token_logprobs: scored.map((token) => (token ? finite(token.logprob) : null)),
      top_logprobs: scored.map((token) => (token ? likeliest(token) : null)),
      text_offset: ids.map((id) => this.#offsetOf(id)),
    };
  }

  /** A token that is no text by itself is written as OpenAI does, so that it can be told from others. */
  #name(id: number): string {
    const bytes = this.#tokenizer.bytes(id);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
    }
  }

  #offsetOf(id: number): number {
    const before = this.#offset;
    if (this.#special.has(id)) return before;
    const bytes = this.#tokenizer.bytes(id);
    const shown = this.#begins && bytes[0] === SPACE ? bytes.subarray(1) : bytes;
    this.#begins = false;
    this.#offset += [...this.#utf8.decode(shown, { stream: true })].length;
    return before;
  }
}

const SPACE = 0x20;

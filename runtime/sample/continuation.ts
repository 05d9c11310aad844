/**
 * A text while it grows: the prompt's tokens, those that were drawn after it, and what of them can be shown.
 */
import { Bias, type BiasOptions } from "./bias.ts";
import { randomFrom, randomStream, type Random, type RandomState } from "../base/random.ts";
import { textStream } from "../tokenizers/base/text-stream.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { logprobReader, type TokenLogprob } from "./logprobs.ts";
import { sampleToken, type SamplerSettings } from "./sampler.ts";
import type { DrawnText } from "./session.ts";

export type EndReason = "tokens" | "stop" | "end of text" | "context" | "aborted";

export interface ContinuationOptions extends SamplerSettings, BiasOptions {
  /** Text, or ids: of a chat, say. */
  readonly prompt: string | readonly number[];
  /** Most tokens to add. */
  readonly tokens: number;
  readonly seed: number;
  readonly stop?: readonly string[];
  /**
   * false: special tokens (those that mark a chat's turns, say) are drawn, but do not appear in the text.
   * Default: true.
   */
  readonly special?: boolean | undefined;
  /** true: tokens that end texts are never drawn. Default: false. */
  readonly ignoreEnd?: boolean | undefined;
  /**
   * The new text goes on in the middle of the prompt's, so that a space which its first token carries is part
   * of it. Default: where the prompt is a text that is not empty.
   */
  readonly continues?: boolean | undefined;
  /** Asks for the log-probability of each token, and of so many of the likeliest at its position. */
  readonly logprobs?: number | undefined;
}

const SPACE = 0x20;
const NOTHING = new Uint8Array(0);

export class Continuation {
  readonly prompt: readonly number[];
  readonly logprobs: TokenLogprob[] = [];
  readonly #tokenizer: Tokenizer;
  readonly #options: ContinuationOptions;
  readonly #onText: (text: string) => void;
  #random: Random;
  readonly #stream: ReturnType<typeof textStream>;
  readonly #bias: Bias;
  /** Tokens after which the text ends, and tokens that are never drawn. */
  readonly #ends: ReadonlySet<number>;
  readonly #never: ReadonlySet<number>;
  /** The texts of special tokens that are not shown. */
  readonly #hidden: ReadonlyMap<number, string>;
  readonly #tokens: number[];
  #shown = "";
  #stopText: string | undefined;

  /** `prompt`: the ids of `options.prompt`. `onText` gets each piece of new text as soon as it is certain. */
  constructor(
    tokenizer: Tokenizer,
    prompt: readonly number[],
    options: ContinuationOptions,
    onText: (text: string) => void,
  ) {
    this.prompt = prompt;
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#onText = onText;
    this.#random = randomStream(options.seed, "sample");
    this.#stream = textStream(options.stop ?? [], tokenizer.cleansSpaces);
    this.#hidden = new Map(
      options.special === false ? [...tokenizer.special].map(([name, id]) => [id, name]) : [],
    );
    this.#tokens = [...prompt];
    const { endOfText, beginOfText, stops, absent = [] } = tokenizer;
    const ends = [endOfText, beginOfText, ...stops].filter((id) => id !== undefined);
    this.#bias = new Bias(options);
    this.#ends = new Set(ends);
    this.#never = new Set([...absent, ...this.#bias.never, ...(options.ignoreEnd ? ends : [])]);
  }

  /** The prompt's tokens and those that were added. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get added(): readonly number[] {
    return this.#tokens.slice(this.prompt.length);
  }

  /** What was shown so far. */
  get shown(): string {
    return this.#shown;
  }

  /** The stop text that has ended it. */
  get stopText(): string | undefined {
    return this.#stopText;
  }

  /**
   * Draws a token from the logits, which this overwrites. Returns why the text ends; undefined: it goes on.
   */
  drawToken(logits: Float32Array): EndReason | undefined {
    const { logprobs } = this.#options;
    const logprobOf = logprobs === undefined ? undefined : logprobReader(logits, logprobs);
    this.#bias.apply(logits);
    const ids = Math.min(this.#tokenizer.size, logits.length);
    const token = sampleToken(logits, this.#options, this.#tokens, this.#random, ids, this.#never);
    return this.#addToken(token, logprobOf);
  }

  /**
   * How a module draws the next tokens by itself (engine/text-loop.ts). `held`: how many tokens of the text,
   * its last ones, are in the module's lane, the very last included. Undefined: something has to be seen at
   * each token that only logits say, or tokens that count as recent are not among these.
   */
  asDrawn(held: number): DrawnText | undefined {
    const { logprobs, tokens: most, repeatPenalty, repeatLast } = this.#options;
    const isAllSeen = repeatPenalty === 1 || held >= Math.min(repeatLast, this.#tokens.length);
    if (logprobs !== undefined || !isAllSeen || this.#bias.isNeeded) return undefined;
    return {
      tokens: this.#tokens.slice(-held),
      most: most - (this.#tokens.length - this.prompt.length),
      draw: { ...this.#options, ids: this.#tokenizer.size, logprobs: false },
      absent: this.#never,
      ends: this.#ends,
      random: this.#random.state(),
    };
  }

  /** Takes over a token that a module has drawn. Returns why the text ends; undefined: it goes on. */
  takeToken(token: number): EndReason | undefined {
    return this.#addToken(token);
  }

  /** Goes on with the random numbers after those that a module has drawn. */
  takeRandom(state: RandomState): void {
    this.#random = randomFrom(state);
  }

  #addToken(token: number, logprobOf?: (id: number) => TokenLogprob): EndReason | undefined {
    const { tokens: most } = this.#options;
    if (this.#ends.has(token)) return "end of text";
    if (logprobOf) this.logprobs.push(logprobOf(token));
    this.#tokens.push(token);
    this.#bias.count(token);
    if (this.#showToken(token) === "stop") return "stop";
    return this.#tokens.length - this.prompt.length === most ? "tokens" : undefined;
  }

  /** Shows what was held back because a stop text might have begun there. */
  finish(): void {
    this.#show(this.#stream.end());
  }

  /** "stop": one of the stop texts is complete. */
  #showToken(token: number): "stop" | undefined {
    const name = this.#hidden.get(token);
    const { text, stopped } = this.#stream.push(name === undefined ? this.#bytesOf(token) : NOTHING);
    this.#show(text);
    this.#stopText = stopped ?? this.#options.stop?.find((stop) => stop === name);
    return this.#stopText === undefined ? undefined : "stop";
  }

  /** A text that does not continue another one begins without the space that its first token may carry. */
  #bytesOf(token: number): Uint8Array {
    const bytes = this.#tokenizer.bytes(token);
    const { prompt, continues = typeof prompt === "string" && prompt !== "" } = this.#options;
    const begins = this.#tokens.length - this.prompt.length === 1 && !continues;
    return begins && this.#tokenizer.addsSpace && bytes[0] === SPACE ? bytes.subarray(1) : bytes;
  }

  #show(text: string): void {
    this.#shown += text;
    if (text !== "") this.#onText(text);
  }
}

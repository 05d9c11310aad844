/**
 * What a server's routes ask of a model: texts, scores of texts and their embeddings, many at once. `pool.ts`
 * is what answers. Nothing here knows of HTTP; texts are tokens.
 */
import type { Manifest } from "../../../runtime/contract/manifest.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import type { BatchTextOptions, PromptProgress, TextPhase } from "../../../runtime/sample/batch.ts";
import type { TokenLogprob } from "../../../runtime/sample/logprobs.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";

export interface Serving {
  /**
   * While the model loads, for the first time or anew after it has failed, asks wait for it. "failed": the
   * last attempt to load it has failed, and the next ask is another one. "draining": no more asks are taken.
   */
  readonly state: "loading" | "ready" | "draining" | "failed";
  /** Rejects where the first loading fails. */
  readonly ready: Promise<ServedFacts>;
  /** Once the model has been loaded. */
  readonly facts: ServedFacts | undefined;
  /**
   * One text. Its bits are those that it has alone, whatever else is asked meanwhile. When the signal or the
   * deadline comes, resolves at once with what there is. Rejects with a `ServingError`, and with whatever a
   * listener of the ask throws.
   */
  complete(ask: TextAsk): Promise<TextMade>;
  /**
   * ln p of each token after those before it, with so many of the likeliest ids in its place; null for the
   * first token. Rejects with a `ServingError`, and with the signal's reason.
   */
  score(tokens: readonly number[], options: ScoreOptions): Promise<readonly (TokenLogprob | null)[]>;
  /**
   * [width]: the mean of the last norm's rows of all tokens, with length 1. Rejects as `score` does.
   */
  embed(tokens: readonly number[], options: ReadOptions): Promise<Float32Array>;
  /** One for each lane; none before the model has been loaded. */
  lanes(): readonly LaneState[];
  counts(): PoolCounts;
  /**
   * Changes the model's weights between two requests: those that run end first, those that have not begun
   * wait. What `load` resolves with is known of the model from then on; where it rejects, the model is opened
   * anew. Does nothing while there is no model: whichever is opened next has the newest weights.
   */
  renew(load: (model: RunningModel) => Promise<RenewedFacts>): Promise<void>;
  /**
   * Takes no more asks. Resolves when those that there are have ended; after so many milliseconds, they are
   * cut as by a deadline.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Cuts all asks and ends the model's workers. */
  close(): Promise<void>;
}

/** What is known of a model that is served. */
export interface ServedFacts {
  readonly manifest: Manifest;
  readonly tokenizer: Tokenizer;
  /** How it is asked in a chat. Undefined: it knows no conversations. */
  readonly format?: ChatFormat | undefined;
  readonly name: string;
  /** The model with its adapters, which is asked by another name. */
  readonly adapter?: Pick<ServedFacts, "name" | "format"> | undefined;
  /** Texts that grow at once, each with a context of so many tokens. */
  readonly lanes: number;
  readonly context: number;
  readonly weightsBytes: number;
  /** Names the computation: a hash of the WebAssembly, the weights and the release. */
  readonly fingerprint: string;
  /** The training step of the weights. */
  readonly step?: number | undefined;
  /** The spec's text. */
  readonly spec: string;
  /** When the weights were made, in seconds since 1970. */
  readonly created: number;
}

/** What is otherwise with other weights. */
export type RenewedFacts = Pick<ServedFacts, "fingerprint" | "step" | "created">;

/** How a text is drawn, and what it is to have. A text without a seed gets one at random. */
export type AskedSampling = Omit<BatchTextOptions, "prompt" | "seed" | "lane" | "reuse" | `on${string}`> & {
  readonly seed?: number | undefined;
};

export interface TextAsk {
  /** The prompt. */
  readonly tokens: readonly number[];
  /** `whenFull` is "stop" unless said otherwise: a prompt that does not fit is refused. */
  readonly sampling: AskedSampling;
  /** The number of the lane that it wants, and waits for. Default: one that has its beginning, or is free. */
  readonly lane?: number | undefined;
  /** false: all of the prompt is run, whatever of it is in a lane. The text is the same. Default: true. */
  readonly reuse?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Milliseconds from now. */
  readonly deadlineMs?: number | undefined;
  /** Hears how far the prompt has been run, piece by piece. */
  readonly onProgress?: ((progress: PromptProgress) => void) | undefined;
  /**
   * Hears each piece of new text as soon as it is certain, with the tokens that were added since the last
   * one; at the end, tokens without a text come with "".
   */
  readonly onText?: ((piece: string, tokens: readonly MadeToken[]) => void) | undefined;
}

export interface ReadOptions {
  readonly signal: AbortSignal;
  /** false: by the model as it was before it had adapters. Default: true. */
  readonly adapters?: boolean | undefined;
}

export interface ScoreOptions extends ReadOptions {
  readonly top: number;
}

/** A token that was added; where log-probabilities are asked for, with these. */
export type MadeToken = Pick<TokenLogprob, "id"> & Partial<TokenLogprob>;

export interface TextMade {
  readonly text: string;
  /** Those that were added. */
  readonly tokens: readonly number[];
  readonly logprobs?: readonly TokenLogprob[];
  readonly promptTokens: number;
  /** How many of these did not have to be run. */
  readonly cached: number;
  /** The seed that the text had, which gives it again. */
  readonly seed: number;
  /** Why it ended: a token that ends texts, a stop text, all tokens that were asked for, a full context … */
  readonly stop: "end of text" | "word" | "tokens" | "context" | "aborted" | "deadline";
  /** The stop text, where it was one. */
  readonly stopWord?: string | undefined;
  /** The context was full: the text ended there, or its beginning was given up. */
  readonly isTruncated: boolean;
  /** Undefined: it ended before it had one. */
  readonly lane: number | undefined;
  /** Milliseconds from the ask until the first token, for the prompt alone, and for all later tokens. */
  readonly firstTokenMs: number;
  readonly promptMs: number;
  readonly madeMs: number;
}

/** What a lane is doing, without the text that is in it. */
export interface LaneState {
  readonly id: number;
  readonly context: number;
  readonly isBusy: boolean;
  /** Of the text that is in it now; 0 where there is none. */
  readonly promptTokens: number;
  readonly made: number;
}

export interface PoolCounts {
  readonly lanes: number;
  /** Asks that have a lane or are at work otherwise, and asks that wait. */
  readonly running: number;
  readonly waiting: number;
  /** The share of all lanes' positions whose keys and values are there, 0 … 1. */
  readonly usedRatio: number;
  /** Sums since the beginning. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly madeTokens: number;
  /** Asks that were given up, by what they were at. */
  readonly cancelled: Readonly<Record<TextPhase, number>>;
  /** How often the model was loaded anew because it had failed. */
  readonly restarts: number;
}

/** Why an ask is not answered. */
export type Refusal =
  /** Prompt and context, in tokens. */
  | { readonly kind: "prompt too long"; readonly promptTokens: number; readonly context: number }
  | { readonly kind: "queue full"; readonly retryAfterSeconds: number }
  | { readonly kind: "draining" }
  /** The model is not there yet, for those who do not want to wait. */
  | { readonly kind: "loading" }
  /** A worker has ended or trapped, the weights are not numbers, or the model could not be loaded. */
  | { readonly kind: "model failed" }
  /** No token, one that the model does not have, or a lane that it does not have. */
  | { readonly kind: "bad token" | "bad lane" }
  /** The module was compiled without what is asked for. */
  | { readonly kind: "not built" };

export class ServingError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "ServingError";
    this.refusal = refusal;
  }

  get kind(): Refusal["kind"] {
    return this.refusal.kind;
  }
}

export const modelFailed = (cause: unknown): ServingError =>
  new ServingError(
    { kind: "model failed" },
    `the model has failed: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
  );

export const draining = (): ServingError =>
  new ServingError({ kind: "draining" }, "no more requests are taken");

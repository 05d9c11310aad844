/** A text of a batch while it grows: what of it is in its lane, and what comes next. */
import { SinterError } from "../base/errors.ts";
import type { RunningModel } from "../engine/model.ts";
import type { ReservedLane } from "../engine/lanes.ts";
import type { LoopTokens } from "../engine/text-loop.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { Continuation, type ContinuationOptions, type EndReason } from "./continuation.ts";
import { promptTokens, type Generated } from "./generate.ts";
import type { TokenLogprob } from "./logprobs.ts";
import { checkLength } from "./past.ts";
import type { DrawnText } from "./session.ts";

export interface BatchTextOptions extends ContinuationOptions {
  /** What happens when the context is full: GenerateOptions. Default: shift. */
  readonly whenFull?: "shift" | "stop" | undefined;
  /** The number of the lane that it is to have, and waits for. Default: one that suits it. */
  readonly lane?: number | undefined;
  /** false: it is written by the model as it was before it had adapters. Default: true. */
  readonly adapters?: boolean | undefined;
  /** false: all of its prompt runs, whatever of it is in a lane already. Default: true. */
  readonly reuse?: boolean | undefined;
  /** Hears how much of the prompt has been run, step by step. */
  readonly onPrompt?: ((progress: PromptProgress) => void) | undefined;
  /** Hears each piece of new text as soon as it is certain. */
  readonly onText?: ((text: string) => void) | undefined;
}

export interface PromptProgress {
  /** Tokens of the prompt. */
  readonly total: number;
  /** How many of them did not have to be run, and how many are in the lane by now, those included. */
  readonly cached: number;
  readonly processed: number;
  /** Since it had a lane. */
  readonly ms: number;
}

/** A text waits for its first run, its prompt runs, or it grows. */
export type TextPhase = "waiting" | "prompt" | "text";

/** A text of a batch, for whoever added it. */
export interface BatchText {
  /** The prompt's tokens and those that were added. */
  readonly tokens: readonly number[];
  readonly phase: TextPhase;
  /** The number of the lane that it has or had. Undefined: it had none yet. */
  readonly lane: number | undefined;
  /** How many of the prompt's tokens did not have to be run. */
  readonly cachedTokens: number;
  /** How many milliseconds it has waited for its first run. */
  readonly waitedMs: number;
  /** The context was full: it has ended there, or its beginning was given up. */
  readonly isTruncated: boolean;
  /** The log-probabilities of the tokens that were added, where these are asked for. */
  readonly logprobs: readonly TokenLogprob[];
  /** What became of it, when it has ended. */
  readonly made: Generated | undefined;
}

/** A text, its tokens in the context, and how many of these have been run. */
export class GrowingText implements BatchText {
  /** The tokens of the context: the prompt's, and those that were added; the newer half after a shift. */
  window: number[];
  /** How many of them have been run. */
  at = 0;
  /** It has a lane. */
  isSeated = false;
  lane: number | undefined;
  isTruncated: boolean;
  made: Generated | undefined;
  /** How many of the prompt's tokens did not have to be run. */
  #cached: number | undefined;
  readonly #options: BatchTextOptions;
  readonly #text: Continuation;
  readonly #asked = performance.now();
  #begun: number | undefined;
  #prefilled: number | undefined;

  constructor(model: RunningModel, tokenizer: Tokenizer, o: BatchTextOptions) {
    const { context, vocab } = model.manifest.model.sizes;
    const prompt = typeof o.prompt === "string" ? promptTokens(tokenizer, o.prompt) : [...o.prompt];
    this.#options = o;
    this.#text = new Continuation(tokenizer, prompt, o, o.onText ?? (() => {}));
    this.window = o.whenFull === "stop" ? [...prompt] : prompt.slice(-context);
    this.isTruncated = this.window.length < prompt.length;
    checkLength(this.window, context);
    const unknown = prompt.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocab));
    if (unknown !== undefined)
      throw new SinterError("input", `token ${unknown} is outside of the model's vocabulary of ${vocab}`);
    const lanes = model.module.lanes ?? 1;
    if (o.lane !== undefined && !(Number.isInteger(o.lane) && o.lane >= 0 && o.lane < lanes))
      throw new SinterError("input", `there is no lane ${o.lane}: they are 0 … ${lanes - 1}`);
  }

  get tokens(): readonly number[] {
    return this.#text.tokens;
  }

  get logprobs(): readonly TokenLogprob[] {
    return this.#text.logprobs;
  }

  get phase(): TextPhase {
    if (this.#prefilled !== undefined) return "text";
    return this.#begun === undefined ? "waiting" : "prompt";
  }

  get cachedTokens(): number {
    return this.#cached ?? 0;
  }

  get waitedMs(): number {
    return (this.#begun ?? performance.now()) - this.#asked;
  }

  /** The lane that it is to have. */
  get wanted(): ReservedLane {
    return this.#options;
  }

  get isAdapted(): boolean {
    return this.#options.adapters !== false;
  }

  get mayReuse(): boolean {
    return this.#options.reuse !== false;
  }

  /** How many tokens have to be run before one can be drawn. */
  get left(): number {
    return this.window.length - this.at;
  }

  get wantsNothing(): boolean {
    return this.#options.tokens === 0;
  }

  /** It goes on in this lane, where so many of its tokens are. */
  begin(lane: number, cached: number): void {
    this.at = cached;
    this.lane = lane;
    this.#cached ??= cached;
    this.#begun ??= performance.now();
  }

  /** So many more of its tokens have been run. */
  ran(count: number): void {
    this.at += count;
    if (this.#prefilled !== undefined) return;
    this.#options.onPrompt?.({
      total: this.window.length,
      cached: this.#cached!,
      processed: this.at,
      ms: performance.now() - this.#begun!,
    });
  }

  /** Adds a token. Returns why the text ends; undefined: it goes on. */
  draw(logits: Float32Array, context: number): EndReason | undefined {
    this.#prefilled ??= performance.now();
    const end = this.#text.drawToken(logits);
    if (end) return end;
    this.window.push(this.tokens.at(-1)!);
    return this.#makeRoom(context);
  }

  /** How the module draws its next tokens by itself. Undefined: it cannot now. */
  asDrawn(): DrawnText | undefined {
    return this.left === 1 ? this.#text.asDrawn(this.window.length) : undefined;
  }

  /** Takes over what the module has drawn. Returns why the text ends; undefined: it goes on. */
  takeDrawn({ tokens, ran, random }: LoopTokens, context: number): EndReason | undefined {
    this.#prefilled ??= performance.now();
    this.ran(ran.length);
    for (const token of tokens) {
      const end = this.#text.takeToken(token);
      if (end) return end; // what was drawn behind a stop text was drawn for nothing
      this.window.push(token);
    }
    this.#text.takeRandom(random);
    return this.#makeRoom(context);
  }

  #makeRoom(context: number): EndReason | undefined {
    if (this.at < context) return undefined;
    this.isTruncated = true;
    if (this.#options.whenFull === "stop") return "context";
    this.window = this.tokens.slice(-Math.max(1, context >> 1));
    this.at = 0;
    return undefined;
  }

  end(reason: EndReason): Generated {
    const now = performance.now();
    const prefilled = this.#prefilled ?? now;
    this.#text.finish();
    this.made = {
      text: this.#text.shown,
      tokens: this.#text.added,
      promptTokens: this.#text.prompt.length,
      cachedTokens: this.cachedTokens,
      reason,
      stopText: this.#text.stopText,
      prefillMs: prefilled - this.#asked,
      decodeMs: now - prefilled,
      ...(this.#options.logprobs !== undefined && { logprobs: this.#text.logprobs }),
    };
    return this.made;
  }
}

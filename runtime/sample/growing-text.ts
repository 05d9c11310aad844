/** A text of a batch while it grows: what of it is in its lane, and what comes next. */
import { SinterError } from "../base/errors.ts";
import type { RunningModel } from "../engine/model.ts";
import type { LoopTokens } from "../engine/text-loop.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { Continuation, type ContinuationOptions, type EndReason } from "./continuation.ts";
import { promptTokens, type Generated } from "./generate.ts";
import { checkLength } from "./past.ts";
import type { DrawnText } from "./session.ts";

export interface BatchTextOptions extends ContinuationOptions {
  /** What happens when the context is full: GenerateOptions. Default: shift. */
  readonly whenFull?: "shift" | "stop" | undefined;
  /** Hears each piece of new text as soon as it is certain. */
  readonly onText?: ((text: string) => void) | undefined;
}

/** A text of a batch, for whoever added it. */
export interface BatchText {
  /** The prompt's tokens and those that were added. */
  readonly tokens: readonly number[];
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
  /** How many of the prompt's did not have to be run. */
  cached: number | undefined;
  made: Generated | undefined;
  readonly #options: BatchTextOptions;
  readonly #text: Continuation;
  readonly #began = performance.now();
  #prefilled: number | undefined;

  constructor(model: RunningModel, tokenizer: Tokenizer, o: BatchTextOptions) {
    const { context, vocab } = model.manifest.model.sizes;
    const prompt = typeof o.prompt === "string" ? promptTokens(tokenizer, o.prompt) : [...o.prompt];
    this.#options = o;
    this.#text = new Continuation(tokenizer, prompt, o, o.onText ?? (() => {}));
    this.window = o.whenFull === "stop" ? [...prompt] : prompt.slice(-context);
    checkLength(this.window, context);
    const unknown = prompt.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocab));
    if (unknown !== undefined)
      throw new SinterError("input", `token ${unknown} is outside of the model's vocabulary of ${vocab}`);
  }

  get tokens(): readonly number[] {
    return this.#text.tokens;
  }

  /** How many tokens have to be run before one can be drawn. */
  get left(): number {
    return this.window.length - this.at;
  }

  get wantsNothing(): boolean {
    return this.#options.tokens === 0;
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
    this.at += ran.length;
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
      cachedTokens: this.cached ?? 0,
      reason,
      prefillMs: prefilled - this.#began,
      decodeMs: now - prefilled,
      ...(this.#options.logprobs !== undefined && { logprobs: this.#text.logprobs }),
    };
    return this.made;
  }
}

/**
 * A text that was asked for, from the ask to its end: it waits for the model and for a lane, its prompt runs,
 * it grows. It can be cut at any time, by whoever asked or by its deadline, and joins another model's texts
 * when the one that it has waited for has failed.
 */
import type {
  BatchText,
  BatchTextOptions,
  Grown,
  TextBatch,
  TextPhase,
} from "../../../runtime/sample/batch.ts";
import type { Generated } from "../../../runtime/sample/generate.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { modelFailed, type MadeToken, type TextAsk, type TextMade } from "./serving.ts";

/** Why a text is cut: whoever asked has gone, or its time is over. */
export type Cut = "aborted" | "deadline";

/** More tokens than a text can have. */
const ENDLESS = 2 ** 31 - 1;
/** The longest time that a timer can have: 25 days. */
const LONGEST_MS = 2 ** 31 - 1;

export class AskedText {
  /** Rejects with what `fail` was given, and with what a listener throws. */
  readonly made: Promise<TextMade>;
  readonly ask: TextAsk;
  readonly #seed: number;
  readonly #asked = performance.now();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #joined: { readonly batch: TextBatch; readonly text: BatchText; readonly at: number } | undefined;
  /** How many of its tokens the listener has heard of. */
  #told = 0;
  #settle!: { resolve(made: TextMade): void; reject(error: unknown): void };
  #cut: Cut | undefined;
  #isOver = false;
  readonly #ended: () => void;

  /** `ended` is called once, before anybody hears of the end. */
  constructor(ask: TextAsk, ended: (text: AskedText) => void) {
    this.ask = ask;
    this.#seed = ask.sampling.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
    this.made = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.#ended = () => {
      this.#isOver = true;
      clearTimeout(this.#timer);
      ask.signal.removeEventListener("abort", this.#abort);
      ended(this);
    };
    ask.signal.addEventListener("abort", this.#abort, { once: true });
    const { deadlineMs = Infinity } = ask;
    if (deadlineMs <= LONGEST_MS) this.#timer = setTimeout(() => this.cut("deadline"), deadlineMs);
  }

  readonly #abort = (): void => this.cut("aborted");

  get phase(): TextPhase {
    return this.#joined?.text.phase ?? "waiting";
  }

  /** The number of its lane, where it has begun. */
  get lane(): number | undefined {
    return this.#joined?.text.lane;
  }

  /** Tokens of its prompt, once this runs; those that did not have to be run; and those that were added. */
  get counted(): { readonly prompt: number; readonly cached: number; readonly made: number } {
    if (!this.#joined || this.phase === "waiting") return { prompt: 0, cached: 0, made: 0 };
    const { tokens, cachedTokens } = this.#joined.text;
    const prompt = this.ask.tokens.length;
    return { prompt, cached: cachedTokens, made: tokens.length - prompt };
  }

  /** Whoever asked has gone before its end. */
  get isAborted(): boolean {
    return this.#cut === "aborted";
  }

  /** Milliseconds since its prompt began to run. */
  get runMs(): number {
    return this.#joined ? performance.now() - this.#joined.at - this.#joined.text.waitedMs : 0;
  }

  join(batch: TextBatch): BatchText {
    const { tokens, sampling, lane, reuse, onProgress } = this.ask;
    const options: BatchTextOptions = {
      whenFull: "stop",
      ...sampling,
      tokens: Math.min(sampling.tokens, ENDLESS),
      prompt: tokens,
      seed: this.#seed,
      lane,
      reuse,
      onPrompt: onProgress,
      onText: (piece) => this.#tell(piece),
    };
    this.#told = tokens.length;
    const text = batch.addText(options);
    this.#joined = { batch, text, at: performance.now() };
    return text;
  }

  /** It has not begun: it leaves the texts that grow, and waits to join others. */
  leave(): void {
    const joined = this.#joined;
    this.#joined = undefined;
    joined?.batch.removeText(joined.text);
  }

  /** Takes what a step of the batch has done for it. */
  take({ made, error }: Grown): void {
    if (this.#isOver) return; // it was cut in the same step
    if (error !== undefined) this.fail(error instanceof SinterError ? modelFailed(error) : error);
    else if (made) this.#end(made);
  }

  fail(error: unknown): void {
    this.#ended();
    this.#settle.reject(error);
  }

  /** Ends with what there is. */
  cut(why: Cut): void {
    if (this.#isOver) return;
    this.#cut = why;
    if (!this.#joined) {
      this.#ended();
      this.#settle.resolve(this.#nothing(why));
      return;
    }
    const { batch, text } = this.#joined;
    try {
      batch.removeText(text);
    } catch (error) {
      this.fail(error); // of the listener
      return;
    }
    if (text.made) this.#end(text.made); // else `take` is about to hear of an error
  }

  #end(made: Generated): void {
    try {
      if (this.#told < this.#joined!.text.tokens.length) this.#tell("");
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#ended();
    this.#settle.resolve(this.#result(made));
  }

  #tell(piece: string): void {
    if (this.isAborted) return;
    const { tokens, logprobs } = this.#joined!.text;
    const first = this.ask.tokens.length;
    const added = tokens
      .slice(this.#told)
      .map((id, i): MadeToken => logprobs[this.#told - first + i] ?? { id });
    this.#told = tokens.length;
    this.ask.onText?.(piece, added);
  }

  #result(made: Generated): TextMade {
    const { text, at } = this.#joined!;
    const { reason, stopText, logprobs } = made;
    return {
      text: made.text,
      tokens: made.tokens,
      ...(logprobs && { logprobs }),
      promptTokens: made.promptTokens,
      cached: made.cachedTokens,
      seed: this.#seed,
      stop: reason === "stop" ? "word" : reason === "aborted" ? (this.#cut ?? reason) : reason,
      stopWord: stopText,
      isTruncated: text.isTruncated,
      lane: text.lane,
      firstTokenMs: at - this.#asked + made.prefillMs,
      promptMs: Math.max(0, made.prefillMs - text.waitedMs),
      madeMs: made.decodeMs,
    };
  }

  /** Of a text that ended before there was a model. */
  #nothing(stop: Cut): TextMade {
    return {
      text: "",
      tokens: [],
      ...(this.ask.sampling.logprobs !== undefined && { logprobs: [] }),
      promptTokens: this.ask.tokens.length,
      cached: 0,
      seed: this.#seed,
      stop,
      isTruncated: false,
      lane: undefined,
      firstTokenMs: performance.now() - this.#asked,
      promptMs: 0,
      madeMs: 0,
    };
  }
}

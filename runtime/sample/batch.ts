/**
 * Several texts that grow together: each step is one run of the model, which reads its weights once for all of
 * them. A text that is new brings a piece of its prompt, the others a token each; texts join and leave between
 * any two steps. Where the model's numerics are consistent, each has the bits that it has alone.
 *
 *   const batch = new TextBatch(model, tokenizer);
 *   batch.addText({ prompt: "One", … });  batch.addText({ prompt: "Two", … });
 *   while (batch.size > 0) for (const { text, token, made } of await batch.step()) …
 *
 * A text has a lane for itself while it grows; where there are more texts than lanes, the later ones wait. What
 * it has in common with the beginning of another text is copied from there.
 */
import { SinterError } from "../base/errors.ts";
import type { Lane, LaneTokens } from "../engine/lane.ts";
import type { Lanes } from "../engine/lanes.ts";
import type { RunningModel } from "../engine/model.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { Continuation, type ContinuationOptions, type EndReason } from "./continuation.ts";
import { promptTokens, type Generated } from "./generate.ts";
import { checkLength, commonLength } from "./past.ts";

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

/** What a step has done for a text. */
export interface Grown {
  readonly text: BatchText;
  /** The token that was added. Absent: the text has ended without one. */
  readonly token?: number;
  /** What became of the text, where it has ended. */
  readonly made?: Generated;
  /** Why it could not go on: what its listener threw, or logits that are not numbers. It has left the batch. */
  readonly error?: unknown;
}

export class TextBatch {
  readonly #model: RunningModel;
  readonly #tokenizer: Tokenizer;
  /** All that have not ended, in the order in which they came. */
  #texts: GrowingText[] = [];
  /** The logits of one text after the other. */
  #logits: Float32Array | undefined;

  constructor(model: RunningModel, tokenizer: Tokenizer) {
    this.#model = model;
    this.#tokenizer = tokenizer;
  }

  /** How many texts have not ended, those that wait for a lane included. */
  get size(): number {
    return this.#texts.length;
  }

  /** It joins with the next step. Throws `input` where its prompt does not fit, or has unknown tokens. */
  addText(options: BatchTextOptions): BatchText {
    const text = new GrowingText(this.#model, this.#tokenizer, options);
    this.#texts.push(text);
    return text;
  }

  /** It leaves before the next step, with what it has. */
  removeText(text: BatchText): void {
    const found = this.#texts.find((t) => t === text);
    if (found) this.#end(found, "aborted");
  }

  /**
   * One run, and a token for each text whose tokens have all been run. Returns what became of which text;
   * nothing, where all that ran were pieces of prompts. Waits while others have opened all lanes.
   */
  async step(signal?: AbortSignal): Promise<readonly Grown[]> {
    const [first] = this.#texts;
    if (first && !this.#texts.some((text) => text.isSeated)) await this.#model.openLane(first, { signal });
    return this.#model.inTurn((lanes) => this.#step(lanes), signal);
  }

  /** All texts leave, and their lanes are free. */
  close(): void {
    for (const text of this.#texts) this.#end(text, "aborted");
  }

  async #step(lanes: Lanes): Promise<readonly Grown[]> {
    const ended = this.#texts.filter((text) => text.wantsNothing);
    const grown: Grown[] = ended.map((text) => this.#end(text, "tokens"));
    const some = this.#choose(lanes);
    if (some.length === 0) return grown;
    await lanes.run(some.map(({ spanned }) => spanned));
    for (const [span, { text, spanned }] of some.entries()) {
      if (!this.#texts.includes(text)) continue; // it was removed meanwhile
      text.at += spanned.tokens.length;
      if (text.at === text.window.length) grown.push(this.#draw(text, lanes, span));
    }
    return grown;
  }

  /** Which tokens run: one of each text that goes on, and as much of the prompts as there is room for. */
  #choose(lanes: Lanes): { readonly text: GrowingText; readonly spanned: LaneTokens }[] {
    const seated = this.#texts.flatMap((text) => {
      const lane = laneFor(text, lanes);
      return lane ? [{ text, lane }] : [];
    });
    const ready = seated.filter(({ text, lane }, i) =>
      beginsIfItMay(
        text,
        lane,
        seated.slice(0, i).map((s) => s.text),
        lanes,
      ),
    );
    const first = ready.filter(({ text }) => text.left === 1);
    let room = lanes.chunk;
    return [...first, ...ready.filter(({ text }) => text.left > 1)].flatMap(({ text, lane }) => {
      const tokens = text.window.slice(text.at, text.at + room);
      room -= tokens.length;
      return tokens.length > 0 ? [{ text, spanned: { lane, start: text.at, tokens } }] : [];
    });
  }

  #draw(text: GrowingText, lanes: Lanes, span: number): Grown {
    this.#logits ??= new Float32Array(lanes.classes);
    lanes.readLogits(this.#logits, span);
    const before = text.tokens.length;
    let end: EndReason | undefined;
    try {
      end = text.draw(this.#logits, lanes.context);
    } catch (error) {
      this.#leave(text);
      return { text, error };
    }
    const token = text.tokens.length > before ? { token: text.tokens.at(-1)! } : {};
    return end ? { ...this.#end(text, end), ...token } : { text, ...token };
  }

  #end(text: GrowingText, reason: EndReason): Grown {
    this.#leave(text);
    return { text, made: text.end(reason) };
  }

  #leave(text: GrowingText): void {
    this.#texts = this.#texts.filter((t) => t !== text);
    this.#model.closeLane(text);
  }
}

/** The lane that the text has, or gets now. Undefined: there is none. */
function laneFor(text: GrowingText, lanes: Lanes): Lane | undefined {
  const lane = lanes.reserve(text, text.window);
  text.isSeated = lane !== undefined;
  if (lane?.holder !== text || lane.tokens.length < text.at) text.at = 0; // it is new, or others changed the weights
  return lane;
}

/** What a text has in common with another one is waited for where that spares so many tokens. */
const WORTH_WAITING = 32;

/**
 * Says whether the text runs in this step. One that has not begun takes over what others have of its
 * beginning, and waits where one of `before` is about to run more of it.
 */
function beginsIfItMay(text: GrowingText, lane: Lane, before: readonly GrowingText[], lanes: Lanes): boolean {
  if (text.at > 0) return true;
  const has = Math.max(...lanes.all.map((l) => l.common(text.window)));
  const coming = lanes.consistent
    ? Math.max(0, ...before.filter((t) => t.left > 1).map((t) => commonLength(t.window, text.window)))
    : 0;
  if (Math.min(coming, text.window.length - 1) >= has + WORTH_WAITING) return false;
  text.at = lanes.consistent ? lanes.takeOver(lane, text.window) : 0;
  text.cached ??= text.at;
  lane.holder = text;
  return true;
}

/** A text, its tokens in the context, and how many of these have been run. */
class GrowingText implements BatchText {
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
    const isFull = this.at === context;
    if (isFull && this.#options.whenFull === "stop") return "context";
    if (isFull) {
      this.window = this.tokens.slice(-Math.max(1, context >> 1));
      this.at = 0;
    } else this.window.push(this.tokens.at(-1)!);
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

/** Texts that grow together until each has ended, in the order of their options. */
export async function generateTogether(
  model: RunningModel,
  tokenizer: Tokenizer,
  options: readonly BatchTextOptions[],
  signal?: AbortSignal,
): Promise<readonly Generated[]> {
  const batch = new TextBatch(model, tokenizer);
  try {
    const texts = options.map((o) => batch.addText(o));
    while (batch.size > 0 && !signal?.aborted)
      for (const { error } of await batch.step()) if (error !== undefined) throw error as Error;
    batch.close();
    return texts.map(({ made }) => made!);
  } finally {
    batch.close();
  }
}

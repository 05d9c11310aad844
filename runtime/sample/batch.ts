/**
 * Several texts that grow together: each step is one run of the model, which reads its weights once for all
 * of them. A text that is new brings a piece of its prompt, the others a token each; texts join and leave
 * between any two steps. Where the model's numerics are consistent, each has the bits that it has alone.
 *
 *   const batch = new TextBatch(model, tokenizer);
 *   batch.addText({ prompt: "One", … });  batch.addText({ prompt: "Two", … });
 *   while (batch.size > 0) for (const { text, token, made } of await batch.grow()) …
 *
 * A text has a lane for itself while it grows; where there are more texts than lanes, the later ones wait.
 * What it has in common with the beginning of another text is copied from there.
 */
import type { Lane, LaneTokens } from "../engine/lane.ts";
import type { Lanes } from "../engine/lanes.ts";
import type { RunningModel } from "../engine/model.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { nextSteps, type LaneLoop } from "../engine/lane-loop.ts";
import type { EndReason } from "./continuation.ts";
import type { Generated } from "./generate.ts";
import { GrowingText, type BatchText, type BatchTextOptions } from "./growing-text.ts";
import { commonLength } from "./past.ts";
import { PromptPace } from "./prompt-pace.ts";
import type { DrawnText } from "./session.ts";

export type { BatchText, BatchTextOptions, PromptProgress, TextPhase } from "./growing-text.ts";

export interface BatchOptions {
  /**
   * Most milliseconds by which prompts hold up the texts that grow, in a step; or the time of a step without
   * prompts, if that is more. Default: prompts run in the largest pieces that there are.
   */
  readonly promptMs?: number | undefined;
}

/** What a step has done for a text. */
export interface Grown {
  readonly text: BatchText;
  /** The token that was added. Absent: the text has ended without one. */
  readonly token?: number;
  /** What became of the text, where it has ended. */
  readonly made?: Generated;
  /**
   * Why it could not go on: what its listener threw, or logits that are not numbers. It has left the batch.
   */
  readonly error?: unknown;
}

/** A text, and those of its tokens that run. */
interface Chosen {
  readonly text: GrowingText;
  readonly spanned: LaneTokens;
}

export class TextBatch {
  readonly #model: RunningModel;
  readonly #tokenizer: Tokenizer;
  /** All that have not ended, in the order in which they came. */
  #texts: GrowingText[] = [];
  /** The logits of one text after the other. */
  #logits: Float32Array | undefined;
  /** How many tokens of each text the module draws at once. */
  #steps = 1;
  readonly #pace: PromptPace;
  #held: readonly number[] = [];

  constructor(model: RunningModel, tokenizer: Tokenizer, { promptMs = Infinity }: BatchOptions = {}) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#pace = new PromptPace(promptMs);
  }

  /** How many texts have not ended, those that wait for a lane included. */
  get size(): number {
    return this.#texts.length;
  }

  /** How many tokens each lane had after the last step, whoever's they are. */
  get held(): readonly number[] {
    return this.#held;
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
  step(signal?: AbortSignal): Promise<readonly Grown[]> {
    return this.#inTurn((lanes, some) => this.#run(lanes, some), signal);
  }

  /**
   * As `step`; but where no prompt is left to be run, and no text asks for what only logits say, the module
   * draws tokens by itself for some milliseconds. A text may then be there several times, a token each.
   */
  grow(signal?: AbortSignal): Promise<readonly Grown[]> {
    return this.#inTurn((lanes, some) => {
      const drawn = some.map(({ text }) => text.asDrawn());
      const isDrawn = drawn.every((text) => text !== undefined) && some.length <= (lanes.loop?.most ?? 0);
      return isDrawn ? this.#drawInModule(lanes, some, drawn, signal) : this.#run(lanes, some);
    }, signal);
  }

  async #inTurn(
    work: (lanes: Lanes, some: readonly Chosen[]) => Promise<Grown[]>,
    signal: AbortSignal | undefined,
  ): Promise<readonly Grown[]> {
    const [first] = this.#texts;
    if (first && !this.#texts.some((text) => text.isSeated)) {
      await this.#model.openLane(first, { ...first.wanted, signal, text: first.window });
      if (!this.#texts.includes(first)) this.#model.closeLane(first); // it was removed meanwhile
    }
    return this.#model.inTurn(async (lanes) => {
      const wantNothing = this.#texts.filter((text) => text.wantsNothing);
      const ended = wantNothing.map((text) => this.#end(text, "tokens"));
      const some = this.#choose(lanes);
      const grown = some.length === 0 ? ended : [...ended, ...(await work(lanes, some))];
      this.#held = lanes.all.map(({ tokens }) => tokens.length);
      return grown;
    }, signal);
  }

  /** All texts leave, and their lanes are free. */
  close(): void {
    for (const text of this.#texts) this.#end(text, "aborted");
  }

  /** One run, and a token from the logits of each text whose tokens have all been run. */
  async #run(lanes: Lanes, some: readonly Chosen[]): Promise<Grown[]> {
    const prompts = sum(some.map(({ text, spanned }) => (text.left > 1 ? spanned.tokens.length : 0)));
    const began = performance.now();
    await lanes.run(some.map(({ spanned }) => spanned));
    this.#pace.ran(prompts, sum(some.map(({ spanned }) => spanned.tokens.length)), performance.now() - began);
    return some.flatMap(({ text, spanned }, span) => {
      if (!this.#texts.includes(text)) return []; // it was removed meanwhile
      return this.#grown(text, () => {
        text.ran(spanned.tokens.length);
        return text.left > 0 ? undefined : text.draw(this.#read(lanes, span), lanes.context);
      });
    });
  }

  async #drawInModule(
    lanes: Lanes,
    some: readonly Chosen[],
    drawn: readonly DrawnText[],
    signal: AbortSignal | undefined,
  ): Promise<Grown[]> {
    const loop: LaneLoop = lanes.loop!;
    const own = some.map(({ spanned }) => spanned.lane);
    for (const [i, lane] of own.entries()) loop.begin(lane, drawn[i]!);
    const began = performance.now();
    const added = await loop.draw(own, this.#steps, signal);
    const steps = Math.max(...added.map(({ ran }) => ran.length));
    const stepMs = (performance.now() - began) / steps;
    this.#steps = nextSteps(this.#steps, stepMs);
    this.#pace.ran(0, own.length, stepMs);
    return some.flatMap(({ text }, i) => {
      if (!this.#texts.includes(text)) return []; // it was removed meanwhile
      const { end, logitsRow } = added[i]!;
      return this.#grown(text, () => {
        const reason = text.takeDrawn(added[i]!, lanes.context);
        // says what is wrong with these
        return end === "corrupt" ? text.draw(this.#read(lanes, logitsRow), lanes.context) : reason;
      });
    });
  }

  /** Which tokens run: one of each text that goes on, and as much of the prompts as there is room for. */
  #choose(lanes: Lanes): Chosen[] {
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
    const prompts = ready.filter(({ text }) => text.left > 1).toSorted((a, b) => a.text.left - b.text.left);
    let room = Math.min(lanes.chunk - first.length, this.#pace.rows);
    return [...first, ...prompts].flatMap(({ text, lane }, i) => {
      // what short prompts leave of their shares is for the longer ones
      const share = i < first.length ? 1 : Math.ceil(room / (first.length + prompts.length - i));
      const tokens = text.window.slice(text.at, text.at + share);
      if (i >= first.length) room -= tokens.length;
      return tokens.length > 0 ? [{ text, spanned: { lane, start: text.at, tokens } }] : [];
    });
  }

  #read(lanes: Lanes, span: number): Float32Array {
    this.#logits ??= new Float32Array(lanes.classes);
    lanes.readLogits(this.#logits, span);
    return this.#logits;
  }

  /** What `take` has added to the text: each token, and what became of it where it has ended. */
  #grown(text: GrowingText, take: () => EndReason | undefined): Grown[] {
    const before = text.tokens.length;
    let ended: Grown | undefined;
    try {
      const end = take();
      ended = end && this.#end(text, end);
    } catch (error) {
      this.#leave(text);
      return [{ text, error }];
    }
    const tokens = text.tokens.slice(before).map((token): Grown => ({ text, token }));
    if (!ended) return tokens;
    const last = tokens.pop();
    return [...tokens, { ...ended, ...last }];
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

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** The lane that the text has, or gets now. Undefined: there is none. */
function laneFor(text: GrowingText, lanes: Lanes): Lane | undefined {
  const lane = lanes.reserve(text, text.window, text.wanted);
  text.isSeated = lane !== undefined;
  // it is new, or others changed the weights
  if (lane?.holder !== text || lane.tokens.length < text.at) text.at = 0;
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
  const mayReuse = lanes.consistent && text.mayReuse;
  const has = Math.max(...lanes.all.map((l) => l.common(text.window, text.isAdapted)));
  const alike = before.filter((t) => t.left > 1 && t.isAdapted === text.isAdapted);
  const coming = mayReuse ? Math.max(0, ...alike.map((t) => commonLength(t.window, text.window))) : 0;
  if (Math.min(coming, text.window.length - 1) >= has + WORTH_WAITING) return false;
  text.begin(lane.number, mayReuse ? lanes.takeOver(lane, text.window) : 0);
  lane.holder = text;
  return true;
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
      for (const { error } of await batch.grow()) if (error !== undefined) throw error as Error;
    batch.close();
    return texts.map(({ made }) => made!);
  } finally {
    batch.close();
  }
}

/**
 * What the panel shows, and what its buttons do: the text so far, what the model says of the next token, and
 * the draw. It asks the model's thread; of several questions on their way, only the last one counts.
 */
import { samplerDefaults, type SamplerSettings } from "../../../../runtime/sample/sampler.ts";
import type { DrawSteps } from "../../../../runtime/sample/draw-steps.ts";
import type { ModelHandle } from "../../model/model-handle.ts";
import type { NextToken, Vocabulary } from "../../model/questions/next-token.ts";
import { valueOf } from "../../page/value.ts";
import { appended, beginText, nextDraw, type Growing } from "./growing.ts";

/** A text to which a token can be added, or that has ended. */
export interface Drawing {
  readonly kind: "drawing";
  readonly growing: Growing;
  readonly vocabulary: Vocabulary;
  readonly next: NextToken;
  /** Undefined where the text has ended. */
  readonly draw: DrawSteps | undefined;
  /** Whether the random number is shown. */
  readonly isOpen: boolean;
}

export type Shown =
  | { readonly kind: "none" | "waiting" }
  | { readonly kind: "failed"; readonly cause: unknown }
  | Drawing;

export class Drawer {
  readonly shown = valueOf<Shown>({ kind: "none" });
  readonly #model: ModelHandle;
  #settings: SamplerSettings = samplerDefaults;
  #vocabulary: Vocabulary | undefined;
  #asking = new AbortController();

  constructor(model: ModelHandle) {
    this.#model = model;
  }

  /** Another model has taken the place of the one before, or none has. */
  forget(): void {
    this.#asking.abort();
    this.#vocabulary = undefined;
    this.shown.set({ kind: "none" });
  }

  begin(prompt: string, seed: number): Promise<void> {
    return this.#ask(beginText(prompt, seed));
  }

  /** Asks again: the model has learnt meanwhile. */
  async renew(): Promise<void> {
    const now = this.shown.now;
    if (now.kind === "drawing") await this.#ask(now.growing);
  }

  setSampler(settings: SamplerSettings): void {
    this.#settings = settings;
    const now = this.shown.now;
    if (now.kind === "drawing") this.shown.set({ ...now, draw: this.#drawOf(now) });
  }

  /** Shows the random number; where it is shown already, or none is drawn, appends the token. */
  async press(): Promise<void> {
    const now = this.shown.now;
    if (now.kind !== "drawing" || !now.draw) return;
    if (now.isOpen || now.draw.u === undefined) await this.#ask(appended(now.growing, now.draw));
    else this.shown.set({ ...now, isOpen: true });
  }

  async appendMany(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const now = this.shown.now;
      if (now.kind !== "drawing" || !now.draw) return;
      await this.#ask(appended(now.growing, now.draw));
    }
  }

  async #ask(growing: Growing): Promise<void> {
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    if (this.shown.now.kind !== "drawing") this.shown.set({ kind: "waiting" });
    try {
      this.#vocabulary ??= await this.#model.ask("vocabulary", undefined, { signal });
      const { prompt, drawn } = growing;
      const next = await this.#model.ask("nextToken", { prompt, drawn }, { signal });
      const now = { kind: "drawing", growing, vocabulary: this.#vocabulary, next, isOpen: false } as const;
      if (!signal.aborted) this.shown.set({ ...now, draw: this.#drawOf(now) });
    } catch (cause) {
      if (!signal.aborted) this.shown.set({ kind: "failed", cause });
    }
  }

  #drawOf({ growing, vocabulary, next }: Omit<Drawing, "draw">): DrawSteps | undefined {
    const { logits, tokens } = next;
    const last = growing.drawn.at(-1);
    if (!logits || (last !== undefined && vocabulary.ends.includes(last))) return undefined;
    return nextDraw(growing, { logits, tokens }, this.#settings);
  }
}

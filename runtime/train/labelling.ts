/**
 * A person judges pairs of answers, one after the other. This is the course of it without its looks: what is
 * shown now, what a key does, and that the next pairs are made while somebody reads. A terminal and a page
 * draw it each in their own way.
 */
import type { ChatMessage } from "../tokenizers/chat/chat.ts";
import type { AnswerPair } from "./answer-pair.ts";
import { choices, type Choice } from "./examples/feedback.ts";

/** THE table of what a person can do, with the keys and words for it. */
export const labelActions = {
  a: { keys: ["left", "a"], does: "the left one, or first one, is better" },
  b: { keys: ["right", "b"], does: "the right one, or second one, is better" },
  tie: { keys: ["up", "t", "tie"], does: "neither is better" },
  both_bad: { keys: ["down", "x", "bad"], does: "both are bad" },
  skip: { keys: ["s", "skip"], does: "goes on without a choice" },
  undo: { keys: ["u", "undo"], does: "takes the last choice back" },
  quit: { keys: ["q", "quit"], does: "ends; what was chosen is kept" },
} as const satisfies Readonly<Record<string, { readonly keys: readonly string[]; readonly does: string }>>;
export type LabelAction = keyof typeof labelActions;

/** What a key or a word means. A page's "ArrowLeft" is "left". */
export function labelActionOf(key: string): LabelAction | undefined {
  const name = key
    .trim()
    .toLowerCase()
    .replace(/^arrow/, "");
  const known = Object.entries(labelActions) as [LabelAction, { readonly keys: readonly string[] }][];
  return known.find(([, { keys }]) => keys.includes(name))?.[0];
}

export interface ShownPair {
  readonly prompt: readonly ChatMessage[];
  readonly pair: AnswerPair;
  /** Which of the prompts it is, from 0. */
  readonly at: number;
}

export interface Chosen extends ShownPair {
  readonly choice: Choice;
  /** Milliseconds since it was shown. */
  readonly ms: number;
}

export interface LabellingOptions {
  readonly prompts: readonly (readonly ChatMessage[])[];
  /** Undefined: the answers do not differ, and the prompt is passed over. */
  pairOf(prompt: readonly ChatMessage[]): Promise<AnswerPair | undefined>;
  /** Keeps a choice for good, before the next pair is shown. */
  keep(chosen: Chosen): void;
  /** Takes back the choice that was kept last. */
  takeBack(): void;
  /** Milliseconds of a clock. */
  now(): number;
}

/** So many pairs are made beyond the one that is shown. */
const AHEAD = 2;

export class Labelling {
  readonly #o: LabellingOptions;
  readonly #pairs = new Map<number, Promise<AnswerPair | undefined>>();
  /** Pairs are made one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #at = 0;
  #shown: ShownPair | undefined;
  #shownAt = 0;
  readonly #done: { readonly at: number; readonly choice: Choice | undefined }[] = [];
  readonly #same = new Set<number>();

  constructor(options: LabellingOptions) {
    this.#o = options;
  }

  /** The next pair, as soon as it is there. Undefined: all prompts are through. Rejects as `pairOf` does. */
  async next(): Promise<ShownPair | undefined> {
    const { prompts } = this.#o;
    while (this.#at < prompts.length) {
      const at = this.#at;
      for (let i = at; i <= Math.min(at + AHEAD, prompts.length - 1); i++) this.#make(i);
      const pair = await this.#pairs.get(at);
      if (this.#at !== at) continue; // skipped, or taken back, meanwhile
      if (pair) {
        this.#shownAt = this.#o.now();
        return (this.#shown = { prompt: prompts[at]!, pair, at });
      }
      this.#same.add(at);
      this.#at++;
    }
    return undefined;
  }

  /**
   * Does what was asked for. Returns whether it did anything: a choice needs a pair that is shown, and there
   * may be nothing to take back. `quit` is up to the caller.
   */
  act(action: LabelAction): boolean {
    if (action === "quit") return true;
    if (action === "undo") return this.#undo();
    const choice = choices.find((one) => one === action);
    if (choice && !this.#shown) return false;
    if (!choice && this.#at >= this.#o.prompts.length) return false;
    if (choice) this.#o.keep({ ...this.#shown!, choice, ms: Math.round(this.#o.now() - this.#shownAt) });
    this.#done.push({ at: this.#at, choice });
    this.#goTo(this.#at + 1);
    return true;
  }

  /** How many prompts were judged, skipped, and passed over for answers that do not differ. */
  get counts(): { readonly judged: Readonly<Record<Choice, number>>; skipped: number; same: number } {
    const count = (choice: Choice | undefined): number =>
      this.#done.filter((one) => one.choice === choice).length;
    const judged = { a: count("a"), b: count("b"), tie: count("tie"), both_bad: count("both_bad") };
    return { judged, skipped: count(undefined), same: this.#same.size };
  }

  #undo(): boolean {
    const last = this.#done.at(-1);
    if (!last) return false;
    if (last.choice) this.#o.takeBack();
    this.#done.pop();
    this.#goTo(last.at);
    return true;
  }

  #goTo(at: number): void {
    this.#at = at;
    this.#shown = undefined;
  }

  #make(at: number): void {
    if (this.#pairs.has(at)) return;
    const made = this.#last.then(() => {
      if (at >= this.#at) return this.#o.pairOf(this.#o.prompts[at]!);
      this.#pairs.delete(at); // skipped before its turn came
      return undefined;
    });
    this.#pairs.set(at, made);
    this.#last = made.catch(() => undefined);
  }
}

/**
 * What a panel shows of the spec: an answer of the checking thread, asked anew when the spec has changed and
 * the panel can be seen. While the text is wrong, the last answer stays.
 */
import { chosenModel, type ModelFacts } from "../check/checked.ts";
import type { Page } from "./page.ts";

export interface Answering<Asked, Answer> {
  /** What to ask about a model of the text; asked again only when it has changed. */
  about(facts: ModelFacts, text: string): Asked;
  ask(asked: Asked, signal: AbortSignal): Promise<Answer | undefined>;
  /** `isCurrent`: the answer is about the text in the editor. Undefined: there has not been any answer. */
  show(answer: Answer | undefined, isCurrent: boolean): void;
}

export class Answered<Asked, Answer> {
  readonly #page: Page;
  readonly #answering: Answering<Asked, Answer>;
  #isShown = false;
  #asking = new AbortController();
  /** What the answer that is shown was asked with. */
  #asked = "";
  #answer: Answer | undefined;
  #isCurrent: boolean | undefined;

  constructor(page: Page, answering: Answering<Asked, Answer>) {
    this.#page = page;
    this.#answering = answering;
    page.checked.watch(() => this.ask());
    page.spec.watch(() => this.ask());
  }

  get answer(): Answer | undefined {
    return this.#answer;
  }

  shown(): void {
    this.#isShown = true;
    this.ask();
  }

  hidden(): void {
    this.#isShown = false;
    this.#asking.abort();
  }

  /** Shows the answer that is there once more: in another language. */
  showAgain(): void {
    this.#isCurrent = this.#page.checked.now?.isCurrent !== false;
    this.#answering.show(this.#answer, this.#isCurrent);
  }

  /** Asks, unless the answer is there already. */
  ask(): void {
    const { checked, spec } = this.#page;
    if (!this.#isShown || !checked.now) return;
    const facts = chosenModel(checked.now.models, spec.now.model);
    if (!checked.now.isCurrent || !facts) {
      if (this.#isCurrent !== false) this.showAgain();
      return;
    }
    const asked = this.#answering.about(facts, checked.now.text);
    const key = JSON.stringify(asked);
    if (key === this.#asked) {
      if (this.#isCurrent !== true) this.showAgain();
      return;
    }
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    this.#answering.ask(asked, signal).then(
      (answer) => {
        this.#asked = key;
        this.#answer = answer;
        this.showAgain();
      },
      (error: unknown) => {
        if (!signal.aborted) this.#page.announce(String((error as Error).message));
      },
    );
  }
}

/**
 * The panel that looks into the open model, for a text that the visitor types: tokens, heads, layers, the
 * next token, neurons. While the model learns, it looks again and again.
 */
import { SinterError } from "../../../../runtime/base/errors.ts";
import type { HeadPlace } from "../../../../runtime/look/inside.ts";
import type { LookedAt } from "../../model/questions/inside.ts";
import { exampleOf } from "../../gallery/examples.ts";
import { element } from "../../page/element.ts";
import type { OpenPanel, Page } from "../../page/page.ts";
import { parseExperiment } from "../../share/experiment.ts";
import { HeadsPart } from "./heads.ts";
import { lensTable } from "./lens.ts";
import { nextBars } from "./next.ts";
import { TokenPart } from "./token.ts";
import { tokenList } from "./tokens.ts";
import "../../styles/inside.css";

export const openInside: OpenPanel = (page) => new InsidePanel(page);

/** Milliseconds after the last key, and between two looks while the model learns. */
const TYPING_MS = 250;
const LEARNING_MS = 1500;

class InsidePanel {
  readonly element: HTMLElement;
  readonly #page: Page;
  readonly #text = element("textarea", { rows: 2, spellcheck: "false", oninput: () => this.#typed() });
  readonly #step = element("p", { class: "soft" });
  readonly #failure = element("p", { class: "wrong", role: "alert" });
  readonly #tokens = element("div");
  readonly #next = element("div", { class: "scroll", tabindex: 0, role: "group" });
  readonly #nextHelp = element("p", { class: "soft" });
  readonly #lens = element("div", { class: "scroll", tabindex: 0, role: "group" });
  readonly #heads: HeadsPart;
  readonly #token: TokenPart;
  readonly #body: HTMLElement;
  readonly #nothing: HTMLElement;
  #isShown = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = new AbortController();
  #isAsking = false;
  #lookedMs = -Infinity;
  #answer: LookedAt | undefined;
  /** The next tokens with the head switched off. */
  #off: LookedAt["next"] | undefined;
  #position: number | undefined;
  /** The visitor has typed a text, which is kept for the next model. */
  #isTyped = false;

  constructor(page: Page) {
    this.#page = page;
    this.#heads = new HeadsPart(page, () => this.#lookSoon(0));
    this.#token = new TokenPart(page);
    this.#nothing = nothingOpen(page);
    this.#body = element(
      "div",
      { hidden: true },
      element("label", { class: "inside-text" }, page.words("inside.text"), this.#text),
      this.#step,
      this.#failure,
      titled(page, "inside.tokens", "inside.tokensHelp"),
      this.#tokens,
      this.#heads.element,
      element("h2", {}, page.words("inside.next")),
      this.#nextHelp,
      this.#next,
      titled(page, "inside.lens", "inside.lensHelp"),
      this.#lens,
      this.#token.element,
    );
    const lead = element("p", {}, page.words("inside.lead"));
    this.element = element("div", { class: "inside" }, lead, this.#nothing, this.#body);
    page.model.opened.watch((opened) => {
      this.#answer = undefined;
      if (!this.#isTyped) this.#text.value = (opened && promptOf(opened.experiment)) ?? "";
      this.#body.hidden = opened === undefined;
      this.#nothing.hidden = opened !== undefined;
      this.#lookSoon(0);
    });
    page.model.events.watch(() => this.#lookAgain());
    page.language.watch(() => this.#show());
  }

  shown(): void {
    this.#isShown = true;
    this.#lookSoon(0);
  }

  hidden(): void {
    this.#isShown = false;
    this.#asking.abort();
    clearTimeout(this.#timer);
  }

  #typed(): void {
    this.#isTyped = true;
    this.#position = undefined;
    this.#lookSoon(TYPING_MS);
  }

  #lookSoon(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#isShown || !this.#page.model.opened.now) return;
    this.#timer = setTimeout(() => void this.#look(), ms);
  }

  /** The model has learnt something: looks again, not too often. */
  #lookAgain(): void {
    if (!this.#isShown || this.#isAsking || performance.now() - this.#lookedMs < LEARNING_MS) return;
    if (this.#answer && this.#page.model.step !== this.#answer.step) this.#lookSoon(0);
  }

  async #look(): Promise<void> {
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    this.#isAsking = true;
    this.#lookedMs = performance.now();
    const text = this.#answer ? this.#text.value : this.#text.value || undefined;
    try {
      const without = this.#heads.switchedOff;
      this.#off = without && (await this.#ask(text, without, signal)).next;
      const answer = await this.#ask(text, undefined, signal);
      const isFirst = this.#answer === undefined;
      this.#answer = answer;
      if (isFirst) this.#text.value = answer.text;
      this.#failure.textContent = "";
      this.#show();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SinterError)) throw error;
      this.#failure.textContent = [error.message, error.hint].filter(Boolean).join(". ");
    } finally {
      if (!signal.aborted) this.#isAsking = false;
    }
  }

  #ask(text: string | undefined, without: HeadPlace | undefined, signal: AbortSignal): Promise<LookedAt> {
    return this.#page.model.ask("look", { text, without }, { signal });
  }

  #choose(position: number): void {
    this.#position = this.#position === position ? undefined : position;
    this.#show();
  }

  #show(): void {
    const answer = this.#answer;
    if (!answer) return;
    const page = this.#page;
    const position = this.#position ?? answer.tokens.length - 1;
    this.#step.textContent = [
      page.text("inside.step", { step: answer.step }),
      ...(answer.leftOut > 0 ? [page.text("inside.leftOut", { count: answer.leftOut })] : []),
    ].join(". ");
    tokenList(this.#tokens, answer.tokens, this.#position, (chosen) => this.#choose(chosen));
    this.#heads.show(answer, this.#position);
    this.#nextHelp.textContent = page.text(this.#off ? "inside.nextOff" : "inside.nextHelp");
    nextBars(this.#next, page.text("inside.next"), answer.next, this.#off);
    this.#lens.setAttribute("aria-label", page.text("inside.lens"));
    this.#lens.replaceChildren(lensTable(page, answer));
    void this.#token.show(answer, position);
  }
}

/** What the example of a run has learnt to go on with. Undefined: nothing is known of it. */
function promptOf(json: string): string | undefined {
  const experiment = parseExperiment(json);
  return experiment?.data.kind === "example" ? exampleOf(experiment.data.id)?.prompt : undefined;
}

const titled = (
  page: Page,
  title: "inside.tokens" | "inside.lens",
  help: `${typeof title}Help`,
): HTMLElement =>
  element("div", {}, element("h2", {}, page.words(title)), element("p", { class: "soft" }, page.words(help)));

const nothingOpen = (page: Page): HTMLElement =>
  element(
    "div",
    { class: "card" },
    element("p", {}, page.words("inside.none")),
    element(
      "button",
      { type: "button", class: "main", onclick: () => page.show("train") },
      page.words("inside.toTrain"),
    ),
  );

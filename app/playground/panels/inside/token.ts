/** What is known of one token of the text: the nearest embeddings, and the neurons that answer to it. */
import { percent } from "../../../../runtime/contract/amounts.ts";
import { SinterError } from "../../../../runtime/base/errors.ts";
import type { NeuronPlace } from "../../../../runtime/look/neurons.ts";
import type { WrittenToken } from "../../../../runtime/look/text-inside.ts";
import type { ExcitingPlace, LookedAt, NeuronInside, TokenInside } from "../../model/questions/inside.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { replaceChildren } from "./keep-focus.ts";

const textsOf = (written: readonly WrittenToken[]): string => written.map(({ text }) => text).join("  ");

export class TokenPart {
  readonly element = element("div", { class: "token-part" });
  readonly #page: Page;
  readonly #known = element("div", { class: "known" });
  readonly #neuron = element("div");
  #asking = new AbortController();
  #chosen: NeuronPlace | undefined;
  /** What the token that is shown was taken from. */
  #latest: LookedAt | undefined;
  #searching: AbortController | undefined;
  /** What was found for the neuron, and the button that searches: they stay when the rest is renewed. */
  readonly #found = element("div");
  readonly #search: HTMLButtonElement;

  constructor(page: Page) {
    this.#page = page;
    this.#search = element(
      "button",
      { type: "button", "data-key": "search", onclick: () => void this.#searchText() },
      page.words("inside.excite"),
    );
    this.element.append(this.#known, this.#neuron);
  }

  async show(answer: LookedAt, position: number): Promise<void> {
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    await this.#quietly(signal, async () => {
      const known = await this.#page.model.ask("token", { position }, { signal });
      this.#latest = answer;
      this.#showToken(answer, position, known);
      if (this.#chosen) await this.#showNeuron(answer, this.#chosen, signal);
    });
  }

  #showToken({ tokens }: LookedAt, position: number, { nearest, neurons }: TokenInside): void {
    const page = this.#page;
    const { text, id } = tokens[position]!;
    const near = nearest.map(({ text: other, cosine }) =>
      element("li", {}, other, " ", element("small", {}, cosine.toFixed(2))),
    );
    replaceChildren(this.#known, [
      element("h2", {}, page.text("inside.token", { token: text, id: `${id}` })),
      element("h3", {}, page.words("inside.nearest")),
      element("p", { class: "soft" }, page.words("inside.nearestHelp")),
      element("ul", { class: "token-list" }, ...near),
      ...(neurons.length > 0 ? this.#neurons(neurons) : []),
    ]);
  }

  /** A row for each neuron, which opens it. */
  #neurons(neurons: TokenInside["neurons"]): readonly HTMLElement[] {
    const page = this.#page;
    const rows = neurons.map(({ layer, neuron, value, speaksFor }) => {
      const open = element("button", {
        type: "button",
        class: "link",
        "data-key": `${layer}:${neuron}`,
        onclick: () => this.#choose({ layer, neuron }),
      });
      open.append(page.text("inside.neuron", { layer, neuron }));
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, open),
        element("td", {}, value.toFixed(2)),
        element("td", {}, textsOf(speaksFor)),
      );
    });
    const heading = element(
      "tr",
      {},
      element("td"),
      element("th", { scope: "col" }, page.words("inside.answer")),
      element("th", { scope: "col" }, page.words("inside.speaksFor")),
    );
    const table = element("table", {}, element("thead", {}, heading), element("tbody", {}, ...rows));
    const name = page.text("inside.neurons");
    return [
      element("h3", {}, page.words("inside.neurons")),
      element("p", { class: "soft" }, page.words("inside.neuronsHelp")),
      element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": name }, table),
    ];
  }

  #choose(place: NeuronPlace): void {
    this.#chosen = place;
    this.#searching?.abort();
    this.#found.replaceChildren();
    const { signal } = (this.#asking = new AbortController());
    void this.#quietly(signal, () => this.#showNeuron(this.#latest!, place, signal));
  }

  async #showNeuron({ tokens }: LookedAt, place: NeuronPlace, signal: AbortSignal): Promise<void> {
    const page = this.#page;
    const { answers, speaksFor, against }: NeuronInside = await page.model.ask("neuron", place, { signal });
    const most = Math.max(1e-9, ...answers.map(Math.abs));
    const marked = tokens.map(({ text }, t) => {
      const item = element("li", { title: answers[t]!.toFixed(2) }, text);
      const colour = answers[t]! >= 0 ? "--first" : "--second";
      const depth = ((60 * Math.abs(answers[t]!)) / most).toFixed(0);
      item.style.background = `color-mix(in srgb, var(${colour}) ${depth}%, transparent)`;
      return item;
    });
    const row = (key: "inside.speaksFor" | "inside.against", written: readonly WrittenToken[]): HTMLElement =>
      element("p", {}, element("span", { class: "soft" }, page.words(key)), " ", textsOf(written));
    replaceChildren(this.#neuron, [
      element(
        "div",
        { class: "card" },
        element("h3", {}, page.text("inside.neuron", { layer: place.layer, neuron: place.neuron })),
        row("inside.speaksFor", speaksFor),
        row("inside.against", against),
        element("p", { class: "soft" }, page.words("inside.answers")),
        element("ol", { class: "token-list" }, ...marked),
        this.#search,
        this.#found,
      ),
    ]);
  }

  /** Reads the training text; the button stops it meanwhile. */
  async #searchText(): Promise<void> {
    if (this.#searching) return this.#searching.abort();
    const page = this.#page;
    const stop = (this.#searching = new AbortController());
    this.#search.replaceChildren(page.words("inside.stop"));
    const progress = element("p", { class: "soft" });
    this.#found.replaceChildren(progress);
    try {
      const places = await page.model.ask("excite", this.#chosen!, {
        signal: stop.signal,
        onReport: (share) =>
          (progress.textContent = page.text("inside.searching", { share: percent(share) })),
      });
      this.#found.replaceChildren(element("ul", { class: "excited" }, ...places.map(excitedItem)));
    } catch (error) {
      if (!(error instanceof SinterError) && !stop.signal.aborted) throw error;
      this.#found.replaceChildren();
    } finally {
      this.#searching = undefined;
      this.#search.replaceChildren(page.words("inside.excite"));
    }
  }

  /** What was given up, or failed with the model, is nobody's business here: the panel says it. */
  async #quietly(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!signal.aborted && !(error instanceof SinterError)) throw error;
    }
  }
}

const excitedItem = ({ value, before, token }: ExcitingPlace): HTMLElement =>
  element("li", {}, element("small", {}, value.toFixed(2)), ` ${before}`, element("mark", {}, token));

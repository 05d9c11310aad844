/** The model in the editor in other sizes: sliders, and what follows from them at once. */
import { amountText, flopsText } from "../../../../compiler/planner/amounts.ts";
import { accelerators, h100Prices, type Accelerator } from "../../../../compiler/planner/tables/hardware.ts";
import { sizeText } from "../../../../runtime/contract/amounts.ts";
import type { AskedCost, Changed, Cost } from "../../check/questions/cost.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { Answered } from "../../page/answered.ts";
import { causesOf, hoursText, moneyText, number } from "./amounts.ts";
import { Cluster } from "./cluster.ts";
import { heldPart, thisTab } from "./held.ts";
import { ratios, slider, type Slider } from "./sliders.ts";

const TITLE = "cost-design";
const PRICES = [Math.min, Math.max]
  .map((extreme) => extreme(...h100Prices.map(({ dollars }) => dollars)))
  .join(" – ");

export class Design {
  readonly element: HTMLElement;
  readonly held = element("div");
  readonly #cluster: Cluster;
  readonly #page: Page;
  readonly #answered: Answered<AskedCost, Cost>;
  readonly #sliders: Readonly<Record<keyof Changed | "tokens", Slider>>;
  readonly #card: HTMLSelectElement;
  readonly #price = element("input", { type: "number", min: 0.01, step: 0.01, placeholder: PRICES });
  readonly #help = element("p", { class: "soft" });
  readonly #numbers = element("dl", { class: "numbers", "aria-live": "polite" });
  readonly #causes = element("ul");
  readonly #tab = element("p");
  /** What the menu of devices has. */
  #offered = "";
  /** Whose sizes the sliders change: another model begins with its own. */
  #model = "";

  constructor(page: Page) {
    this.#page = page;
    const exact = (n: number): string => n.toLocaleString(page.language.now);
    const moved = (): void => this.#ask();
    const make = (key: keyof Changed | "tokens", values: readonly number[], show = exact): Slider =>
      slider({ name: page.words(`cost.${key}`), values, show, moved });
    this.#sliders = {
      width: make("width", ratios(64, 32_768, 6, 64)),
      layers: make("layers", ratios(1, 192, 8, 1)),
      context: make("context", ratios(16, 2 ** 20, 1, 1)),
      tokens: make("tokens", ratios(2 ** 20, 64e12, 2, 2 ** 20), amountText),
    };
    this.#card = element("select", { onchange: moved });
    this.#offer([]);
    this.#price.addEventListener("input", moved);
    this.#answered = new Answered(page, {
      about: (facts, text) => this.#asked(facts.name, text),
      ask: (asked, signal) => page.check.call("cost", asked, { signal }),
      show: (answer) => this.#show(answer),
    });
    this.#cluster = new Cluster(page, (model, text) => this.#asked(model, text));
    page.checked.watch(() => (this.#tab.textContent = thisTab(page, this.#model))); // bytes come later
    const reset = element(
      "button",
      { type: "button", onclick: () => this.#reset() },
      page.words("cost.reset"),
    );
    this.element = element(
      "section",
      { "aria-labelledby": TITLE },
      element("h2", { id: TITLE }, page.words("cost.design")),
      this.#help,
      element("div", { class: "sliders" }, ...Object.values(this.#sliders).map((one) => one.element)),
      element(
        "div",
        { class: "row" },
        element("label", { class: "row" }, page.words("cost.card"), this.#card),
        element("label", { class: "row" }, page.words("cost.price"), this.#price),
        reset,
      ),
      this.#numbers,
      element("h3", {}, page.words("cost.varies")),
      this.#causes,
    );
  }

  get cluster(): HTMLElement {
    return this.#cluster.element;
  }

  shown(): void {
    this.#answered.shown();
    this.#cluster.shown();
  }

  hidden(): void {
    this.#answered.hidden();
    this.#cluster.hidden();
  }

  showAgain(): void {
    this.#answered.showAgain();
    this.#cluster.showAgain();
  }

  #ask(): void {
    this.#answered.ask();
    this.#cluster.ask();
  }

  #asked(model: string, text: string): AskedCost {
    if (model !== this.#model) for (const one of Object.values(this.#sliders)) one.reset();
    this.#model = model;
    const { width, layers, context, tokens } = this.#sliders;
    const changed: Changed = {
      ...(width.value !== undefined && { width: width.value }),
      ...(layers.value !== undefined && { layers: layers.value }),
      ...(context.value !== undefined && { context: context.value }),
    };
    const price = this.#price.valueAsNumber;
    return {
      text,
      model,
      changed,
      tokens: tokens.value,
      card: this.#card.value,
      price: price > 0 ? price : undefined,
    };
  }

  #reset(): void {
    for (const one of Object.values(this.#sliders)) one.reset();
    this.#card.value = "h100";
    this.#price.value = "";
    this.#ask();
  }

  /** The text's own devices, and those of the table that none of them stands for. */
  #offer(own: readonly Accelerator[]): void {
    const cards = [...own, ...accelerators.filter(({ name }) => own.every((one) => one.name !== name))];
    const titles = cards.map(({ title }) => title).join("\n");
    if (titles === this.#offered) return; // an open menu stays open
    this.#offered = titles;
    const chosen = cards.some(({ name }) => name === this.#card.value) ? this.#card.value : "h100";
    this.#card.replaceChildren(...cards.map(({ name, title }) => element("option", { value: name }, title)));
    this.#card.value = chosen;
  }

  #show(answer: Cost | undefined): void {
    const page = this.#page;
    if (!answer) {
      this.#help.textContent = page.text("cost.none");
      return;
    }
    const { estimate: made, sizes, name } = answer;
    this.#offer(answer.ownCards);
    const own = page.checked.now?.models.find((facts) => facts.name === name)?.sizes ?? sizes;
    this.#help.textContent = page.text("cost.designHelp", { name });
    this.#sliders.width.setOwn(own.width);
    this.#sliders.layers.setOwn(own.layers);
    this.#sliders.context.setOwn(own.context);
    if (made.tokensAre !== "given") this.#sliders.tokens.setOwn(Math.round(made.tokens));
    const { parameters, activeParameters: active, bytes, tokens, flops, countedFlops } = made;
    const text = page.text("cost.textNote", { bytes: sizeText(bytes.text) });
    const product = { parameters: amountText(active), tokens: amountText(tokens) };
    this.#numbers.replaceChildren(
      number(
        page,
        "cost.parameters",
        parameters.toLocaleString(page.language.now),
        active < parameters ? [page.text("cost.active", { count: amountText(active) })] : [],
      ),
      number(page, "cost.training", sizeText(bytes.states), [
        page.text("cost.trainingNote", { bytes: Number((bytes.states / parameters).toFixed(2)) }),
      ]),
      number(page, "cost.adapted", sizeText(bytes.adapted), [page.text("cost.adaptedNote")]),
      number(page, "cost.bf16", sizeText(bytes.bf16), [text]),
      number(page, "cost.q4", sizeText(bytes.q4), [text]),
      number(page, "cost.compute", flopsText(flops), [
        page.text("cost.computeNote", product),
        page.text("cost.countedNote", { flops: flopsText(countedFlops) }),
      ]),
      number(page, "cost.hours", hoursText(page, made)),
      number(page, "cost.money", moneyText(page, made)),
    );
    this.#causes.replaceChildren(...causesOf(page, made).map((cause) => element("li", {}, cause)));
    this.#tab.textContent = thisTab(page, name);
    this.held.replaceChildren(...heldPart(page, answer, this.#tab));
  }
}

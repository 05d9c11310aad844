/** The model of the sliders, trained on so many devices: the fastest plan that fits. */
import { amountText } from "../../../../compiler/planner/amounts.ts";
import { originText } from "../../../../compiler/planner/hardware-text.ts";
import { degreesText } from "../../../../compiler/planner/plan-text.ts";
import { recomputations, type Recompute } from "../../../../compiler/planner/tables/choices.ts";
import { duration, percent, sizeText, timeText } from "../../../../runtime/contract/amounts.ts";
import type { AskedCost, AskedPlan, PlannedCost } from "../../check/questions/cost.ts";
import { Answered } from "../../page/answered.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { cents, hourText, number, rangeText } from "./amounts.ts";
import type { ChoiceTable } from "../../../../compiler/planner/solve-text.ts";
import { ratios, slider, type Slider } from "./sliders.ts";

const TITLE = "cost-cluster";
const DEVICES = 8;
const recomputeChoices = ["any", ...recomputations] as const;

export class Cluster {
  readonly element: HTMLElement;
  readonly #page: Page;
  readonly #answered: Answered<AskedPlan, PlannedCost | "none">;
  readonly #devices: Slider;
  readonly #recompute: HTMLSelectElement;
  readonly #numbers = element("dl", { class: "numbers", "aria-live": "polite" });
  readonly #choices = element("div", { class: "scroll", role: "region", tabindex: 0 });

  /** `about`: what the sliders above ask. */
  constructor(page: Page, about: (model: string, text: string) => AskedCost) {
    this.#page = page;
    const moved = (): void => this.ask();
    this.#devices = slider({
      name: page.words("cost.devices"),
      values: ratios(1, 32_768, 1, 1),
      show: (n) => n.toLocaleString(page.language.now),
      moved,
    });
    this.#devices.setOwn(DEVICES);
    const options = recomputeChoices.map((value) => {
      const key = `cost.recompute.${value}` as const;
      return element("option", { value, "data-text": key }, page.text(key));
    });
    this.#recompute = element("select", { onchange: moved }, ...options);
    this.#answered = new Answered(page, {
      about: (facts, text) => ({
        ...about(facts.name, text),
        devices: this.#devices.value ?? DEVICES,
        recompute: recomputations.find((one): one is Recompute => one === this.#recompute.value),
      }),
      ask: (asked, signal) => page.check.call("planned", asked, { signal }),
      show: (answer) => this.#show(answer),
    });
    this.element = element(
      "section",
      { "aria-labelledby": TITLE },
      element("h2", { id: TITLE }, page.words("cost.cluster")),
      element("p", { class: "soft" }, page.words("cost.clusterHelp")),
      element("div", { class: "sliders" }, this.#devices.element),
      element(
        "div",
        { class: "row" },
        element("label", { class: "row" }, page.words("cost.recompute"), this.#recompute),
      ),
      this.#numbers,
      element("h3", {}, page.words("cost.choices")),
      element("p", { class: "soft" }, page.words("cost.choicesHelp")),
      this.#choices,
    );
  }

  ask(): void {
    this.#answered.ask();
  }

  shown(): void {
    this.#answered.shown();
  }

  hidden(): void {
    this.#answered.hidden();
  }

  showAgain(): void {
    this.#answered.showAgain();
  }

  #show(plan: PlannedCost | "none" | undefined): void {
    const page = this.#page;
    if (plan === undefined || plan === "none") {
      const none = element("p", {}, page.words(plan === "none" ? "cost.noWay" : "cost.none"));
      this.#numbers.replaceChildren(none);
      this.#choices.replaceChildren();
      return;
    }
    const { settings, memory, step, mfu, tokensPerSecond: rate, run } = plan;
    const { recompute, card, goodput } = settings;
    const shares = { causal: percent(mfu.causal, 1), full: percent(mfu.full, 1) };
    const each = { bytes: sizeText(memory.bytes), all: sizeText(card.memory.value) };
    const speed = { rate: amountText(rate), time: timeText(1000 * step.seconds) };
    this.#choices.setAttribute("aria-label", page.text("cost.choices"));
    this.#choices.replaceChildren(choicesElement(plan.choices));
    this.#numbers.replaceChildren(
      number(page, "cost.spread", degreesText(settings), [
        page.text("cost.recomputeNote", { what: page.text(`cost.recompute.${recompute}`) }),
      ]),
      number(page, "cost.each", page.text("cost.eachOf", each), [
        ...(card.own ? [`${card.name}: ${originText(card)}`] : []),
        ...memory.terms
          .filter(({ bytes }) => bytes > 0)
          .map(({ name, bytes }) => `${name}: ${sizeText(bytes)}`),
      ]),
      number(page, "cost.speed", page.text("cost.speedOf", speed), [page.text("cost.mfu", shares)]),
      number(page, "cost.run", duration(run.days * 86_400), [
        page.text("cost.runNote", { hours: hourText(run.hours), goodput: percent(goodput) }),
        run.dollars ? rangeText(page, run.dollars, cents) : page.text("cost.noPrice"),
      ]),
    );
  }
}

const choicesElement = ({ head, rows }: ChoiceTable): HTMLElement =>
  element(
    "table",
    { class: "choices" },
    element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
    element(
      "tbody",
      {},
      ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell)))),
    ),
  );

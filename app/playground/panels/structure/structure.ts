/**
 * The panel that shows what becomes of a spec: numbers, kernels in their rooms, parameters, memory over time.
 * The checking thread draws; a new text is asked about when the panel can be seen.
 */
import { jobs, type AskedStructure, type Job, type Structure } from "../../check/questions/structure.ts";
import { Answered } from "../../page/answered.ts";
import { element } from "../../page/element.ts";
import type { OpenPanel, Page } from "../../page/page.ts";
import { drawn } from "../../parts/drawn.ts";
import { kernelCard } from "./kernel-card.ts";
import { lightUp, useRooms } from "./rooms.ts";
import { memoryPart, numbersOf, parametersTable } from "./tables.ts";
import "../../styles/structure.css";

export const openStructure: OpenPanel = (page) => new StructurePanel(page);

class StructurePanel {
  readonly element: HTMLElement;
  readonly #page: Page;
  readonly #body = element("div");
  readonly #job: HTMLSelectElement;
  #open: Readonly<Record<string, boolean>> = {};
  #chosen: number | undefined;
  readonly #answered: Answered<AskedStructure, Structure>;

  constructor(page: Page) {
    this.#page = page;
    this.#job = element("select", { onchange: () => this.#changeJob() });
    this.element = element(
      "div",
      { class: "structure" },
      element("p", {}, page.words("structure.lead")),
      element(
        "div",
        { class: "row" },
        element("label", { class: "row" }, page.words("structure.job"), this.#job),
        element(
          "button",
          { type: "button", onclick: () => this.#openAll(true) },
          page.words("structure.openAll"),
        ),
        element(
          "button",
          { type: "button", onclick: () => this.#openAll(false) },
          page.words("structure.closeAll"),
        ),
      ),
      this.#body,
    );
    this.#answered = new Answered(page, {
      about: (facts, text) => {
        return { text, model: facts.name, job: this.#job.value as Job, open: this.#open };
      },
      ask: (asked, signal) => page.check.call("structure", asked, { signal }),
      show: (answer, isCurrent) => this.#show(answer, isCurrent),
    });
    page.language.watch(() => this.#speak());
    page.cursor.watch((at) => this.#answered.answer && lightUp(this.#body, this.#answered.answer, at));
  }

  shown(): void {
    this.#answered.shown();
  }

  hidden(): void {
    this.#answered.hidden();
  }

  #speak(): void {
    const { value } = this.#job;
    const options = (Object.keys(jobs) as Job[]).map((job) =>
      element("option", { value: job }, this.#page.text(`structure.job.${job}`)),
    );
    this.#job.replaceChildren(...options);
    this.#job.value = value || "evaluate";
    this.#answered.showAgain();
  }

  #openAll(isOpen: boolean): void {
    const rooms = this.#answered.answer?.kernels.map(({ room }) => [room, isOpen] as const) ?? [];
    this.#open = Object.fromEntries(rooms);
    this.#answered.ask();
  }

  #changeJob(): void {
    this.#open = {};
    this.#chosen = undefined;
    this.#answered.ask();
  }

  #show(answer: Structure | undefined, isCurrent: boolean): void {
    const page = this.#page;
    this.element.classList.toggle("earlier", !isCurrent);
    if (!answer) {
      this.#body.replaceChildren(element("p", { class: "soft" }, page.words("structure.none")));
      return;
    }
    const focus = focusedName(this.#body);
    const scrolled = this.#body.querySelector(".rooms")?.scrollTop ?? 0;
    const card = element("div", { class: "card kernel-card" });
    const rooms = element(
      "div",
      { class: "scroll rooms", role: "region", tabindex: 0, "aria-label": page.text("structure.graph") },
      drawn(answer.rooms),
    );
    this.#body.replaceChildren(
      element("p", { class: "soft age" }, page.words("structure.earlier")),
      numbersOf(page, answer),
      element("h2", {}, page.words("structure.graph")),
      element("p", { class: "soft" }, page.words("structure.graphHelp")),
      element("div", { class: "graph" }, rooms, card),
      element("h2", {}, page.words("structure.groups")),
      parametersTable(page, answer),
      element("h2", {}, page.words("structure.memory")),
      ...memoryPart(page, answer),
    );
    const choose = (step: number): void => {
      this.#chosen = step;
      const kernel = answer.kernels.find((one) => one.step === step);
      card.replaceChildren(...kernelCard(page, answer, kernel));
    };
    useRooms(rooms, {
      chosen: this.#chosen,
      choose: (step) => {
        choose(step);
        this.#pointAt(answer, step);
      },
      toggle: (room, isOpen) => {
        this.#open = { ...this.#open, [room]: isOpen };
        this.#answered.ask();
      },
    });
    choose(this.#chosen ?? -1);
    lightUp(this.#body, answer, page.cursor.now);
    rooms.scrollTop = scrolled;
    if (focus) this.#body.querySelector<SVGElement>(focus)?.focus();
  }

  /** Beside each other, the editor shows where the kernel comes from; below each other that would scroll. */
  #pointAt({ kernels, parts, text }: Structure, step: number): void {
    const part = kernels.find((kernel) => kernel.step === step)?.part;
    const place = part && parts.find((one) => one.section === part.section && one.part === part.part);
    const isBeside = matchMedia("(min-width: 60rem)").matches;
    if (place && isBeside && this.#page.spec.now.text === text) this.#page.point(place.span);
  }
}

/** What has the focus, as a selector: a drawing that is drawn anew gets it back. */
function focusedName(body: HTMLElement): string | undefined {
  const { activeElement } = document;
  if (!activeElement || !body.contains(activeElement)) return undefined;
  for (const name of ["data-header", "data-kernel"]) {
    const value = activeElement.getAttribute(name);
    if (value !== null) return `[${name}="${CSS.escape(value)}"]`;
  }
  return undefined;
}

/**
 * The panel that shows what becomes of a spec: numbers, kernels in their rooms, parameters, memory over time.
 * The checking thread draws; a new text is asked about when the panel can be seen.
 */
import { chosenModel } from "../../check/checked.ts";
import { jobs, type Job, type Structure } from "../../check/questions/structure.ts";
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
  #answer: Structure | undefined;
  #asking = new AbortController();
  #isShown = false;
  /** What the answer that is shown was asked with. */
  #asked = "";

  constructor(page: Page) {
    this.#page = page;
    this.#job = element("select", { onchange: () => this.#changeJob() });
    this.element = element(
      "div",
      { class: "structure" },
      element("p", {}, page.words("structure.lead")),
      element("label", { class: "row" }, page.words("structure.job"), this.#job),
      this.#body,
    );
    page.language.watch(() => this.#speak());
    page.checked.watch(() => this.#ask());
    page.spec.watch(() => this.#ask());
    page.cursor.watch((at) => this.#answer && lightUp(this.#body, this.#answer, at));
  }

  shown(): void {
    this.#isShown = true;
    this.#ask();
  }

  hidden(): void {
    this.#isShown = false;
    this.#asking.abort();
  }

  #speak(): void {
    const { value } = this.#job;
    const options = (Object.keys(jobs) as Job[]).map((job) =>
      element("option", { value: job }, this.#page.text(`structure.job.${job}`)),
    );
    this.#job.replaceChildren(...options);
    this.#job.value = value || "evaluate";
    this.#show();
  }

  #changeJob(): void {
    this.#open = {};
    this.#chosen = undefined;
    this.#ask();
  }

  #ask(): void {
    const { checked, spec, check } = this.#page;
    if (!this.#isShown || !checked.now) return;
    const facts = chosenModel(checked.now.models, spec.now.model);
    if (!checked.now.isCurrent || !facts) return this.#show();
    const asked = {
      text: checked.now.text,
      model: facts.name,
      job: this.#job.value as Job,
      open: this.#open,
    };
    if (JSON.stringify(asked) === this.#asked) return this.#markAge();
    this.#asking.abort();
    this.#asking = new AbortController();
    check.call("structure", asked, { signal: this.#asking.signal }).then(
      (answer) => {
        this.#asked = JSON.stringify(asked);
        this.#answer = answer;
        this.#show();
      },
      (error: unknown) => {
        if ((error as Error).name !== "AbortError") this.#page.announce(String((error as Error).message));
      },
    );
  }

  #markAge(): void {
    this.element.classList.toggle("earlier", this.#page.checked.now?.isCurrent === false);
  }

  #show(): void {
    this.#markAge();
    const page = this.#page;
    const answer = this.#answer;
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
      element("h3", {}, page.words("structure.graph")),
      element("p", { class: "soft" }, page.words("structure.graphHelp")),
      element("div", { class: "graph" }, rooms, card),
      element("h3", {}, page.words("structure.groups")),
      parametersTable(page, answer),
      element("h3", {}, page.words("structure.memory")),
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
        this.#ask();
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

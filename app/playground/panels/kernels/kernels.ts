/**
 * The panel with the code: on the left the kernels by the line of the spec that they are of, on the right the
 * text of the one that is chosen. The line at the editor's cursor is marked.
 */
import type { AskedKernels, Kernels, KernelText } from "../../check/questions/kernels.ts";
import { moduleNames, type ModuleName } from "../../../../runtime/contract/manifest.ts";
import { sizeText } from "../../../../runtime/contract/amounts.ts";
import { targets, type Target } from "../../../../runtime/contract/targets.ts";
import { Answered } from "../../page/answered.ts";
import { element } from "../../page/element.ts";
import type { OpenPanel, Page } from "../../page/page.ts";
import { lineOf, partAt } from "../../parts/places.ts";
import { codeCard } from "./code-card.ts";
import { groupsOf, type Group } from "./groups.ts";
import "../../styles/kernels.css";

export const openKernels: OpenPanel = (page) => new KernelsPanel(page);

class KernelsPanel {
  readonly element: HTMLElement;
  readonly #page: Page;
  readonly #answered: Answered<AskedKernels, Kernels>;
  readonly #module = element("select");
  readonly #target = element("select");
  readonly #search = element("input", { type: "search" });
  readonly #about = element("p", { class: "soft", role: "status" });
  readonly #list = element("nav", { class: "kernel-list" });
  readonly #card = element("div", { class: "card kernel-code" });
  #chosen: string | undefined;

  constructor(page: Page) {
    this.#page = page;
    this.#target.append(...targets.map((target) => element("option", {}, target)));
    this.#answered = new Answered(page, {
      about: ({ name }, text) => {
        const [module, target] = [this.#module.value as ModuleName, this.#target.value as Target];
        return { text, model: name, module, target };
      },
      ask: (asked, signal) => page.check.call("kernels", asked, { signal }),
      show: (answer, isCurrent) => {
        this.element.classList.toggle("earlier", !isCurrent);
        this.#show(answer);
      },
    });
    for (const choice of [this.#module, this.#target])
      choice.addEventListener("change", () => this.#answered.ask());
    this.#search.addEventListener("input", () => this.#answered.showAgain());
    const field = (key: "module" | "target" | "search", control: HTMLElement): HTMLElement =>
      element("label", { class: "row" }, page.words(`kernels.${key}`), control);
    this.element = element(
      "div",
      { class: "kernels" },
      element("p", {}, page.words("kernels.lead")),
      element(
        "div",
        { class: "row" },
        field("module", this.#module),
        field("target", this.#target),
        field("search", this.#search),
      ),
      this.#about,
      element("div", { class: "kernel-columns" }, this.#list, this.#card),
    );
    page.language.watch(() => this.#speak());
    page.cursor.watch((at) => this.#markLine(at));
  }

  shown(): void {
    this.#answered.shown();
  }

  hidden(): void {
    this.#answered.hidden();
  }

  #speak(): void {
    const { value } = this.#module;
    this.#module.replaceChildren(
      ...moduleNames.map((name) =>
        element("option", { value: name }, this.#page.text(`kernels.module.${name}`)),
      ),
    );
    this.#module.value = value || "infer";
    this.#list.setAttribute("aria-label", this.#page.text("kernels.list"));
    this.#answered.showAgain();
  }

  #show(answer: Kernels | undefined): void {
    const page = this.#page;
    this.#card.hidden = this.#list.hidden = answer === undefined;
    if (!answer) {
      this.#about.textContent = page.text("kernels.none");
      return;
    }
    this.#about.textContent = aboutText(page, answer);
    const groups = groupsOf(answer, this.#search.value);
    this.#list.replaceChildren(...groups.flatMap((group) => this.#group(answer, group)));
    const shown = groups.flatMap(({ pieces }) => pieces);
    const chosen = shown.find(({ name }) => name === this.#chosen) ?? shown[0];
    this.#choose(answer, chosen);
    this.#markLine(page.cursor.now);
  }

  #group(answer: Kernels, { of, pieces }: Group): HTMLElement[] {
    const page = this.#page;
    const buttons = pieces.map((piece) => {
      const lines = element("small", {}, page.text("kernels.lines", { count: piece.lines }));
      const choose = (): void => this.#choose(answer, piece);
      return element(
        "li",
        {},
        element(
          "button",
          { type: "button", "data-piece": piece.name, onclick: choose },
          piece.name,
          " ",
          lines,
        ),
      );
    });
    return [
      element("h2", typeof of === "number" ? { "data-of": of } : {}, ...heading(page, answer, of)),
      element("ul", {}, ...buttons),
    ];
  }

  #choose(answer: Kernels, piece: KernelText | undefined): void {
    this.#chosen = piece?.name;
    for (const button of this.#list.querySelectorAll("[data-piece]"))
      if (button.getAttribute("data-piece") === piece?.name) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    this.#card.replaceChildren(...(piece ? codeCard(this.#page, answer, piece) : []));
  }

  /** Marks the kernels of the line at the cursor, and shows them in the list, and one of them. */
  #markLine(at: number): void {
    const answer = this.#answered.answer;
    if (!answer || answer.text !== this.#page.spec.now.text) return;
    const part = partAt(answer.parts, at);
    const here = part ? answer.parts.indexOf(part) : -1;
    for (const head of this.#list.querySelectorAll<HTMLElement>("h2")) {
      const isHere = head.dataset["of"] === `${here}`;
      if (isHere && !head.classList.contains("lit")) {
        this.#list.scrollTop = head.offsetTop - 8;
        const first = answer.pieces.find(({ of }) => of.includes(here));
        const chosen = answer.pieces.find(({ name }) => name === this.#chosen);
        if (first && !chosen?.of.includes(here)) this.#choose(answer, first);
      }
      head.classList.toggle("lit", isHere);
    }
  }
}

function aboutText(page: Page, { pieces, memories }: Kernels): string {
  const kernels = pieces.filter(({ kind }) => kind === "kernel").length;
  const lines = pieces.reduce((sum, piece) => sum + piece.lines, 0);
  const size = sizeText(pieces.reduce((sum, { text }) => sum + new TextEncoder().encode(text).length, 0));
  const divided = memories > 1 ? ` ${page.text("kernels.divided", { count: memories })}` : "";
  return `${page.text("kernels.total", { kernels, lines, size })}.${divided}`;
}

function heading(page: Page, { parts, text }: Kernels, of: Group["of"]): (HTMLElement | string)[] {
  if (typeof of !== "number") return [page.text(`kernels.${of}`)];
  const { span } = parts[of]!;
  const line = page.text("kernels.line", { line: lineOf(text, span.start) });
  const toLine = (): void => page.edit(span);
  return [
    element("button", { type: "button", class: "link", onclick: toLine }, line),
    " ",
    element("code", {}, text.slice(span.start, span.end)),
  ];
}

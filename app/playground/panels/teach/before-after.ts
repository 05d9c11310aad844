/** What the model answers, before and afterwards, side by side. */
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { TextKey } from "../../texts/texts.ts";

export interface BeforeAfter {
  readonly element: HTMLElement;
  /** The answers to each question; undefined: not known yet. */
  show(before: Answers | undefined, after: Answers | undefined): void;
}

/** By question. */
export type Answers = ReadonlyMap<string, readonly string[]>;

export function beforeAfter(page: Page, name: TextKey): BeforeAfter {
  const body = element("tbody", {});
  const columns = ["teach.question", "teach.before", "teach.after"] as const;
  const head = element("tr", {}, ...columns.map((key) => element("th", { scope: "col" }, page.words(key))));
  const table = element(
    "table",
    { class: "teach-answers" },
    element("caption", {}, page.words(name)),
    element("thead", {}, head),
    body,
  );
  const box = element(
    "div",
    {
      class: "scroll",
      hidden: true,
      tabindex: 0,
      role: "region",
      "data-label": name,
      "aria-label": page.text(name),
    },
    table,
  );
  const cell = (of: readonly string[] | undefined): HTMLElement =>
    element("td", {}, ...(of ?? []).map((text) => element("div", {}, readable(text))));
  return {
    element: box,
    show(before, after) {
      const questions = [...(before ?? after ?? new Map<string, never>()).keys()];
      box.hidden = questions.length === 0;
      body.replaceChildren(
        ...questions.map((question) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, question),
            cell(before?.get(question)),
            cell(after?.get(question)),
          ),
        ),
      );
    },
  };
}

/** Bytes that are no text, as a model writes that has learnt nothing, become one sign each. */
const readable = (text: string): string => text.replace(/[\p{C}\uFFFD]/gu, "·");

/** The questions with their answers, to be changed, added to, saved and opened. */
import type { QuestionAnswer } from "../../../teaching/lessons.ts";
import { pairsText, readPairs } from "../../../teaching/pairs-file.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { button, openFile, saveFile, type StatusLine } from "./controls.ts";

export interface PairsTable {
  readonly element: HTMLElement;
  /** Those of which both parts are written. */
  pairs(): readonly QuestionAnswer[];
}

export function pairsTable(page: Page, first: readonly QuestionAnswer[], status: StatusLine): PairsTable {
  let rows: Row[] = [];
  const body = element("tbody", {});
  const summary = element("summary", {});
  const fill = (pairs: readonly QuestionAnswer[]): void => {
    rows = pairs.map((pair) => rowOf(page, pair));
    renew();
  };
  const renew = (): void => {
    for (const [i, row] of rows.entries()) row.number(i + 1, () => remove(row));
    body.replaceChildren(...rows.map(({ element: row }) => row));
    summary.replaceChildren(page.words("teach.pairs", { count: rows.length }));
  };
  const remove = (row: Row): void => {
    rows = rows.filter((one) => one !== row);
    renew();
  };
  const add = (): void => {
    const row = rowOf(page, { question: "", answer: "" });
    rows = [row, ...rows];
    renew();
    row.focus();
  };
  const pairs = (): readonly QuestionAnswer[] =>
    rows.map(({ pair }) => pair()).filter(({ question, answer }) => question !== "" && answer !== "");
  const open = (bytes: Uint8Array, name: string): void => {
    try {
      fill(readPairs(bytes, name));
      status.clear();
    } catch (cause) {
      status.failed(cause);
    }
  };
  fill(first);
  page.language.watch(renew);
  const head = element(
    "thead",
    {},
    element(
      "tr",
      {},
      ...["teach.question", "teach.answer"].map((key) => headOf(page, key as "teach.answer")),
      element("td", {}),
    ),
  );
  const box = element(
    "div",
    { class: "scroll teach-pairs", tabindex: 0, role: "region", "aria-label": page.text("teach.question") },
    element("table", {}, head, body),
  );
  const tools = element(
    "div",
    { class: "row" },
    button(page, "teach.add", add),
    button(page, "teach.save", () => saveFile("pairs.jsonl", pairsText(pairs()))),
    openFile(page, "teach.open", open, { "data-opens": "pairs" }),
  );
  return { element: element("details", { class: "card" }, summary, tools, box), pairs };
}

const headOf = (page: Page, key: "teach.question" | "teach.answer"): HTMLElement =>
  element("th", { scope: "col" }, page.words(key));

interface Row {
  readonly element: HTMLElement;
  pair(): QuestionAnswer;
  /** Names its fields by the number that it has now. */
  number(number: number, remove: () => void): void;
  focus(): void;
}

function rowOf(page: Page, { question, answer }: QuestionAnswer): Row {
  const [asked, said] = [question, answer].map((value) =>
    element("input", { type: "text", value, maxlength: 200 }),
  );
  const end = element("td", {});
  return {
    element: element("tr", {}, element("td", {}, asked!), element("td", {}, said!), end),
    pair: () => ({ question: asked!.value.trim(), answer: said!.value.trim() }),
    number(number, remove) {
      asked!.setAttribute("aria-label", page.text("teach.questionOf", { number }));
      said!.setAttribute("aria-label", page.text("teach.answerOf", { number }));
      const label = page.text("teach.removeOf", { number });
      end.replaceChildren(element("button", { type: "button", onclick: remove, "aria-label": label }, "×"));
    },
    focus: () => asked!.focus(),
  };
}

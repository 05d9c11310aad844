/** The models that articles compare: what is said, what was published, what follows from their specs. */
import { amountText, dollarsText, flopsText } from "../../../../compiler/planner/amounts.ts";
import type { PublishedFact, PublishedRun } from "../../../../compiler/planner/published-runs.ts";
import { acceleratorNamed } from "../../../../compiler/planner/tables/hardware.ts";
import { sizeText } from "../../../../runtime/contract/amounts.ts";
import type { Cost } from "../../check/questions/cost.ts";
import { element, type Child } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { ArticleRow } from "./article.ts";
import { causesOf, hoursText, moneyText } from "./amounts.ts";

const columns = [
  "cost.model",
  "cost.parameters",
  "cost.training",
  "cost.bf16",
  "cost.q4",
  "cost.compute",
  "cost.money",
  "cost.published",
] as const;

export interface KnownCost {
  readonly row: ArticleRow;
  readonly cost: Cost;
}

export function articleTable(page: Page, known: readonly KnownCost[]): HTMLElement {
  return element(
    "div",
    { class: "scroll", role: "region", tabindex: 0, "aria-label": page.text("cost.table") },
    element(
      "table",
      { class: "article" },
      element(
        "thead",
        {},
        element("tr", {}, ...columns.map((key) => element("th", { scope: "col" }, page.words(key)))),
      ),
      element("tbody", {}, ...known.map((each) => tableRow(page, each))),
    ),
  );
}

function tableRow(page: Page, { row, cost }: KnownCost): HTMLElement {
  const { estimate: made, published } = cost;
  const { parameters, activeParameters, bytes, flops, tokens, tokensAre } = made;
  const load = (): void => page.spec.set({ text: row.text, model: row.model });
  const said = (words: string): HTMLElement => note(page.text("cost.said", { words }));
  const cell = (...children: readonly Child[]): HTMLElement => element("td", {}, ...children);
  const product = { parameters: amountText(activeParameters), tokens: amountText(tokens) };
  return element(
    "tr",
    {},
    element(
      "th",
      { scope: "row" },
      element("button", { type: "button", class: "link", onclick: load }, row.title),
      note(`${row.year}`),
      row.isRumour && element("small", { class: "rumour" }, page.text("cost.rumour")),
    ),
    cell(
      amountText(parameters),
      note(parameters.toLocaleString(page.language.now)),
      activeParameters < parameters &&
        note(page.text("cost.active", { count: amountText(activeParameters) })),
      said(row.parameters),
    ),
    cell(sizeText(bytes.states)),
    cell(sizeText(bytes.bf16)),
    cell(sizeText(bytes.q4)),
    cell(
      flopsText(flops),
      note(page.text("cost.computeNote", product)),
      tokensAre === "20 for each parameter" && note(page.text("cost.noTokens")),
    ),
    cell(
      moneyText(page, made),
      note(page.text("cost.todayNote", { hours: hoursText(page, made) })),
      said(row.dollars ?? page.text("cost.variesWord")),
      element(
        "details",
        {},
        element("summary", {}, page.words("cost.varies")),
        element("ul", {}, ...causesOf(page, made).map((cause) => element("li", {}, cause))),
      ),
    ),
    cell(published ? facts(page, published) : ""),
  );
}

const note = (words: string): HTMLElement => element("small", {}, words);

function facts(page: Page, { card, said }: PublishedRun): HTMLElement {
  const { title } = acceleratorNamed(card)!;
  const shown = (fact: PublishedFact): string => {
    if (fact.what === "flops") return page.text("cost.flopsOf", { flops: flopsText(fact.value) });
    if (fact.what === "dollars") return dollarsText(fact.value);
    return page.text("cost.hoursOf", { hours: amountText(fact.value), card: title });
  };
  const items = said.map((fact) =>
    element("li", {}, shown(fact), note(fact.source), fact.note !== undefined && note(fact.note)),
  );
  return element(
    "details",
    {},
    element("summary", {}, page.text("cost.facts", { count: said.length })),
    element("ul", {}, ...items),
  );
}

/** The panel about what models cost: one's own in other sizes, those that articles compare, what holds it. */
import { element } from "../../page/element.ts";
import type { OpenPanel } from "../../page/page.ts";
import { articleRows } from "./article.ts";
import { Design } from "./design.ts";
import { articleTable, type KnownCost } from "./table.ts";
import "../../styles/cost.css";

/** The device of the table: the one whose hour has prices. */
const CARD = "h100";

export const openCost: OpenPanel = async (page) => {
  const design = new Design(page);
  const known = await Promise.all(
    articleRows.map(async (row): Promise<KnownCost> => {
      const { text, model, tokens } = row;
      return { row, cost: (await page.check.call("cost", { text, model, tokens, card: CARD }))! };
    }),
  );
  const table = element("div");
  page.language.watch(() => {
    table.replaceChildren(articleTable(page, known));
    design.showAgain();
  });
  return {
    element: element(
      "div",
      { class: "cost" },
      element("p", {}, page.words("cost.lead")),
      design.element,
      design.held,
      design.cluster,
      element("h2", {}, page.words("cost.table")),
      element("p", { class: "soft" }, page.words("cost.tableHelp")),
      table,
    ),
    shown: () => design.shown(),
    hidden: () => design.hidden(),
  };
};

/** What each layer would say after each token: a row for each layer, a column for each token. */
import { percent } from "../../../../runtime/contract/amounts.ts";
import type { ShownCell, TextInside } from "../../../../runtime/look/text-inside.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";

export function lensTable(page: Page, { tokens, lens, layers }: TextInside): HTMLElement {
  const names = [
    page.text("inside.embedding"),
    ...Array.from({ length: layers }, (_, layer) => page.text("inside.layer", { layer })),
  ];
  const heading = (name: string, scope: "row" | "col"): HTMLElement => element("th", { scope }, name);
  const head = element(
    "tr",
    {},
    heading(page.text("inside.after"), "col"),
    ...lens.positions.map((t) => heading(tokens[t]!.text, "col")),
  );
  const rows = lens.rows.map((cells, i) =>
    element("tr", {}, heading(names[i]!, "row"), ...cells.map((cell) => cellOf(page, cell))),
  );
  return element("table", { class: "lens" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

function cellOf(page: Page, { top, next }: ShownCell): HTMLElement {
  const [best] = top;
  const others = top.map(({ text, probability }) => `${text} ${percent(probability, 1)}`);
  if (next !== undefined) others.push(`${page.text("inside.follows")}: ${percent(next, 1)}`);
  const cell = element(
    "td",
    { title: others.join(", ") },
    best!.text,
    " ",
    element("small", {}, percent(best!.probability)),
  );
  const depth = (45 * best!.probability).toFixed(0);
  cell.style.background = `color-mix(in srgb, var(--first) ${depth}%, transparent)`;
  return cell;
}

/** The numbers of a structure: what it comes to, parameters by part, memory by region and over time. */
import type { PartCount } from "../../../../compiler/2-check/parameters.ts";
import { flopsText } from "../../../../compiler/language-service/describe.ts";
import { percent, sizeText } from "../../../../runtime/contract/amounts.ts";
import type { Structure } from "../../check/questions/structure.ts";
import { element, type Child } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { drawn } from "../../parts/drawn.ts";
import type { TextKey } from "../../texts/texts.ts";

export function numbersOf(page: Page, answer: Structure): HTMLElement {
  const { parameters, bytes, flops, kernels, memories } = answer;
  const number = (key: TextKey, value: string, more?: string): HTMLElement =>
    element(
      "div",
      {},
      element("dt", {}, page.words(key)),
      element("dd", {}, value, more !== undefined && element("small", {}, more)),
    );
  const divided = memories > 1 ? ` · ${page.text("structure.divided", { count: memories })}` : "";
  return element(
    "dl",
    { class: "numbers" },
    number("structure.parameters", exact(page, sum(parameters.map(({ total }) => total)))),
    number("structure.arithmetic", flopsText(flops)),
    number("structure.module", sizeText(bytes), `${exact(page, bytes)} bytes${divided}`),
    number("structure.kernels", exact(page, kernels.length)),
  );
}

/** A row for each part: its tensors, how many numbers, and their share as a bar. */
export function parametersTable(page: Page, { parameters, parts }: Structure): HTMLElement {
  const all = sum(parameters.map(({ total }) => total));
  const rows = parameters.map((row) => {
    const { tensors, each, times, total } = row;
    const place = parts.find(({ section, part }) => section === row.section && part === partOf(row));
    const name = place
      ? element(
          "button",
          { type: "button", class: "link", onclick: () => page.edit(place.span) },
          shortName(row),
        )
      : shortName(row);
    const shapes = tensors.map((t) => element("div", { class: "line" }, `${t.name} [${t.shape.join(", ")}]`));
    const count = times > 1 ? `${exact(page, each)} × ${times} = ${exact(page, total)}` : exact(page, total);
    return tableRow([name], shapes, [count], [bar(total / all)]);
  });
  return table(
    page,
    ["structure.part", "structure.shapes", "structure.count", "structure.share"],
    [...rows, tableRow([page.words("structure.all")], [], [exact(page, all)], [percent(1)])],
    "structure.groups",
  );
}

/** Learned positions are written where the embedding is. */
const partOf = ({ section, name }: PartCount): string =>
  section === "embed" && name === "position" ? "token" : name;
const shortName = ({ section, name }: PartCount): string =>
  section === "layer" ? name : `${section}: ${name}`;

export function memoryPart(page: Page, answer: Structure): readonly HTMLElement[] {
  const { regions, memory, arenaBytes, unsharedBytes } = answer;
  const all = sum(regions.map(({ bytes }) => bytes));
  const rows = regions.map(({ name, bytes }) =>
    tableRow([regionName(page, name, answer)], [exact(page, bytes)], [bar(bytes / all)]),
  );
  const amounts = { arena: sizeText(arenaBytes), unshared: sizeText(unsharedBytes) };
  return [
    table(page, ["structure.region", "structure.bytes", "structure.share"], rows, "structure.memory"),
    element("p", { class: "soft" }, page.text("structure.memoryHelp", amounts)),
    element(
      "div",
      { class: "scroll card", role: "region", tabindex: 0, "aria-label": page.text("structure.overTime") },
      drawn(memory),
    ),
  ];
}

/** The compiler's names of regions, in the visitor's words. */
const regionTexts: Readonly<Record<string, TextKey>> = {
  control: "structure.region.control",
  inputs: "structure.region.inputs",
  outputs: "structure.region.outputs",
  parameters: "structure.parameters",
  gradients: "structure.region.gradients",
  "first moments": "structure.region.moment1",
  "second moments": "structure.region.moment2",
  "key-value cache": "structure.region.cache",
  activations: "structure.region.activations",
  workers: "structure.region.workers",
};

function regionName(page: Page, name: string, { workers }: Structure): Child {
  const key = regionTexts[name];
  return key ? page.text(key, { count: workers }) : name;
}

function table(
  page: Page,
  heads: readonly TextKey[],
  rows: readonly HTMLElement[],
  name: TextKey,
): HTMLElement {
  const head = heads.map((key) => element("th", { scope: "col" }, page.words(key)));
  return element(
    "div",
    { class: "scroll", role: "region", tabindex: 0, "aria-label": page.text(name) },
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)),
  );
}

const tableRow = (first: readonly Child[], ...cells: readonly (readonly Child[])[]): HTMLElement =>
  element(
    "tr",
    {},
    element("th", { scope: "row" }, ...first),
    ...cells.map((cell) => element("td", {}, ...cell)),
  );

function bar(share: number): HTMLElement {
  const fill = element("span", { class: "share-bar" });
  fill.style.inlineSize = `${Math.max(1, 60 * share)}px`;
  return element("span", { class: "share" }, fill, percent(share, 1));
}

const exact = (page: Page, n: number): string => n.toLocaleString(page.language.now);
const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0);

/** Which devices hold the model, and whether this tab does. */
import { sizeText } from "../../../../runtime/contract/amounts.ts";
import type { Cost } from "../../check/questions/cost.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";

/** `tab`: what `thisTab` says, which changes when the exact bytes are known. */
export function heldPart(page: Page, { held }: Cost, tab: HTMLElement): readonly HTMLElement[] {
  const columns = ["cost.device", "cost.run4", "cost.run16", "cost.train"] as const;
  const rows = held.map(({ card, holds }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, card.title),
      ...holds.map(({ fits, devices }) =>
        element(
          "td",
          { class: fits === "fits" ? "good" : fits === "tight" ? "tight" : "soft" },
          fits === "fits"
            ? page.text("cost.fitsOne")
            : fits === "tight"
              ? page.text("cost.fitsTight")
              : page.text("cost.fitsMany", { count: devices }),
        ),
      ),
    ),
  );
  return [
    element("h2", {}, page.words("cost.fits")),
    tab,
    element(
      "div",
      { class: "scroll", role: "region", tabindex: 0, "aria-label": page.text("cost.fits") },
      element(
        "table",
        {},
        element(
          "thead",
          {},
          element("tr", {}, ...columns.map((key) => element("th", { scope: "col" }, page.words(key)))),
        ),
        element("tbody", {}, ...rows),
      ),
    ),
    element("p", { class: "soft" }, page.words("cost.method")),
  ];
}

/** Chromium says how much memory a machine has, roughly. */
type Machine = Navigator & { readonly deviceMemory?: number };

/** The exact bytes of the spec's own sizes, as they are compiled. */
export function thisTab(page: Page, name: string): string {
  const bytes = page.checked.now?.models.find((facts) => facts.name === name)?.bytes;
  const { deviceMemory } = navigator as Machine;
  const machine =
    deviceMemory === undefined ? "" : page.text("cost.machine", { memory: sizeText(deviceMemory * 2 ** 30) });
  if (!bytes) return machine;
  const { train, infer } = bytes;
  const verdict = train.fits ? "cost.tabFits" : infer.fits ? "cost.tabNot" : "cost.tabNone";
  const amounts = { train: sizeText(train.bytes), infer: sizeText(infer.bytes) };
  return [page.text("cost.tab", amounts), page.text(verdict), machine].join(" ");
}

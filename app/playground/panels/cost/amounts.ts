/** How the panel writes ranges, and why money is one. */
import { amountText, dollarsText } from "../../../../compiler/planner/amounts.ts";
import { RUN_UTILISATION, type Estimate, type Range } from "../../../../compiler/planner/estimate.ts";
import { duration, percent } from "../../../../runtime/contract/amounts.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { TextKey } from "../../texts/texts.ts";

/** One number of a list of them, with what is to be said of it. */
export function number(page: Page, key: TextKey, value: string, notes: readonly string[] = []): HTMLElement {
  return element(
    "div",
    {},
    element("dt", {}, page.words(key)),
    element("dd", {}, value, ...notes.map((note) => element("small", {}, note))),
  );
}

/** "$65.1 M to $379 M"; one amount where both are the same. */
export function rangeText(page: Page, range: Range, show: (n: number) => string): string {
  const [low, high] = range.map(show) as [string, string];
  return low === high ? low : page.text("cost.range", { low, high });
}

export const moneyText = (page: Page, { dollars }: Estimate): string =>
  dollars ? rangeText(page, dollars, cents) : page.text("cost.noPrice");

export const hoursText = (page: Page, { hours }: Estimate): string => rangeText(page, hours, hourText);

/** Less than a cent is nothing that anybody pays. */
export const cents = (dollars: number): string => (dollars < 0.01 ? "< $0.01" : dollarsText(dollars));

/** "1.30 M h", "12 min 3 s". */
export const hourText = (hours: number): string =>
  hours < 1 ? duration(3600 * hours) : `${amountText(hours)} h`;

const tokensKeys = {
  given: "cost.tokensAre.given",
  published: "cost.tokensAre.published",
  "20 for each parameter": "cost.tokensAre.rule",
} as const satisfies Record<Estimate["tokensAre"], TextKey>;

/** What makes the money a range, cause by cause, with sources and dates. */
export function causesOf(page: Page, made: Estimate): readonly string[] {
  const { causes, prices, tokens, tokensAre } = made;
  const times = (ratio: number): string =>
    ratio.toLocaleString(page.language.now, { maximumFractionDigits: 1 });
  const [least, most] = RUN_UTILISATION.map((share) => percent(share));
  const kind = page.text(tokensKeys[tokensAre]);
  return [
    ...(causes.price > 1 && prices
      ? [
          page.text("cost.byPrice", {
            times: times(causes.price),
            low: prices[0].dollars,
            lowSource: prices[0].source,
            lowDate: prices[0].date,
            high: prices[1].dollars,
            highSource: prices[1].source,
            highDate: prices[1].date,
          }),
        ]
      : []),
    ...(causes.utilisation > 1
      ? [page.text("cost.byUse", { times: times(causes.utilisation), least: least!, most: most! })]
      : []),
    page.text("cost.byTokens", { tokens: amountText(tokens), kind }),
  ];
}

/**
 * Which tokens are likely, for pages: a row with two bars for each, and the interval from 0 to 1 in slices
 * with the place where a random number fell. Whoever uses them says what stands there in words.
 */
import { shareText } from "../../../runtime/report/distribution.ts";
import { element } from "../page/element.ts";
import "../styles/distribution.css";

export interface TokenRow {
  readonly text: string;
  /** Probabilities, 0 … 1: as the model says, and among those that may be drawn. */
  readonly before: number;
  readonly after: number;
  /** Why it cannot be drawn, in a word or two. */
  readonly note?: string | undefined;
  readonly isDrawn?: boolean;
}

export interface RowTitles {
  readonly token: string;
  readonly before: string;
  readonly after: string;
}

/** A table; bars are as long as the numbers beside them say, and the longest fills its column. */
export function tokenRows(rows: readonly TokenRow[], titles: RowTitles): HTMLTableElement {
  const most = Math.max(1e-9, ...rows.flatMap(({ before, after }) => [before, after]));
  const bar = (kind: string, share: number): HTMLElement => {
    const made = element("span", { class: `token-bar ${kind}` });
    made.style.width = `${(100 * share) / most}%`;
    return made;
  };
  const row = ({ text, before, after, note, isDrawn = false }: TokenRow): HTMLElement =>
    element(
      "tr",
      {
        class: [note === undefined ? "" : "is-cut", isDrawn ? "is-drawn" : ""].join(" ").trim() || undefined,
      },
      element("th", { scope: "row" }, element("code", {}, text)),
      element("td", { class: "bars" }, bar("before", before), bar("after", after)),
      element("td", { class: "share" }, shareText(before)),
      element("td", { class: "share" }, note ?? shareText(after)),
    );
  const head = (title: string): HTMLElement => element("th", { scope: "col", class: "share" }, title);
  return element(
    "table",
    { class: "token-rows" },
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "col" }, titles.token),
        element("td", {}),
        head(titles.before),
        head(titles.after),
      ),
    ),
    element("tbody", {}, ...rows.map(row)),
  );
}

export interface Slice {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  readonly isDrawn: boolean;
}

/** A narrower slice cannot be seen. */
const LEAST = 0.0005;
/** A letter's share of the narrowest interval: a slice that is too narrow for its text has none. */
const LETTER = 9 / 320;

/** Slices side by side; `u`: where the random number fell, marked from above. */
export function interval(slices: readonly Slice[], u: number | undefined, title: string): HTMLElement {
  const at = (made: HTMLElement, from: number, to = from): HTMLElement => {
    made.style.left = `${100 * from}%`;
    if (to > from) made.style.width = `${100 * (to - from)}%`;
    return made;
  };
  const seen = slices.filter(({ from, to }) => to - from >= LEAST);
  const boxes = seen.map(({ text, from, to, isDrawn }, i) => {
    const isReadable = to - from >= LETTER * ([...text].length + 1);
    const tone = isDrawn ? "is-drawn" : `tone-${i % 2}`;
    return at(element("span", { class: `slice ${tone}` }, isReadable && text), from, to);
  });
  const pointer = u === undefined ? [] : [at(element("span", { class: "pointer" }), u)];
  return element("div", { class: "interval", role: "img", "aria-label": title }, ...boxes, ...pointer);
}

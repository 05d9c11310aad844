/**
 * Styles, cards and tables of the bench's page, light and dark. Every chart is drawn in two widths, so that
 * its text has the same size on a telephone.
 */
import { element, escapeHtml, htmlPage, scrolled } from "../../runtime/report/markup.ts";

const WIDE = 860;
const NARROW = 310;

/** The chart twice; the page shows the one that fits. */
export const responsive = (chart: (width: number) => string): string =>
  `<div class="at-wide">${chart(WIDE)}</div><div class="at-narrow">${chart(NARROW)}</div>`;

export function card(title: string, note: string, body: string): string {
  const about = note === "" ? "" : element("p", { class: "note" }, escapeHtml(note));
  return element("section", {}, element("h2", {}, escapeHtml(title)) + about + body);
}

export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
}
export const factCards = (facts: readonly Fact[]): string =>
  element("dl", { class: "numbers" }, facts.map(factCard).join(""));

function factCard({ name, value, note }: Fact): string {
  const small = note === undefined ? "" : element("small", {}, escapeHtml(note));
  return element(
    "div",
    {},
    element("dt", {}, escapeHtml(name)) + element("dd", {}, escapeHtml(value) + small),
  );
}

/** First cells are names, the others numbers. `label`: what it is. */
export function table(label: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (row: readonly string[], tag: "td" | "th"): string =>
    element("tr", {}, row.map((c) => element(tag, {}, escapeHtml(c))).join(""));
  const top = element("thead", {}, line(head, "th"));
  const rest = element("tbody", {}, rows.map((row) => line(row, "td")).join(""));
  return scrolled(escapeHtml(label), element("table", {}, top + rest));
}

const colours = (own: string): string => `--paper:${own.split(" ").join(";--")}`;
const LIGHT = colours(
  "#fbfaf8 ink:#1d2128 soft:#666d79 line:#e6e2da card:#ffffff wide:#1f5fd0 relaxed:#4f97e8 simd:#9cc4f0 " +
    "torch:#d9622b torch-plain:#efa57f ort-node:#8a4fc4 ort-web:#c2559b tfjs:#b8860b jax:#23926a " +
    "other:#7b8494",
);
const DARK = colours(
  "#14161a ink:#e8e6e1 soft:#9aa1ad line:#2b2f37 card:#1b1e24 wide:#7cabff relaxed:#4d84d6 simd:#365a92 " +
    "torch:#ff935c torch-plain:#a85f3c ort-node:#c095f2 ort-web:#f08cc8 tfjs:#e6b94a jax:#5fd0a6 " +
    "other:#8b93a1",
);

const style = `
  :root { color-scheme: light dark; ${LIGHT}; }
  @media (prefers-color-scheme: dark) { :root { ${DARK}; } }
  * { box-sizing: border-box; }
  body { margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.25rem 4rem; background: var(--paper);
    color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
  h1 { font-size: 1.8rem; margin: 0; letter-spacing: -.02em; } h2 { font-size: 1rem; margin: 0; }
  h3 { font-size: .85rem; margin: 1rem 0 .2rem; font-weight: 600; }
  .about, .note { color: var(--soft); margin: .25rem 0 1.2rem; }
  .note { font-size: .85rem; margin: .15rem 0 .7rem; max-width: 46rem; }
  .numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem;
    margin: 0 0 1rem; }
  .numbers div, section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
    padding: .8rem 1.1rem; }
  section { margin: 1rem 0; padding: 1rem 1.2rem 1.1rem; }
  dt { color: var(--soft); font-size: .8rem; }
  dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
  dd small { display: block; color: var(--soft); font-size: .78rem; letter-spacing: 0; }
  svg { display: block; width: 100%; height: auto; overflow: visible; }
  svg text { fill: var(--soft); font: 12px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
  svg .axis { font-weight: 600; } svg .label, svg .value, svg .group, svg .name { fill: var(--ink); }
  svg .group { font-weight: 600; font-size: 13px; } svg .own { font-weight: 650; }
  svg .name:not(.own) { fill: var(--soft); }
  svg .value, svg .label, svg .roof-name { paint-order: stroke; stroke: var(--card); stroke-width: 4px;
    stroke-linejoin: round; }
  svg .value:not(.own) { fill: var(--soft); } svg .roof-name { fill: var(--soft); font-style: italic; }
  .grid { stroke: var(--line); } .tick { stroke: var(--soft); }
  .ridge { stroke: var(--line); stroke-dasharray: 3 4; } .leader { stroke: var(--soft); stroke-width: .8; }
  .limit { stroke: var(--ink); stroke-dasharray: 4 3; stroke-width: 1.3; }
  .roof { fill: none; stroke-width: 2; } .dashed { stroke-width: 1.3; stroke-dasharray: 5 4; }
  .curve { fill: none; stroke-width: 1.5; stroke-linejoin: round; } .curve.own { stroke-width: 2.6; }
  circle { stroke: var(--card); stroke-width: 1; } circle:hover, rect:hover { opacity: .75; }
  .keys { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .1rem 0 .6rem; font-size: .8rem;
    color: var(--soft); }
  .keys i { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .4em; }
  .at-narrow { display: none; }
  @media (max-width: 930px) { .at-wide { display: none; } .at-narrow { display: block; max-width: 24rem; } }
  @media (max-width: 600px) { body { padding: 1.4rem .8rem 3rem; } section { padding: .9rem .8rem 1rem; } }
  .scroll { overflow-x: auto; }
  :focus-visible { outline: 2px solid var(--wide); outline-offset: 2px; }
  table { border-collapse: collapse; font-size: .8rem; width: 100%; font-variant-numeric: tabular-nums; }
  th { text-align: left; color: var(--soft); font-weight: 600; white-space: nowrap; }
  th, td { padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); }
  td:nth-child(n+3), th:nth-child(n+3) { text-align: right; white-space: nowrap; }
  .text td, .text th { text-align: left !important; white-space: normal !important; }
  summary { cursor: pointer; font-weight: 600; } details > div { margin-top: .7rem; }
  footer { color: var(--soft); font-size: .8rem; margin-top: 2rem; }
`;

export const page = (title: string, about: string, body: string): string =>
  htmlPage({ title, heading: title, about, style, body });

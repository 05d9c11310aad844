/**
 * What attention looks at, drawn: a map with a cell for each pair of tokens, and lines from each token to
 * those that it looks at (Vig 2019, "BertViz"). SVG as text; its colours are the page's (page-style.ts), and
 * it has no styles of its own, so that a strict policy lets it in.
 */
import { percent } from "../contract/amounts.ts";
import { element, escapeHtml } from "./markup.ts";

/** T tokens, and by how much each (row) looks at each (column): T × T numbers, whose rows' sums are 1. */
export interface TokenWeights {
  readonly tokens: readonly string[];
  readonly weights: ArrayLike<number>;
}

export interface MapOptions {
  /** What it is, for those who do not see it. */
  readonly title: string;
  /** Pixels of a cell. Default: MAP_CELL, which has room for the tokens' texts; below 11 there are none. */
  readonly cell?: number;
}

/** Pixels of a cell that has room for texts beside it. */
export const MAP_CELL = 18;
/** Depths of colour: cells of one depth are one path, so that large maps stay small. */
const DEPTHS = 12;
/** Least pixels of a cell beside which a token's text can be read. */
const READABLE = 11;
const LETTER = 8; // pixels of a wide letter of 12
const MOST_LETTERS = 14;
/** Lines for less than this are left out. */
const LEAST = 0.02;

const shortText = (text: string): string =>
  text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS - 1)}…` : text;
/** Pixels of the longest of these texts. */
const widest = (tokens: readonly string[]): number =>
  LETTER * Math.max(1, ...tokens.map((token) => shortText(token).length));

/** Pixels at the left of the first column, and above the first row. */
export const mapMargin = (tokens: readonly string[], cell: number): number =>
  cell < READABLE ? 0 : widest(tokens) + 8;

/** Rows look at columns; the darker, the more. */
export function attentionMap(
  { tokens, weights }: TokenWeights,
  { title, cell = MAP_CELL }: MapOptions,
): string {
  const T = tokens.length;
  const margin = mapMargin(tokens, cell);
  const side = T * cell;
  const paths = Array.from({ length: DEPTHS + 1 }, () => "");
  for (let query = 0; query < T; query++)
    for (let key = 0; key < T; key++) {
      const depth = Math.round(DEPTHS * Math.min(1, weights[query * T + key]!));
      if (depth > 0)
        paths[depth] += `M${margin + key * cell} ${margin + query * cell}h${cell}v${cell}h-${cell}z`;
    }
  const cells = paths.map((d, depth) =>
    d === "" ? "" : element("path", { d, "fill-opacity": (depth / DEPTHS).toFixed(2) }, ""),
  );
  const frame = element(
    "rect",
    { x: margin, y: margin, width: side, height: side, fill: "none", stroke: "var(--line, #8888)" },
    "",
  );
  return svg(
    margin + side + 1,
    margin + side + 1,
    title,
    frame +
      element("g", { fill: "var(--first, #2f6fdd)" }, cells.join("")) +
      (margin === 0 ? "" : margins(tokens, cell, margin)),
  );
}

/** The tokens at the left of the map, and turned by a quarter above it. */
function margins(tokens: readonly string[], cell: number, margin: number): string {
  const at = (i: number): number => margin + (i + 0.5) * cell;
  const rows = tokens.map((token, i) =>
    element("text", { x: margin - 5, y: at(i), "text-anchor": "end" }, escapeHtml(shortText(token))),
  );
  const columns = tokens.map((token, i) =>
    element(
      "text",
      { transform: `translate(${at(i)} ${margin - 5}) rotate(-90)` },
      escapeHtml(shortText(token)),
    ),
  );
  return lettering(rows.join("") + columns.join(""));
}

const lettering = (texts: string): string =>
  element("g", { fill: "currentColor", "font-size": 12, "dominant-baseline": "central" }, texts);

/** Tokens twice, one below the other; lines lead from those on the left to what they look at on the right. */
export function attentionLines(
  { tokens, weights }: TokenWeights,
  { title, query }: Pick<MapOptions, "title"> & { /** Lines of this token alone. */ readonly query?: number },
): string {
  const T = tokens.length;
  const line = 20;
  const left = widest(tokens) + 6;
  const right = left + 120;
  const at = (i: number): number => (i + 0.5) * line;
  const lines: string[] = [];
  for (let from = 0; from < T; from++)
    for (let to = 0; to < T; to++) {
      const weight = weights[from * T + to]!;
      if (weight < LEAST || (query !== undefined && from !== query)) continue;
      const about = `${tokens[from]!} → ${tokens[to]!}: ${percent(weight)}`;
      lines.push(
        element(
          "path",
          {
            d: `M${left} ${at(from)}C${left + 45} ${at(from)} ${right - 45} ${at(to)} ${right} ${at(to)}`,
            "stroke-opacity": Math.min(1, 0.08 + 0.92 * weight).toFixed(2),
            "stroke-width": (0.6 + 3 * weight).toFixed(1),
          },
          element("title", {}, escapeHtml(about)),
        ),
      );
    }
  const colour = (i: number): string | undefined =>
    query === undefined || i === query ? undefined : "var(--soft, #777)";
  const words = tokens.flatMap((token, i) => [
    element(
      "text",
      { x: left - 6, y: at(i), "text-anchor": "end", fill: colour(i) },
      escapeHtml(shortText(token)),
    ),
    element("text", { x: right + 6, y: at(i) }, escapeHtml(shortText(token))),
  ]);
  return svg(
    right + left,
    T * line,
    title,
    element("g", { fill: "none", stroke: "var(--first, #2f6fdd)" }, lines.join("")) +
      lettering(words.join("")),
  );
}

const svg = (width: number, height: number, title: string, content: string): string =>
  element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": escapeHtml(title),
    },
    content,
  );

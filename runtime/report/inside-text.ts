/** What goes on inside a model, for a terminal: tokens, a head's map by shades, the lens, the next token. */
import type { HeadSummary } from "../look/heads.ts";
import type { TextInside } from "../look/text-inside.ts";
import type { ShownToken } from "../look/token-text.ts";
import { percent } from "../contract/amounts.ts";
import { shareText, textBar } from "./distribution.ts";
import { fitted, widthOf } from "./text-width.ts";

/** Shares from which on a cell is as dark as this. */
const shades = [
  [0.75, "█"],
  [0.45, "▓"],
  [0.2, "▒"],
  [0.05, "░"],
  [0, "·"],
] as const;
/** A cell that is `width` characters wide. */
const shade = (share: number, width: number): string => {
  const [, sign] = shades.find(([from]) => share >= from)!;
  return sign === "·" ? sign.padEnd(width) : sign.repeat(width);
};

/** "␣cat 3797": each token with its id, as many in a line as there is room for. */
export function tokenLines(tokens: readonly ShownToken[], columns: number): string[] {
  const items = tokens.map(({ id, text }) => `${text} ${id}`);
  const width = Math.max(1, ...items.map(widthOf)) + 3;
  const each = Math.max(1, Math.floor((columns - 2) / width));
  const lines: string[] = [];
  for (let at = 0; at < items.length; at += each)
    lines.push(
      `  ${items
        .slice(at, at + each)
        .map((item) => fitted(item, width))
        .join("")
        .trimEnd()}`,
    );
  return lines;
}

/**
 * A row for each token, which looks at the columns: the darker, the more. Behind the last column that it can
 * see, which is its own, stands the token once more, so that columns can be read too. The last tokens where
 * there is no room for all.
 */
export function mapLines(
  tokens: readonly ShownToken[],
  weights: ArrayLike<number>,
  columns: number,
): string[] {
  const T = tokens.length;
  const label = Math.min(12, Math.max(...tokens.map(({ text }) => widthOf(text))));
  const room = columns - 2 * label - 6;
  const wide = 2 * T <= room ? 2 : 1;
  const from = Math.max(0, T - Math.floor(room / wide));
  const lines = tokens.slice(from).map(({ text }, i) => {
    const query = from + i;
    let row = "";
    for (let key = from; key < T; key++) {
      const weight = weights[query * T + key]!;
      if (key <= query || weight > 0) row += shade(weight, wide);
    }
    return `  ${fitted(text, label)}  ${row} ${text}`;
  });
  return from > 0 ? [`  (the last ${T - from} of ${T} tokens)`, ...lines] : lines;
}

const kinds = {
  previous: "the token before",
  same: "itself",
  first: "the first token",
  other: "elsewhere",
} as const;

/** What a head does, in a few words: "71 % the token before, 20 % elsewhere". `most`: so many kinds. */
export const headText = (summary: HeadSummary, most = 4): string =>
  (Object.keys(kinds) as (keyof typeof kinds)[])
    .filter((kind) => summary[kind] >= 0.1)
    .sort((a, b) => summary[b] - summary[a])
    .slice(0, most)
    .map((kind) => `${percent(summary[kind])} ${kinds[kind]}`)
    .join(", ");

/** A line for each head. */
export const summaryLines = (summaries: readonly HeadSummary[]): string[] =>
  summaries.map(
    (head) =>
      `  layer ${head.layer} head ${`${head.head}`.padEnd(3)} ${fitted(headText(head, 3), 58)} ` +
      `${head.distance.toFixed(1).padStart(5)} back`,
  );

/** What would be said behind each layer, after the last tokens, as many as there is room for. */
export function lensLines({ tokens, lens, layers }: TextInside, columns: number): string[] {
  const label = 11;
  const width = 14;
  const shown = Math.max(1, Math.min(lens.positions.length, Math.floor((columns - label - 2) / width)));
  const from = lens.positions.length - shown;
  const positions = lens.positions.slice(from);
  const row = (name: string, items: readonly string[]): string =>
    `  ${fitted(name, label)}${items.map((item) => fitted(item, width)).join("")}`.trimEnd();
  const names = ["embedding", ...Array.from({ length: layers }, (_, layer) => `layer ${layer}`)];
  return [
    row(
      "after",
      positions.map((t) => tokens[t]!.text),
    ),
    row(
      "follows",
      positions.map((t) => tokens[t + 1]?.text ?? "?"),
    ),
    ...lens.rows.map((cellsOfLayer, i) =>
      row(
        names[i]!,
        cellsOfLayer
          .slice(from)
          .map(({ top: [best] }) => `${fitted(best!.text, 7)} ${percent(best!.probability)}`),
      ),
    ),
  ];
}

/** The likeliest tokens, a bar each. */
export function likelyLines(tokens: TextInside["next"]): string[] {
  const width = Math.max(...tokens.map(({ text, id }) => widthOf(text) + `${id}`.length)) + 3;
  const most = tokens[0]?.probability ?? 1;
  return tokens.map(
    ({ id, text, probability }) =>
      `  ${fitted(`${text} ${id}`, width)} ${shareText(probability).padStart(8)}  ` +
      textBar(probability / most, 30),
  );
}

/** Which tokens are likely, as bars: in a page, and in a terminal. */
import { percent } from "../contract/amounts.ts";
import { element, escapeHtml } from "./markup.ts";

export interface Bar {
  readonly text: string;
  /** 0 … 1. */
  readonly probability: number;
  /** How likely it was before, where that is shown too. */
  readonly before?: number;
}

/** "12.3 %", "0.04 %": three digits, none of which says nothing. */
export const shareText = (share: number): string =>
  percent(share, share >= 0.9995 ? 0 : share >= 0.1 ? 1 : 2);

const ROW = 24; // pixels
const NAME = 92;
const BAR = 160;
const VALUE = 60;

/** Bars from the likeliest down; where there is a `before`, a thin mark shows it. SVG as text. */
export function distributionBars(bars: readonly Bar[], title: string): string {
  const most = Math.max(1e-9, ...bars.map(({ probability, before = 0 }) => Math.max(probability, before)));
  const length = (share: number): string => ((BAR * share) / most).toFixed(1);
  const rows = bars.map(({ text, probability, before }, i) => {
    const y = i * ROW;
    const mark =
      before === undefined
        ? ""
        : element(
            "rect",
            { x: NAME + Number(length(before)), y: y + 2, width: 2, height: ROW - 4, fill: "currentColor" },
            element("title", {}, `before: ${shareText(before)}`),
          );
    return (
      element("text", { x: NAME - 8, y: y + ROW / 2, "text-anchor": "end" }, escapeHtml(text)) +
      element(
        "rect",
        {
          x: NAME,
          y: y + 4,
          width: length(probability),
          height: ROW - 8,
          rx: 2,
          fill: "var(--first, #2f6fdd)",
        },
        "",
      ) +
      mark +
      element("text", { x: NAME + BAR + VALUE, y: y + ROW / 2, "text-anchor": "end" }, shareText(probability))
    );
  });
  const [width, height] = [NAME + BAR + VALUE, bars.length * ROW];
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": escapeHtml(
        `${title}: ${bars.map(({ text, probability }) => `${text} ${shareText(probability)}`).join(", ")}`,
      ),
      fill: "currentColor",
      "font-size": 13,
      "dominant-baseline": "central",
    },
    rows.join(""),
  );
}

const EIGHTHS = " ▏▎▍▌▋▊▉";

/** A bar of so many characters at most, in eighths of one. */
export function textBar(share: number, width: number): string {
  const eighths = Math.round(8 * width * Math.min(1, Math.max(0, share)));
  return "█".repeat(eighths >> 3) + (eighths % 8 === 0 ? "" : EIGHTHS[eighths % 8]!);
}

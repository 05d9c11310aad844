/**
 * Draws scales, axes and marks as SVG text. Colours are custom properties of the page (page-frame.ts);
 * hovering over a mark shows its numbers.
 */
import { thousands } from "../../runtime/contract/amounts.ts";
import { element, escapeHtml } from "../../runtime/report/markup.ts";

/** Where a chart's marks may be, in pixels of its own width. */
export interface Area {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export type Scale = (value: number) => number;

export const linear =
  (from: number, to: number, start: number, end: number): Scale =>
  (v) =>
    start + ((v - from) / (to - from || 1)) * (end - start);
export const logarithmic = (from: number, to: number, start: number, end: number): Scale => {
  const inner = linear(Math.log2(from), Math.log2(to), start, end);
  return (v) => inner(Math.log2(v));
};

/** Powers of two from … to, every `step`-th. */
export const powers = (from: number, to: number, step = 1): number[] => {
  const out: number[] = [];
  for (let e = Math.ceil(Math.log2(from) - 1e-9); 2 ** e <= to * (1 + 1e-9); e += step) out.push(2 ** e);
  return out;
};

export const n = (value: number): string => `${Number(value.toFixed(1))}`;
/** 0.125, 3.1, 42, 1,234. */
export function short(value: number): string {
  if (value >= 1000) return thousands(value);
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? `${Number(value.toFixed(1))}` : `${Number(value.toPrecision(2))}`;
}

/** A name that fits: sizes after the third dimension and attributes are left to the tooltip. */
export function caption(op: string, sizes: string): string {
  const [dims = "", ...rest] = sizes.split(" ");
  const parts = dims.split("×");
  const shown = `${op} ${parts.slice(0, 3).join("×")}${parts.length > 3 ? "…" : ""}`;
  const special = rest.find((word) => !word.includes("="));
  return special === undefined ? shown : `${shown} ${special}`;
}

type Anchor = "start" | "middle" | "end";

export const text = (
  x: number,
  y: number,
  words: string,
  { anchor = "start", kind = "" }: { readonly anchor?: Anchor; readonly kind?: string } = {},
): string =>
  element(
    "text",
    {
      x: n(x),
      y: n(y),
      "text-anchor": anchor === "start" ? undefined : anchor,
      class: kind === "" ? undefined : kind,
    },
    escapeHtml(words),
  );
export const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  `<line class="${kind}" x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}"/>`;
export function path(points: readonly (readonly [number, number])[], kind: string, colour: string): string {
  const along = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${n(x)} ${n(y)}`).join("");
  return `<path class="${kind}" style="stroke:var(--${colour})" d="${along}"/>`;
}
export const dot = (x: number, y: number, radius: number, colour: string, title: string): string =>
  `<circle cx="${n(x)}" cy="${n(y)}" r="${radius}" ` +
  `style="fill:var(--${colour})"><title>${escapeHtml(title)}</title></circle>`;
export const bar = (
  x: number,
  y: number,
  width: number,
  height: number,
  colour: string,
  title: string,
): string =>
  `<rect x="${n(x)}" y="${n(y)}" width="${n(Math.max(width, 1))}" height="${n(height)}" rx="3" ` +
  `style="fill:var(--${colour})"><title>${escapeHtml(title)}</title></rect>`;

export const svg = (area: Pick<Area, "width" | "height">, title: string, marks: readonly string[]): string =>
  `<svg viewBox="0 0 ${area.width} ${n(area.height)}" role="img" ` +
  `aria-label="${escapeHtml(title)}">${marks.join("")}</svg>`;

/** Grid lines and numbers at the left and below. */
export function axes(
  a: Area,
  x: Scale,
  y: Scale,
  xTicks: readonly number[],
  yTicks: readonly number[],
  xName: string,
  yName: string,
): string {
  const across = yTicks.map(
    (v) =>
      line(a.left, y(v), a.width - a.right, y(v), "grid") +
      text(a.left - 7, y(v) + 4, short(v), { anchor: "end" }),
  );
  const up = xTicks.map(
    (v) =>
      line(x(v), a.height - a.bottom, x(v), a.height - a.bottom + 4, "tick") +
      text(x(v), a.height - a.bottom + 17, v < 1 ? `1/${Math.round(1 / v)}` : short(v), { anchor: "middle" }),
  );
  return [
    ...across,
    ...up,
    text(a.left - 7, a.top - 9, yName, { kind: "axis" }),
    text(a.width - a.right, a.height - 3, xName, { anchor: "end", kind: "axis" }),
  ].join("");
}

/** Places labels that do not overlap. A label that finds no place is left out; hovering still shows it. */
export class Labels {
  readonly #taken: { readonly x0: number; readonly x1: number; readonly y0: number; readonly y1: number }[] =
    [];
  readonly #area: Area;

  constructor(area: Area) {
    this.#area = area;
  }
  /** Nothing may be written here. */
  avoid(x: number, y: number, radius: number): void {
    this.#taken.push({ x0: x - radius, x1: x + radius, y0: y - radius, y1: y + radius });
  }
  /** `far`: with a thin line to the mark, when there is no room beside it. */
  beside(x: number, y: number, words: string, far: boolean): string {
    const width = words.length * 6.7;
    const { left, right } = { left: this.#area.left, right: this.#area.width - this.#area.right };
    const places: readonly (readonly [number, number, Anchor])[] = [
      [8, 4, "start"],
      [-8, 4, "end"],
      [0, -9, "middle"],
      [0, 18, "middle"],
      [8, -7, "start"],
      [-8, -7, "end"],
      [8, 14, "start"],
      [-8, 14, "end"],
    ];
    const farther: typeof places = (far ? [34, 58, 82, 106, 130] : []).flatMap(
      (d) =>
        [
          [14, d, "start"],
          [-14, -d, "end"],
          [-14, d, "end"],
          [14, -d, "start"],
          [30, d * 0.6, "start"],
          [-30, d * 0.6, "end"],
        ] as const,
    );
    for (const [i, [dx, dy, anchor]] of [...places, ...farther].entries()) {
      const x0 = x + dx - (anchor === "start" ? 0 : anchor === "end" ? width : width / 2);
      const box = { x0, x1: x0 + width, y0: y + dy - 10, y1: y + dy + 3 };
      if (
        box.x0 < left ||
        box.x1 > right ||
        box.y0 < this.#area.top ||
        box.y1 > this.#area.height - this.#area.bottom
      )
        continue;
      if (this.#taken.some((t) => t.x0 < box.x1 && box.x0 < t.x1 && t.y0 < box.y1 && box.y0 < t.y1)) continue;
      this.#taken.push(box);
      const leader =
        i < places.length ? "" : line(x, y + 5 * Math.sign(dy), x + dx, y + dy - (dy > 0 ? 9 : -2), "leader");
      return leader + text(x + dx, y + dy, words, { anchor, kind: "label" });
    }
    return "";
  }
}

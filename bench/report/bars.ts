/**
 * Horizontal bars for token rates and speed-ups. Names stand above the bars in narrow charts, beside them in
 * wide ones.
 */
import { bar, line, linear, svg, text, type Area } from "./svg.ts";

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** Text at the end of the bar. */
  readonly words: string;
  readonly colour: string;
  /** Ours: its name is bold. */
  readonly own: boolean;
}

export interface BarGroup {
  readonly name: string;
  readonly bars: readonly Bar[];
  /** A mark on all bars of the group: what the machine's limit allows. */
  readonly limit?: { readonly value: number; readonly words: string };
}

const BAR = 17;
const GAP = 6;
const HEAD = 26;
const BETWEEN = 14;

export function barChart(title: string, groups: readonly BarGroup[], width: number): string {
  const bars = groups.flatMap((g) => g.bars);
  const longest = (words: (b: Bar) => string): number => 6.4 * Math.max(...bars.map((b) => words(b).length));
  const narrow = width < 600;
  const nameWidth = narrow
    ? 0
    : Math.max(
        150,
        Math.min(
          330,
          longest((b) => b.name),
        ),
      );
  const rowHeight = BAR + GAP + (narrow ? 15 : 0);
  const most = Math.max(...bars.map((b) => b.value), ...groups.map((g) => g.limit?.value ?? 0));
  const left = nameWidth + (narrow ? 0 : 8);
  const right =
    14 +
    Math.max(
      40,
      longest((b) => b.words),
    );
  const x = linear(0, most, left, width - right);
  const marks: string[] = [];
  const values: string[] = []; // values are written over the mark of the limit
  let y = 0;
  for (const group of groups) {
    if (group.name !== "") {
      marks.push(text(0, y + 15, group.name, { kind: "group" }));
      y += HEAD;
    }
    const from = y;
    for (const b of group.bars) {
      if (narrow) {
        marks.push(text(0, y + 11, b.name, { kind: b.own ? "name own" : "name" }));
        y += 15;
      } else
        marks.push(text(nameWidth, y + 13, b.name, { anchor: "end", kind: b.own ? "name own" : "name" }));
      marks.push(bar(left, y, x(b.value) - left, BAR, b.colour, `${b.name}: ${b.words}`));
      values.push(text(x(b.value) + 7, y + 13, b.words, { kind: b.own ? "value own" : "value" }));
      y += rowHeight - (narrow ? 15 : 0);
    }
    if (group.limit)
      marks.push(
        line(x(group.limit.value), from - 3, x(group.limit.value), y - GAP + 3, "limit"),
        text(x(group.limit.value), from - 7, group.limit.words, { anchor: "end", kind: "roof-name" }),
      );
    y += BETWEEN;
  }
  const area: Pick<Area, "width" | "height"> = { width, height: y - BETWEEN + 4 };
  return svg(area, title, [...marks, ...values]);
}

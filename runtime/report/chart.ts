/**
 * A line chart. Curves are SVG, stretched to whatever width the page has; labels are text of the page, so
 * that they have the same size on a telephone as on a wide screen. Colours are the page's custom properties;
 * hovering a dot shows its numbers.
 */
export interface Curve {
  /** "": it has no key, since another curve of its colour has. */
  readonly name: string;
  readonly tone: "first" | "second" | "third" | "faint";
  /** (step, value), steps rising. */
  readonly points: readonly (readonly [number, number])[];
  /** "line" alone, a line with dots, or rings that nothing joins. */
  readonly marks?: "line" | "dots" | "rings";
}

export interface ChartOptions {
  /** Pixels. */
  readonly height: number;
  /** What the numbers on the left are, with their unit. */
  readonly unit: string;
  readonly fromZero?: boolean;
}

/** Of the drawing, which has no size of its own. */
const SIZE = 1000;
/** Pixels between two labels on the left. */
const LABEL_PX = 45;

export function chart(
  title: string,
  curves: readonly Curve[],
  { height, unit, fromZero = false }: ChartOptions,
): string {
  const points = curves.flatMap((c) => c.points).filter(([, y]) => Number.isFinite(y));
  if (points.length === 0) return "";
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const xTicks = ticks(Math.min(...xs), Math.max(...xs), 5).filter(Number.isInteger);
  const yTicks = around(fromZero ? 0 : Math.min(...ys), Math.max(...ys), Math.round(height / LABEL_PX));
  const x = scale(Math.min(...xs), Math.max(Math.min(...xs) + 1, ...xs));
  const y = scale(Math.min(yTicks[0]!, ...ys), Math.max(yTicks.at(-1)!, ...ys));
  const grid = yTicks.map((v) => `<path class="grid" d="M0 ${across(1 - y(v))}H${SIZE}"/>`);
  const left = yTicks.map((v) => `<span class="y" style="bottom:${percent(y(v))}">${label(v)}</span>`);
  const below = xTicks.map((v) => `<span class="x" style="left:${percent(x(v))}">${label(v)}</span>`);
  const drawing =
    `<svg viewBox="0 0 ${SIZE} ${SIZE}" preserveAspectRatio="none" role="img" aria-label="${title}, ` +
    `${unit}, by step">` +
    `${grid.join("")}${curves.map((c) => drawn(c, x, y)).join("")}</svg>`;
  return (
    `<section class="chart"><h2><span class="title">${title}</span>${keys(curves)}</h2><p ` +
    `class="unit">${unit}</p>` +
    `<div class="plot" style="height:${height}px">${drawing}${left.join("")}${below.join("")}</div><p ` +
    `class="steps">step</p></section>`
  );
}

type Scale = (value: number) => number;

/** `low` … `high` to 0 … 1. */
const scale =
  (low: number, high: number): Scale =>
  (v) =>
    (v - low) / (high - low || 1);
const across = (share: number): string => (SIZE * share).toFixed(1);
const percent = (share: number): string => `${(100 * share).toFixed(2)}%`;

/** Marks are lines of no length with round ends: they stay round however the drawing is stretched. */
function drawn({ points, tone, marks = "line" }: Curve, x: Scale, y: Scale): string {
  const seen = points
    .filter(([, v]) => Number.isFinite(v))
    .map(([px, py]) => ({ px, py, at: `${across(x(px))} ${across(1 - y(py))}` }));
  const along = seen.map(({ at }, i) => `${i === 0 ? "M" : "L"}${at}`).join("");
  const line = `<path class="curve" stroke="var(--${tone})" d="${along}"/>`;
  const mark = (kind: string, colour: string, at: string, words: string): string =>
    `<path class="${kind}" stroke="var(--${colour})" d="M${at}h0">${words}</path>`;
  const each = seen.map(({ px, py, at }) => {
    const words = `<title>step ${px}: ${py.toPrecision(5)}</title>`;
    return marks === "rings"
      ? mark("ring", tone, at, words) + mark("hole", "card", at, words)
      : mark("dot", tone, at, words);
  });
  return `${marks === "rings" ? "" : line}${marks === "line" ? "" : each.join("")}`;
}

function keys(curves: readonly Curve[]): string {
  if (curves.length < 2) return "";
  return curves
    .filter(({ name }) => name !== "")
    .map(
      ({ name, tone, marks = "line" }) =>
        `<span class="key ${marks}" style="--tone:var(--${tone})"><i></i>${name}</span>`,
    )
    .join("");
}

/** Of a range, as a part of its numbers: below it, steps are lost in their rounding. */
const LEAST_SPAN = 1e-9;

/** Round numbers inside low … high, about `count` of them: steps of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high - low > LEAST_SPAN * Math.max(Math.abs(low), Math.abs(high)))) return [low];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= 0.75 * rough) ?? 10);
  const out: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) out.push(i * step);
  return out;
}

/** The same, from the one below `low` to the one above `high`. */
function around(low: number, high: number, count: number): number[] {
  const inside = ticks(low, high, count);
  if (!(high - low > LEAST_SPAN * Math.max(Math.abs(low), Math.abs(high)))) return inside;
  const step = inside.length > 1 ? inside[1]! - inside[0]! : (high - low) / 2;
  if (!(step > 0)) return inside;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

function label(v: number): string {
  if (v === 0) return "0";
  const size = Math.abs(v);
  if (size >= 1e6) return `${Number((v / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((v / 1e3).toPrecision(3))}k`;
  return size < 1e-2 ? v.toExponential(1).replace(".0", "") : `${Number(v.toPrecision(3))}`;
}

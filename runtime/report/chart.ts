/**
 * A line chart. Curves are SVG, stretched to whatever width the page has; labels are text of the page, so
 * that they have the same size on a telephone as on a wide screen. Colours are the page's custom properties;
 * hovering a dot shows its numbers. Pages that redraw their charts run this file (node/page-script.ts), so it
 * imports nothing but types.
 */
export interface Curve {
  /** "": it has no key, since another curve of its colour has. */
  readonly name: string;
  /** A custom property of the page. */
  readonly tone: string;
  /** (step, value), steps rising. */
  readonly points: readonly (readonly [number, number])[];
  /** "line" alone, a line with dots, or rings that nothing joins. */
  readonly marks?: "line" | "dots" | "rings";
  /** More classes of its line. */
  readonly look?: string;
}

export interface ChartOptions {
  /** Pixels. */
  readonly height: number;
  /** What the numbers on the left are, with their unit. */
  readonly unit: string;
  readonly fromZero?: boolean;
  /** Equal ratios are equally far apart. All values have to be positive. */
  readonly logarithmic?: boolean;
  /** What the numbers below are; "step" by default. */
  readonly below?: string;
}

/** Of the drawing, which has no size of its own. */
const SIZE = 1000;
/** Pixels between two labels on the left. */
const LABEL_PX = 45;

export function chart(title: string, curves: readonly Curve[], options: ChartOptions): string {
  const { height, unit, below = "step" } = options;
  const frame = frameOf(curves, options);
  if (!frame) return "";
  const { x, y, xTicks, yTicks } = frame;
  const grid = yTicks.map((v) => `<path class="grid" d="M0 ${across(1 - y(v))}H${SIZE}"/>`);
  const left = yTicks.map((v) => `<span class="y" style="bottom:${percent(y(v))}">${label(v)}</span>`);
  const under = xTicks.map((v) => `<span class="x" style="left:${percent(x(v))}">${label(v)}</span>`);
  const drawing =
    `<svg viewBox="0 0 ${SIZE} ${SIZE}" preserveAspectRatio="none" role="img" aria-label="${title}, ` +
    `${unit}, by ${below}">` +
    `${grid.join("")}${curves.map((c) => drawn(c, x, y)).join("")}</svg>`;
  return (
    `<section class="chart"><h2><span class="title">${title}</span>${keys(curves)}</h2><p ` +
    `class="unit">${unit}</p>` +
    `<div class="plot" style="height:${height}px">${drawing}${left.join("")}${under.join("")}</div><p ` +
    `class="steps">${below}</p></section>`
  );
}

/** Where points are drawn, and which numbers stand beside. */
interface Frame {
  readonly x: Scale;
  readonly y: Scale;
  readonly xTicks: readonly number[];
  readonly yTicks: readonly number[];
}

/** The smallest and the largest x of curves; undefined: they have no points. */
export function widthOf(curves: readonly Curve[]): readonly [number, number] | undefined {
  const xs = curves.flatMap(({ points }) => points.filter(([, y]) => Number.isFinite(y)).map(([x]) => x));
  return xs.length === 0 ? undefined : extremes(xs);
}

/** Undefined: there is nothing to draw. */
function frameOf(
  curves: readonly Curve[],
  { height, fromZero = false, logarithmic = false, below = "step" }: ChartOptions,
): Frame | undefined {
  const width = widthOf(curves);
  if (!width) return undefined;
  const [left, right] = width;
  const ys = curves.flatMap(({ points }) => points.map(([, y]) => y).filter(Number.isFinite));
  const [low, high] = extremes(ys);
  const isWhole = (v: number): boolean => below !== "step" || Number.isInteger(v);
  const xTicks = ticks(left, right, 5).filter(isWhole);
  const x = scale(left, below === "step" ? Math.max(left + 1, right) : right);
  const count = Math.round(height / LABEL_PX);
  if (logarithmic) {
    const yTicks = ratioTicks(low, high);
    const y = scale(Math.log(Math.min(low, ...yTicks)), Math.log(Math.max(high, ...yTicks)));
    return { x, y: (v) => y(Math.log(v)), xTicks, yTicks };
  }
  const yTicks = around(fromZero ? 0 : low, high, count);
  return { x, y: scale(Math.min(yTicks[0]!, low), Math.max(yTicks.at(-1)!, high)), xTicks, yTicks };
}

/** Of many numbers: more than a call takes arguments. */
const extremes = (all: readonly number[]): readonly [least: number, most: number] => [
  all.reduce((a, b) => Math.min(a, b)),
  all.reduce((a, b) => Math.max(a, b)),
];

type Scale = (value: number) => number;

/** `low` … `high` to 0 … 1. */
const scale =
  (low: number, high: number): Scale =>
  (v) =>
    (v - low) / (high - low || 1);
const across = (share: number): string => (SIZE * share).toFixed(1);
const percent = (share: number): string => `${(100 * share).toFixed(2)}%`;

/** Marks are lines of no length with round ends: they stay round however the drawing is stretched. */
function drawn({ points, tone, marks = "line", look }: Curve, x: Scale, y: Scale): string {
  const seen = points
    .filter(([, v]) => Number.isFinite(v))
    .map(([px, py]) => ({ px, py, at: `${across(x(px))} ${across(1 - y(py))}` }));
  const along = seen.map(({ at }, i) => `${i === 0 ? "M" : "L"}${at}`).join("");
  const classes = look === undefined ? "curve" : `curve ${look}`;
  const line = `<path class="${classes}" stroke="var(--${tone})" d="${along}"/>`;
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

/**
 * Numbers around low … high, both positive: 1, 2 and 5 times powers of ten, or powers alone where there are
 * many.
 */
function ratioTicks(low: number, high: number): number[] {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const powers = Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
  const all = to - from > 3 ? powers : powers.flatMap((power) => [power, 2 * power, 5 * power]);
  const below = all.findLast((v) => v <= low) ?? all[0]!;
  const above = all.find((v) => v >= high) ?? all.at(-1)!;
  return all.filter((v) => v >= below && v <= above);
}

function label(v: number): string {
  if (v === 0) return "0";
  const size = Math.abs(v);
  if (size >= 1e6) return `${Number((v / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((v / 1e3).toPrecision(3))}k`;
  return size < 1e-2 ? v.toExponential(1).replace(".0", "") : `${Number(v.toPrecision(3))}`;
}

/** Speed over sizes or numbers of workers: a line for each that was measured, names at the lines' ends. */
import { axes, dot, linear, logarithmic, path, powers, short, svg, text, type Area } from "./svg.ts";
import { ticks } from "../../runtime/report/chart.ts";

export interface Series {
  readonly name: string;
  readonly colour: string;
  /** Ours: thicker. */
  readonly own: boolean;
  readonly points: Points;
}
/** (size, speed), sizes rising. */
export type Points = readonly (readonly [number, number])[];

export interface SpeedCurves {
  readonly title: string;
  readonly series: readonly Series[];
  /** What the machine allows. */
  readonly roof: { readonly name: string; readonly points: Points };
  /** What is below: "n", "workers". */
  readonly below: string;
  /** "GFLOP/s". */
  readonly unit: string;
  /** Speeds too by their logarithm: what grows with the number of workers is a straight line then. */
  readonly doubling?: boolean;
}

export function speedCurves(
  { title, series, roof, below, unit, doubling }: SpeedCurves,
  width: number,
): string {
  const narrow = width < 600;
  const names = !narrow;
  const a: Area = {
    width,
    height: narrow ? 260 : 300,
    left: 52,
    right: names ? 128 : 14,
    top: 26,
    bottom: 36,
  };
  const sizes = [...new Set(series.flatMap((s) => s.points.map(([size]) => size)))].sort((p, q) => p - q);
  const speeds = [roof, ...series].flatMap(({ points }) => points.map(([, v]) => v));
  const [bottom, top] = [2 ** Math.floor(Math.log2(Math.min(...speeds))), 1.06 * Math.max(...speeds)];
  const x = logarithmic(sizes[0]!, sizes.at(-1)!, a.left + 6, width - a.right - 6);
  const y = doubling
    ? logarithmic(bottom, top, a.height - a.bottom, a.top)
    : linear(0, top, a.height - a.bottom, a.top);
  const yTicks = doubling ? powers(bottom, top) : ticks(0, top, narrow ? 5 : 6);
  const drawn = [...series]
    .sort((p, q) => Number(p.own) - Number(q.own))
    .map((s) =>
      [
        path(
          s.points.map(([size, v]) => [x(size), y(v)]),
          s.own ? "curve own" : "curve",
          s.colour,
        ),
        ...s.points.map(([size, v]) =>
          dot(x(size), y(v), s.own ? 4 : 3, s.colour, `${s.name}, ${below} = ${size}: ${short(v)} ${unit}`),
        ),
      ].join(""),
    );
  const ends = names
    ? endNames(
        series.filter((s) => s.points.length > 0),
        y,
        a,
      )
    : "";
  return svg(a, title, [
    axes(a, x, y, sizes, yTicks, below, unit),
    path(
      roof.points.map(([size, v]) => [x(size), y(v)]),
      "roof dashed",
      "ink",
    ),
    text(width - a.right - 6, y(roof.points.at(-1)![1]) - 7, roof.name, { anchor: "end", kind: "roof-name" }),
    ...drawn,
    ends,
  ]);
}

/** Names beside the last points, pushed apart. */
function endNames(series: readonly Series[], y: (v: number) => number, a: Area): string {
  const sorted = series.map((s) => ({ s, at: y(s.points.at(-1)![1]) })).sort((p, q) => p.at - q.at);
  const gap = 15;
  let last = a.top - gap;
  const placed = sorted.map(({ s, at }) => ({ s, at: (last = Math.max(at, last + gap)) }));
  const over = Math.max(0, last - (a.height - a.bottom));
  return placed
    .map(
      ({ s, at }) =>
        `<circle cx="${a.width - a.right + 12}" cy="${(at - over).toFixed(1)}" r="3.5" ` +
        `style="fill:var(--${s.colour})"/><text x="${a.width - a.right + 20}" ` +
        `y="${(at - over + 4).toFixed(1)}" class="name${s.own ? " own" : ""}">` +
        `${s.name.replace("onnxruntime", "ort")}</text>`,
    )
    .join("");
}

/** Speed over size: one line per target and peer, names at the lines' ends. */
import { axes, dot, linear, logarithmic, path, short, svg, text, type Area } from "./svg.ts";
import { ticks } from "../../runtime/report/chart.ts";

export interface Series {
  readonly name: string;
  readonly colour: string;
  /** Ours: thicker. */
  readonly own: boolean;
  /** (size, GFLOP/s), sizes rising. */
  readonly points: readonly (readonly [number, number])[];
}

/** `roof`: the multiply-add limit. */
export function speedOverSize(series: readonly Series[], roof: number, width: number): string {
  const narrow = width < 600;
  const names = !narrow;
  const a: Area = {
    width,
    height: narrow ? 260 : 300,
    left: 40,
    right: names ? 128 : 14,
    top: 26,
    bottom: 36,
  };
  const sizes = [...new Set(series.flatMap((s) => s.points.map(([size]) => size)))].sort((p, q) => p - q);
  const top = Math.max(roof, ...series.flatMap((s) => s.points.map(([, v]) => v))) * 1.06;
  const x = logarithmic(sizes[0]!, sizes.at(-1)!, a.left + 6, width - a.right - 6);
  const y = linear(0, top, a.height - a.bottom, a.top);
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
          dot(x(size), y(v), s.own ? 4 : 3, s.colour, `${s.name}, n = ${size}: ${short(v)} GFLOP/s`),
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
  return svg(a, "Speed over size", [
    axes(a, x, y, sizes, ticks(0, top, narrow ? 5 : 6), "n", "GFLOP/s"),
    path(
      [
        [a.left, y(roof)],
        [width - a.right, y(roof)],
      ],
      "roof dashed",
      "ink",
    ),
    text(a.left + 4, y(roof) - 5, "multiply-add limit", { kind: "roof-name" }),
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

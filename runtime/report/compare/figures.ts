/**
 * The charts of a comparison: a figure is one number of the logs, with a curve for each run. The page draws
 * them first, and its script (page-script.ts) again when the reader asks for another view; so this file
 * imports nothing that a page has not.
 */
import { chart, type Curve } from "../chart.ts";
import { smooth } from "../smooth.ts";

/** What stands below a chart, in the order of a point's numbers. */
export const axes = ["step", "tokens", "time"] as const;
export type Axis = (typeof axes)[number];

/** Step, tokens, seconds, and the number itself. */
export type Point = readonly [step: number, tokens: number, seconds: number, value: number];

export interface Figure {
  /** Markup. */
  readonly title: string;
  readonly unit: string;
  readonly isLarge: boolean;
  /** Measured now and then: its points are seen. */
  readonly isMeasured: boolean;
  /** Numbers of steps have noise; what is measured, or was set, has none to take away. */
  readonly isNoisy: boolean;
  /** For each run; empty where it has none. */
  readonly runs: readonly (readonly Point[])[];
}

/** What the reader has asked for. */
export interface View {
  readonly axis: Axis;
  /** How much of a curve a point is the mean of, 0 … 1. */
  readonly smoothing: number;
  readonly logarithmic: boolean;
  /** By run. */
  readonly shown: readonly boolean[];
}

export const firstView = (runs: number): View => ({
  axis: "step",
  smoothing: 0.1,
  logarithmic: false,
  shown: Array.from({ length: runs }, () => true),
});

export interface RunCurve extends Curve {
  readonly run: number;
}

/** So many runs have colours of their own; lines of those after them are broken. */
export const COLOURS = 8;
const LARGE = 320;
const SMALL = 190;

const timeUnits = [
  { name: "seconds of training", seconds: 1 },
  { name: "minutes of training", seconds: 60 },
  { name: "hours of training", seconds: 3600 },
] as const;
/** A unit is taken from so many of it on. */
const LEAST_TIME = 3;

/** The unit that suits the longest of the runs. */
function timeUnit({ runs }: Figure): (typeof timeUnits)[number] {
  const longest = Math.max(0, ...runs.map((points) => points.at(-1)?.[2] ?? 0));
  return timeUnits.findLast(({ seconds }) => longest >= LEAST_TIME * seconds) ?? timeUnits[0];
}

/** The curves that are seen, one for each run. */
export function figureCurves(figure: Figure, { axis, smoothing, logarithmic, shown }: View): RunCurve[] {
  const at = axes.indexOf(axis);
  const unit = axis === "time" ? timeUnit(figure).seconds : 1;
  return figure.runs.flatMap((all, run): RunCurve[] => {
    if (!shown[run] || all.length === 0) return [];
    const found = all.map((point) => [point[at]! / unit, point[3]] as const);
    const points = (figure.isNoisy ? smooth(found, smoothing) : found).filter(
      ([, y]) => y > 0 || !logarithmic,
    );
    const look = `dash-${Math.floor(run / COLOURS)}`;
    const marks = figure.isMeasured ? "dots" : "line";
    return points.length === 0 ? [] : [{ name: "", tone: toneOf(run), run, look, marks, points }];
  });
}

export const toneOf = (run: number): string => `run-${(run % COLOURS) + 1}`;

/** Markup; without the curves it says that there is nothing to see. */
export function figureChart(figure: Figure, view: View): string {
  const { title, unit, isLarge } = figure;
  const curves = figureCurves(figure, view);
  const isSmoothed = view.smoothing > 0 && figure.isNoisy;
  const faint = isSmoothed ? figureCurves(figure, { ...view, smoothing: 0 }) : [];
  const below = view.axis === "time" ? timeUnit(figure).name : view.axis;
  const drawn = chart(title, [...faint.map((c) => ({ ...c, look: "unsmoothed" })), ...curves], {
    height: isLarge ? LARGE : SMALL,
    unit,
    below,
    logarithmic: view.logarithmic,
  });
  if (drawn !== "") return drawn;
  const isHidden = !figure.runs.some((points, run) => view.shown[run] && points.length > 0);
  const why = isHidden ? "no run that has it is shown" : "no value is positive, which a logarithm needs";
  return `<section class="chart"><h2>${title}</h2><p class="unit">${why}</p></section>`;
}

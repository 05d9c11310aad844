/** The curves of a run: its loss, and what its objective says besides, under the names of the log. */
import type { EvaluationEvent, StepEvent, TrainEvent } from "../train/events.ts";
import { chart, type Curve } from "./chart.ts";
import { escapeHtml } from "./markup.ts";
import { smooth } from "./smooth.ts";
import { shrink } from "./sparkline.ts";

/** Of a curve: more would not be seen. */
const POINTS = 600;
/** Pixels. */
export const SMALL = 190;
const LARGE = 320;

export type CurveOf = (name: string, tone: Curve["tone"], value: (e: StepEvent) => number) => Curve;

/** Makes curves of a number of each step; steps that lack it are left out. */
export function curvesOf(events: readonly TrainEvent[]): CurveOf {
  const steps = events.filter((e) => e.kind === "step");
  return (name, tone, value) => {
    const known = steps
      .map((e) => [e.step, value(e)] as const)
      .filter(([, number]) => Number.isFinite(number));
    const column = (i: 0 | 1): number[] =>
      shrink(
        known.map((point) => point[i]),
        POINTS,
      );
    const values = column(1);
    return { name, tone, points: column(0).map((step, i) => [step, values[i]!] as const) };
  };
}

/** Charts beside each other where there is room. */
export const besideEachOther = (charts: readonly string[]): string =>
  charts.length === 0 ? "" : `<div class="pair">${charts.join("")}</div>`;

const notEmpty = (curves: readonly Curve[]): Curve[] => curves.filter(({ points }) => points.length > 0);

/**
 * Evaluations over windows are a line; those over all of the held-out part are another measure, and stand
 * apart.
 */
export function lossChart(events: readonly TrainEvent[]): string {
  const evals = events.filter((e) => e.kind === "eval");
  const points = (whole: boolean): Curve["points"] =>
    evals.flatMap((e) => (e.whole === whole && e.loss !== undefined ? [[e.step, e.loss] as const] : []));
  const faint = curvesOf(events)("each step", "faint", (e) => e.loss);
  const curves: Curve[] = [
    faint,
    { name: "training, smoothed", tone: "first", points: smooth(faint.points) },
    { name: "validation, windows", tone: "second", points: points(false), marks: "dots" },
    { name: "validation, all of it", tone: "third", points: points(true), marks: "rings" },
  ];
  const isOfObjective = events.some((e) => e.kind === "step" && e.metrics);
  const unit = isOfObjective ? "of the objective" : "nats per token";
  return chart("Loss", notEmpty(curves), { height: LARGE, unit });
}

/** Metrics that are read beside each other. */
const together: readonly (readonly string[])[] = [
  ["rewards/chosen", "rewards/rejected"],
  ["logps/chosen", "logps/rejected"],
  ["logits/chosen", "logits/rejected"],
  ["min_reward", "mean_reward", "max_reward"],
  ["completions/min_length", "completions/mean_length", "completions/max_length"],
];
const tones = ["first", "second", "third"] as const;

/** What the objective says besides its loss, and what was measured on what is held out. */
export function metricCharts(events: readonly TrainEvent[]): string {
  const names = metricNames(events);
  const groups = together.map((group) => group.filter((name) => names.includes(name)));
  const charts = names.flatMap((name) => {
    const group = groups.find((one) => one.length > 1 && one.includes(name));
    if (group && group[0] !== name) return []; // it stands where the first of them does
    return [group ? groupChart(group, events) : metricChart(name, events)];
  });
  return `${chosenNote(events)}${besideEachOther(charts)}`;
}

/** Nats per answer: less than that is not worth a line. */
const FALLEN = 1;

/** What people ask about preference losses: why do chosen answers become less likely? */
function chosenNote(events: readonly TrainEvent[]): string {
  const { points } = curvesOf(events)("", "first", (e) => e.metrics?.["logps/chosen"] ?? NaN);
  const smoothed = smooth(points);
  const fallen = (smoothed[0]?.[1] ?? 0) - (smoothed.at(-1)?.[1] ?? 0);
  if (fallen < FALLEN) return "";
  return (
    `<p class="about">Chosen answers have become less likely, by ${fallen.toFixed(1)} nats each. ` +
    "That is no fault by itself: what is learnt is the margin to rejected answers (rewards/margins). " +
    "Where chosen answers should stay likely, give them a loss of their own: <code>nll</code> " +
    "in the block.</p>"
  );
}

const metricNames = (events: readonly TrainEvent[]): string[] => [
  ...new Set(
    events.flatMap((e) => (e.kind === "step" || e.kind === "eval" ? Object.keys(e.metrics ?? {}) : [])),
  ),
];

function metricChart(name: string, events: readonly TrainEvent[]): string {
  const faint = curvesOf(events)("each step", "faint", (e) => e.metrics?.[name] ?? NaN);
  const curves: Curve[] = [
    faint,
    { name: "smoothed", tone: "first", points: smooth(faint.points) },
    { name: "held out", tone: "second", points: heldOut(name, events), marks: "dots" },
  ];
  return chart(escapeHtml(name), notEmpty(curves), { height: SMALL, unit: "as logged" });
}

/** Smoothed lines of each, and dots of what was held out in the same colour. */
function groupChart(names: readonly string[], events: readonly TrainEvent[]): string {
  const [first] = names;
  const before = first!.includes("/") ? `${first!.split("/")[0]}/` : "";
  const behind = names.every((name) => name.endsWith("_length")) ? "_length" : "";
  const shorts = names.map((name) => name.slice(before.length, name.length - behind.length));
  const of = curvesOf(events);
  const curves = names.flatMap((name, i): Curve[] => {
    const tone = tones[i]!;
    const line = smooth(of(name, tone, (e) => e.metrics?.[name] ?? NaN).points);
    const dots = heldOut(name, events);
    return [
      { name: shorts[i]!, tone, points: line },
      { name: line.length > 0 ? "" : shorts[i]!, tone, points: dots, marks: "dots" },
    ];
  });
  const unit = "as logged, smoothed; dots: held out";
  return chart(`${before}${shorts.join(", ")}${behind}`, notEmpty(curves), { height: SMALL, unit });
}

/** The evaluations of a run, one for each step. */
export const evaluationsOf = (events: readonly TrainEvent[]): EvaluationEvent[] => [
  ...new Map(events.flatMap((e) => (e.kind === "eval" ? [[e.step, e] as const] : []))).values(),
];

const heldOut = (name: string, events: readonly TrainEvent[]): Curve["points"] =>
  evaluationsOf(events).flatMap(({ step, metrics }) =>
    metrics?.[name] === undefined ? [] : [[step, metrics[name]] as const],
  );

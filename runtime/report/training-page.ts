/** report.html: a run's curves on one page that needs nothing else. Light or dark, as the reader has it. */
import type { StepEvent, TrainEvent } from "../train/events.ts";
import { chart, type Curve } from "./chart.ts";
import { escapeHtml, htmlPage } from "./markup.ts";
import { loadMap } from "./load-map.ts";
import { counted, duration, rateText, thousands } from "../contract/amounts.ts";
import { pageStyle } from "./page-style.ts";
import { latest, smooth } from "./smooth.ts";
import { shrink } from "./sparkline.ts";

export interface ReportFacts {
  readonly model: string;
  readonly parameters: number;
  readonly target: string;
  readonly workers: number;
  readonly data: string;
  readonly steps: number;
}

/** Of a curve: more would not be seen. */
const POINTS = 600;
const SMALL = 190;

export function htmlReport(facts: ReportFacts, events: readonly TrainEvent[]): string {
  const steps = events.filter((e) => e.kind === "step");
  const samples = events.filter((e) => e.kind === "sample");
  const of = (name: string, tone: Curve["tone"], value: (e: StepEvent) => number): Curve => ({
    name,
    tone,
    points: zip(
      shrink(
        steps.map((e) => e.step),
        POINTS,
      ),
      shrink(steps.map(value), POINTS),
    ),
  });
  const rate = { height: SMALL, fromZero: true, unit: "tokens per second" };
  return page(
    facts,
    [
      numbersOf(facts, events),
      chart("Loss", lossCurves(events, of), {
        height: 320,
        unit: steps.some((e) => e.metrics) ? "of the objective" : "nats per token",
      }),
      ...metricCharts(events, of),
      `<div class="pair">`,
      chart("Learning rate", [of("learning rate", "first", (e) => e.lr)], {
        height: SMALL,
        fromZero: true,
        unit: "of each update",
      }),
      chart("Gradient norm", [of("gradient norm", "third", (e) => e.norm)], {
        height: SMALL,
        fromZero: true,
        unit: "before clipping",
      }),
      `</div>`,
      ...expertSections(events, of),
      chart("Speed", [of("speed", "second", (e) => e.tokensPerSecond)], rate),
      ...(samples.length === 0 ? [] : ["<h2>Samples</h2>", ...samples.slice(-6).reverse().map(sampleFigure)]),
    ].join("\n"),
  );
}

type CurveOf = (name: string, tone: Curve["tone"], value: (e: StepEvent) => number) => Curve;

/**
 * Evaluations over windows are a line; those over all of the held-out part are another measure, and stand
 * apart.
 */
function lossCurves(events: readonly TrainEvent[], of: CurveOf): Curve[] {
  const evals = events.filter((e) => e.kind === "eval");
  const points = (whole: boolean): Curve["points"] =>
    evals.filter((e) => e.whole === whole).map((e) => [e.step, e.loss] as const);
  const faint = of("each step", "faint", (e) => e.loss);
  const curves: Curve[] = [
    faint,
    { name: "training, smoothed", tone: "first", points: smooth(faint.points) },
    { name: "validation, windows", tone: "second", points: points(false), marks: "dots" },
    { name: "validation, all of it", tone: "third", points: points(true), marks: "rings" },
  ];
  return curves.filter((c) => c.points.length > 0);
}

/** What the objective says besides its loss, and what was measured on what is held out. */
function metricCharts(events: readonly TrainEvent[], of: CurveOf): string[] {
  const evals = events.filter((e) => e.kind === "eval" && !e.whole);
  const names = new Set(
    events.flatMap((e) => (e.kind === "step" || e.kind === "eval" ? Object.keys(e.metrics ?? {}) : [])),
  );
  return [...names].map((name) => {
    const faint = of("each step", "faint", (e) => e.metrics?.[name] ?? NaN);
    const known = faint.points.filter(([, value]) => Number.isFinite(value));
    const heldOut = evals.flatMap((e) =>
      e.kind === "eval" && e.metrics?.[name] !== undefined ? [[e.step, e.metrics[name]] as const] : [],
    );
    const curves: Curve[] = [
      { ...faint, points: known },
      { name: "training, smoothed", tone: "first", points: smooth(known) },
      { name: "held out", tone: "second", points: heldOut, marks: "dots" },
    ];
    return chart(
      name,
      curves.filter((c) => c.points.length > 0),
      { height: SMALL, unit: "as logged" },
    );
  });
}

function numbersOf(facts: ReportFacts, events: readonly TrainEvent[]): string {
  const steps = events.filter((e) => e.kind === "step");
  const last = steps.at(-1);
  const measured = events.filter((e) => e.kind === "eval").at(-1);
  const seconds = steps.reduce((sum, e) => sum + e.ms, 0) / 1000;
  const over = measured?.whole ? "over all of it" : "over windows";
  const speed =
    last && rateText(((last.tokens / Math.max(1, last.step)) * steps.length) / seconds).split(" ");
  const numbers: readonly (readonly [name: string, value: string | undefined, about: string])[] = [
    ["step", last && thousands(last.step), `of ${thousands(facts.steps)}`],
    ["training loss", latest(steps.map((e) => e.loss))?.toFixed(4), "smoothed"],
    ["validation loss", measured?.loss.toFixed(4), over],
    ["bits per byte", measured?.bitsPerByte?.toFixed(3), over],
    ["speed", speed?.[0], speed?.[1] ?? ""],
    ["time", last && duration(seconds), "in steps"],
  ];
  const cards = numbers.map(
    ([name, value, about]) =>
      `<div><dt>${name}</dt><dd>${value ?? "–"}<small>${value ? about : ""}</small></dd></div>`,
  );
  return `<dl class="numbers">${cards.join("")}</dl>`;
}

const sampleFigure = ({ step, prompt, text }: TrainEvent & { readonly kind: "sample" }): string =>
  `<figure><figcaption>step ${step}</figcaption><pre>${escapeHtml(prompt + text)}</pre></figure>`;

/** Of models with experts: their balance over the run, and the division of the last stretch. */
function expertSections(events: readonly TrainEvent[], of: CurveOf): string[] {
  const loads = new Map(events.flatMap((e) => (e.kind === "experts" ? [[e.name, e] as const] : [])));
  if (loads.size === 0) return [];
  return [
    `<div class="pair">`,
    chart("Load-balancing loss", [of("load-balancing loss", "third", (e) => e.balance ?? NaN)], {
      height: SMALL,
      unit: "nats per token, in the objective",
    }),
    chart("Most loaded expert", [of("most loaded expert", "second", (e) => e.overload ?? NaN)], {
      height: SMALL,
      unit: "1 = an even share",
    }),
    `</div>`,
    ...[...loads.values()].map(loadMap),
  ];
}

const zip = (a: readonly number[], b: readonly number[]): (readonly [number, number])[] =>
  a.map((x, i) => [x, b[i]!] as const);

function page(facts: ReportFacts, body: string): string {
  const about = [
    `${thousands(facts.parameters)} parameters`,
    facts.data,
    `target ${facts.target}`,
    counted(facts.workers, "worker"),
  ];
  return htmlPage({
    title: `${facts.model} · training report`,
    heading: facts.model,
    about: about.join(" · "),
    style: pageStyle,
    body,
  });
}

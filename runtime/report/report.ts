/** report.html: a run's curves on one page that needs nothing else. Light or dark, as the reader has it. */
import type { StepEvent, TrainEvent } from "../train.ts";
import { chart, type Curve } from "./chart.ts";
import { escapeHtml } from "./escape.ts";
import { loadMap } from "./load-map.ts";
import { duration, thousands } from "./amounts.ts";
import { shrink } from "./sparkline.ts";

export interface ReportFacts {
  readonly model: string;
  readonly parameters: number;
  readonly target: string;
  readonly workers: number;
  readonly data: string;
  readonly steps: number;
}

const POINTS = 600;

export function htmlReport(facts: ReportFacts, events: readonly TrainEvent[]): string {
  const steps = events.filter((e) => e.kind === "step"), evals = events.filter((e) => e.kind === "eval"), samples = events.filter((e) => e.kind === "sample");
  const last = steps.at(-1), best = evals.at(-1);
  const of = (name: string, tone: Curve["tone"], value: (e: (typeof steps)[number]) => number): Curve =>
    ({ name, tone, points: zip(shrink(steps.map((e) => e.step), POINTS), shrink(steps.map(value), POINTS)) });
  const losses: Curve[] = [
    of("each step", "faint", (e) => e.loss),
    { name: "training", tone: "first", points: smooth(of("", "first", (e) => e.loss).points) },
    { name: "validation", tone: "second", points: evals.map((e) => [e.step, e.loss] as const), dots: true },
  ];
  const seconds = steps.reduce((sum, e) => sum + e.ms, 0) / 1000;
  const numbers: readonly (readonly [string, string])[] = [
    ["step", last ? `${last.step} / ${facts.steps}` : "–"],
    ["loss", smooth(losses[0]!.points).at(-1)?.[1].toFixed(4) ?? "–"],
    ["validation", best?.loss.toFixed(4) ?? "–"],
    ["bits per byte", best?.bitsPerByte.toFixed(3) ?? "–"],
    ["tokens per second", last ? thousands((last.tokens / Math.max(1, last.step)) * steps.length / seconds) : "–"],
    ["time in steps", duration(seconds)],
  ];
  return page(facts, [
    `<dl class="numbers">${numbers.map(([k, v]) => `<div><dt>${k}</dt><dd>${v}</dd></div>`).join("")}</dl>`,
    chart("Loss, nats per token", losses, { height: 320 }),
    `<div class="pair">`,
    chart("Learning rate", [of("learning rate", "first", (e) => e.lr)], { height: 190, fromZero: true }),
    chart("Gradient norm", [of("gradient norm", "third", (e) => e.norm)], { height: 190, fromZero: true }),
    `</div>`,
    ...expertSections(events, of),
    chart("Tokens per second", [of("tokens per second", "second", (e) => e.tokensPerSecond)], { height: 160, fromZero: true }),
    ...(samples.length === 0 ? [] : ["<h2>Samples</h2>", ...samples.slice(-6).reverse().map((s) => `<figure><figcaption>step ${s.step}</figcaption><pre>${escapeHtml(s.prompt + s.text)}</pre></figure>`)]),
  ].join("\n"));
}

/** Of models with experts: their balance over the run, and the division of the last stretch. */
function expertSections(events: readonly TrainEvent[], of: (name: string, tone: Curve["tone"], value: (e: StepEvent) => number) => Curve): string[] {
  const loads = new Map(events.flatMap((e) => (e.kind === "experts" ? [[e.name, e] as const] : [])));
  if (loads.size === 0) return [];
  return [
    `<div class="pair">`,
    chart("Load-balancing loss in the objective", [of("load-balancing loss", "third", (e) => e.balance ?? NaN)], { height: 190 }),
    chart("Most loaded expert, 1 = an even share", [of("most loaded expert", "second", (e) => e.overload ?? NaN)], { height: 190 }),
    `</div>`,
    ...[...loads.values()].map(loadMap),
  ];
}

const zip = (a: readonly number[], b: readonly number[]): (readonly [number, number])[] => a.map((x, i) => [x, b[i]!] as const);

/** Exponential moving average, with the start's bias taken out (Kingma & Ba 2015). */
function smooth(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const keep = Math.exp(-8 / Math.max(8, points.length * 0.1));
  let mean = 0, weight = 0;
  return points.map(([x, y]) => {
    mean = keep * mean + (1 - keep) * y;
    weight = keep * weight + (1 - keep);
    return [x, mean / weight] as const;
  });
}

const page = (facts: ReportFacts, body: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(facts.model)} · training report</title>
<style>
  :root { color-scheme: light dark; --paper: #fbfaf8; --ink: #1d2128; --soft: #6b7280; --line: #e4e1da; --card: #ffffff; --first: #2f6fdd; --second: #d9622b; --third: #2a9d74; --faint: #2f6fdd38; }
  @media (prefers-color-scheme: dark) { :root { --paper: #14161a; --ink: #e8e6e1; --soft: #969ca8; --line: #2b2f37; --card: #1b1e24; --first: #6ea3ff; --second: #ff9a66; --third: #5fd0a6; --faint: #6ea3ff40; } }
  body { margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
  h1 { font-size: 1.7rem; margin: 0; letter-spacing: -.02em; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
  .about { color: var(--soft); margin: .25rem 0 1.5rem; }
  .numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 0 0 1rem; }
  .numbers div, figure, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .7rem 1rem; }
  dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
  section { margin: 1rem 0; } section h2 { margin: 0 0 .4rem; font-size: .95rem; } .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 0 1rem; }
  svg { display: block; width: 100%; height: auto; overflow: visible; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
  .grid { stroke: var(--line); } .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  .key { display: inline-block; margin-left: 1rem; font-weight: normal; font-size: .8rem; color: var(--soft); } .key i { display: inline-block; width: .9em; height: .22em; border-radius: 1em; vertical-align: .25em; margin-right: .4em; }
  figure { margin: .75rem 0; } figcaption { color: var(--soft); font-size: .8rem; } pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0 0; font: 13px/1.5 ui-monospace, monospace; }
</style>
<h1>${escapeHtml(facts.model)}</h1>
<p class="about">${thousands(facts.parameters)} parameters · ${escapeHtml(facts.data)} · target ${escapeHtml(facts.target)} · ${facts.workers} worker${facts.workers === 1 ? "" : "s"}</p>
${body}
</html>
`;

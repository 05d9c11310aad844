/** report.html: a run's curves on one page that needs nothing else. Light or dark, as the reader has it. */
import type { TrainEvent } from "../train/events.ts";
import { boundCharts } from "./bounds.ts";
import {
  chainCards,
  earlierStages,
  headlines,
  isJudgedByLoss,
  type ReportStage,
  type StageFacts,
} from "./chain.ts";
import { chart } from "./chart.ts";
import { escapeHtml, htmlPage, scrolled, type PageScript } from "./markup.ts";
import { loadMap } from "./load-map.ts";
import { counted, duration, rateText, thousands } from "../contract/amounts.ts";
import { pageStyle } from "./page-style.ts";
import { besideEachOther, curvesOf, lossChart, metricCharts, SMALL, type CurveOf } from "./run-curves.ts";
import { samplesSection } from "./samples.ts";
import { latest } from "./smooth.ts";
import { tokenRate } from "./speed.ts";

export interface ReportFacts extends StageFacts {
  /** Undefined: the files that say it are damaged. */
  readonly parameters: number | undefined;
  readonly target: string | undefined;
  /** Threads of the training; undefined: it is over, and they changed nothing in it. */
  readonly workers?: number | undefined;
  /** Of rl: what a nat of divergence costs, where that stays the same. */
  readonly kl?: number | undefined;
  /** All that decides its numbers, by name. */
  readonly settings?: ReadonlyMap<string, string> | undefined;
}

/**
 * `earlier`: the stages that have led here, the oldest first. `live`: the script of a page that follows the
 * run (watch-script.ts), from the server that it comes from.
 */
export function htmlReport(
  facts: ReportFacts,
  events: readonly TrainEvent[],
  earlier: readonly ReportStage[] = [],
  live?: PageScript,
): string {
  const of = curvesOf(events);
  const small = { height: SMALL, fromZero: true };
  return page(
    facts,
    live,
    [
      live ? `<p class="about" id="live" role="status">follows the run</p>` : "",
      chainCards([...earlier, { facts, events }]),
      numbersOf(facts, events),
      ...(isJudgedByLoss(facts.stage) ? [lossChart(events)] : []),
      boundCharts(events, facts.kl),
      metricCharts(events),
      ...(isJudgedByLoss(facts.stage) ? [] : [lossChart(events)]),
      besideEachOther([
        chart("Learning rate", [of("learning rate", "first", (e) => e.lr)], {
          ...small,
          unit: "of each update",
        }),
        chart("Gradient norm", [of("gradient norm", "third", (e) => e.norm)], {
          ...small,
          unit: "before clipping",
        }),
      ]),
      ...expertSections(events, of),
      chart("Speed", [of("speed", "second", (e) => e.tokensPerSecond)], {
        ...small,
        unit: "tokens per second",
      }),
      samplesSection(events),
      earlierStages(earlier),
      settingsSection(facts.settings),
    ]
      .filter((part) => part !== "")
      .join("\n"),
  );
}

type Card = readonly [name: string, value: string | undefined, about: string];

function numbersOf(facts: ReportFacts, events: readonly TrainEvent[]): string {
  const steps = events.filter((e) => e.kind === "step");
  const last = steps.at(-1);
  const measured = events.filter((e) => e.kind === "eval").at(-1);
  const seconds = steps.reduce((sum, e) => sum + e.ms, 0) / 1000;
  const over = measured?.whole ? "over all of it" : "over windows";
  const rate = tokenRate(events);
  const speed = rate === undefined ? undefined : rateText(rate).split(" ");
  const metric = headlines[facts.stage];
  const value = metric && measured?.metrics?.[metric];
  const losses: readonly Card[] = [
    ["training loss", latest(steps.map((e) => e.loss))?.toFixed(4), "smoothed"],
    ["validation loss", measured?.loss?.toFixed(4), over],
  ];
  const numbers: readonly Card[] = [
    ["step", last && thousands(last.step), `of ${thousands(facts.steps)}`],
    ...(isJudgedByLoss(facts.stage) ? losses : []),
    ...(metric && value !== undefined ? [[metric, Number(value).toFixed(4), "held out"] as const] : []),
    ...(facts.stage === "train" ? [["bits per byte", measured?.bitsPerByte?.toFixed(3), over] as const] : []),
    ["speed", speed?.[0], speed?.[1] ?? ""],
    ["time", last && duration(seconds), "in steps"],
  ];
  const cards = numbers.map(
    ([name, value, about]) =>
      `<div><dt>${name}</dt><dd>${value ?? "–"}<small>${value ? about : ""}</small></dd></div>`,
  );
  return `<dl class="numbers">${cards.join("")}</dl>`;
}

/** Of models with experts: their balance over the run, and the division of the last stretch. */
function expertSections(events: readonly TrainEvent[], of: CurveOf): string[] {
  const loads = new Map(events.flatMap((e) => (e.kind === "experts" ? [[e.name, e] as const] : [])));
  if (loads.size === 0) return [];
  const balance = [
    chart("Load-balancing loss", [of("load-balancing loss", "third", (e) => e.balance ?? NaN)], {
      height: SMALL,
      unit: "nats per token, in the objective",
    }),
    chart("Most loaded expert", [of("most loaded expert", "second", (e) => e.overload ?? NaN)], {
      height: SMALL,
      unit: "1 = an even share",
    }),
  ];
  return [besideEachOther(balance), ...[...loads.values()].map(loadMap)];
}

/** What somebody needs who wants the same numbers. */
function settingsSection(settings: ReportFacts["settings"]): string {
  if (!settings) return "";
  const rows = [...settings].map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return (
    `<h2>How it was made</h2><p class="about">The same text, settings and wasm give these numbers to the ` +
    `last digit, with any number of threads.</p>` +
    `<details><summary>Settings, and hashes of text and wasm</summary>` +
    `${scrolled("settings", `<table class="settings">${rows.join("")}</table>`)}</details>`
  );
}

function page(facts: ReportFacts, live: PageScript | undefined, body: string): string {
  const about = [
    ...(facts.parameters === undefined ? [] : [`${thousands(facts.parameters)} parameters`]),
    facts.data,
    ...(facts.target === undefined ? [] : [`target ${facts.target}`]),
    ...(facts.workers === undefined ? [] : [counted(facts.workers, "worker")]),
  ];
  return htmlPage({
    title: `${facts.model} · training report`,
    heading: facts.model,
    about: about.join(" · "),
    style: pageStyle,
    body,
    script: live,
    isLive: live !== undefined,
  });
}

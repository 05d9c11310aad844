/**
 * compare.html: runs beside each other. Their curves over each other, the settings in which they differ,
 * until which step they are the same, and what they say.
 */
import { counted, duration, rateText, thousands } from "../../contract/amounts.ts";
import { LOSS, SPEED, TRAIN_LOSS, WHOLE_LOSS, figureNames } from "../log-rows.ts";
import { escapeHtml, htmlPage, jsonBlock, scrolled, type PageScript } from "../markup.ts";
import { pageStyle } from "../page-style.ts";
import { shrink } from "../sparkline.ts";
import { compareStyle } from "./compare-style.ts";
import type { ComparedRun } from "./compared-run.ts";
import { commonText, damageTexts, differingSettings } from "./differences.ts";
import { COLOURS, figureChart, firstView, toneOf, type Figure, type Point } from "./figures.ts";
import { samplesBeside } from "./samples-beside.ts";
import { summaryOf } from "./summary.ts";

/** Without a script the page shows its first view. */
export function comparePage(runs: readonly ComparedRun[], script?: PageScript): string {
  const figures = figuresOf(runs);
  const names = runs.map(({ name }) => name);
  return htmlPage({
    title: `${names.join(", ")} · comparison`,
    heading: counted(runs.length, "run"),
    about: [...new Set(runs.map(({ facts }) => facts.model))].join(", "),
    style: pageStyle + compareStyle,
    body: [
      runsTable(runs),
      ...notes(runs),
      commonList(runs),
      controls,
      ...figureSections(figures, runs.length),
      settingsTable(runs),
      samplesBeside(runs),
      jsonBlock("data", { names, figures }),
    ]
      .filter((part) => part !== "")
      .join("\n"),
    script,
  });
}

/** Of a curve: more would not be seen. */
const POINTS = 600;
/** Numbers of an evaluation begin so; those of each step do not. */
const MEASURED = /^(val|val_all)\/|^eval_/;
/** Say nothing as a curve, or are an axis. */
const notDrawn = new Set(["tokens", WHOLE_LOSS, "val_all/perplexity", "val_all/bits_per_byte"]);
const units: Readonly<Record<string, string>> = {
  [TRAIN_LOSS]: "of each step",
  [LOSS]: "over windows of the held-out part",
  lr: "of each update",
  grad_norm: "before clipping",
  [SPEED]: "tokens per second",
};

function figuresOf(runs: readonly ComparedRun[]): Figure[] {
  const names = figureNames(runs.flatMap(({ rows }) => rows)).filter((name) => !notDrawn.has(name));
  return names.map((name) => ({
    title: escapeHtml(name),
    unit: units[name] ?? "as logged",
    isLarge: name === TRAIN_LOSS || name === LOSS,
    isMeasured: MEASURED.test(name),
    isNoisy: !MEASURED.test(name) && name !== "lr",
    runs: runs.map((run) => pointsOf(run, name)),
  }));
}

function pointsOf({ rows }: ComparedRun, name: string): Point[] {
  const all = rows.flatMap(({ step, tokens, seconds, figures }) => {
    const value = figures.get(name);
    return value === undefined ? [] : [[step, tokens, Number(seconds.toPrecision(6)), value] as const];
  });
  if (all.length <= POINTS) return all;
  const column = (i: 0 | 1 | 2 | 3): number[] =>
    shrink(
      all.map((point) => point[i]),
      POINTS,
    ).map((value) => Number(value.toPrecision(7)));
  const [steps, tokens, seconds, values] = [column(0), column(1), column(2), column(3)];
  return steps.map((step, i) => [step, tokens[i]!, seconds[i]!, values[i]!] as const);
}

/** Large charts one below the other, small ones beside each other. */
function figureSections(figures: readonly Figure[], runs: number): string[] {
  const view = firstView(runs);
  const place = (figure: Figure): string =>
    `<div data-figure="${figures.indexOf(figure)}">${figureChart(figure, view)}</div>`;
  const small = figures.filter(({ isLarge }) => !isLarge).map(place);
  const large = figures.filter(({ isLarge }) => isLarge).map(place);
  return [...large, small.length === 0 ? "" : `<div class="pair">${small.join("")}</div>`];
}

const controls =
  `<form id="view"><fieldset><legend>Below the charts</legend>` +
  `<label><input type="radio" name="axis" value="step" checked> step</label>` +
  `<label><input type="radio" name="axis" value="tokens"> tokens</label>` +
  `<label><input type="radio" name="axis" value="time"> time of training</label></fieldset>` +
  `<label>smoothing <input type="range" name="smoothing" min="0" max="50" value="10"> ` +
  `<output>10 %</output></label>` +
  `<label><input type="checkbox" name="logarithmic"> logarithmic</label></form>`;

const head = (cells: readonly string[]): string =>
  `<thead><tr>${cells.map((cell) => `<th scope="col">${cell}</th>`).join("")}</tr></thead>`;

function runsTable(runs: readonly ComparedRun[]): string {
  const summaries = runs.map(summaryOf);
  const isJudged = summaries.some(({ headline }) => headline);
  const columns = ["run", "step", "best val loss", "val loss, all of it", "tok/s", "time", "tokens"];
  const rows = runs.map((run, i) => {
    const s = summaries[i]!;
    const loss = s.bestLoss ? `${s.bestLoss.value.toFixed(4)}<small>step ${s.bestLoss.step}</small>` : "–";
    const judged = s.headline
      ? `${s.headline.value.toFixed(4)}<small>${escapeHtml(s.headline.name)}</small>`
      : "–";
    return [
      `${thousands(s.step)}<small>${stateText(run)}</small>`,
      loss,
      s.wholeLoss?.toFixed(4) ?? "–",
      s.tokensPerSecond === undefined ? "–" : rateText(s.tokensPerSecond).replace(" tok/s", ""),
      duration(s.seconds),
      thousands(s.tokens),
      ...(isJudged ? [judged] : []),
    ];
  });
  const lines = rows.map(
    (cells, i) =>
      `<tr><th scope="row">${toggle(runs[i]!, i)}</th>${cells.map((c) => `<td>${c}</td>`).join("")}</tr>`,
  );
  const top = head([...columns, ...(isJudged ? ["held out"] : [])]);
  return scrolled("runs", `<table class="runs">${top}<tbody>${lines.join("")}</tbody></table>`);
}

const toggle = ({ name, facts }: ComparedRun, i: number): string =>
  `<label><input type="checkbox" name="run" checked><i class="swatch ${`dash-${Math.floor(i / COLOURS)}`}" ` +
  `style="--tone:var(--${toneOf(i)})"></i>${escapeHtml(name)}</label>` +
  `<small>${escapeHtml(`${facts.stage} ${facts.model}`)}</small>`;

const stateText = ({ state, facts }: ComparedRun): string =>
  state === "done" ? "done" : `of ${thousands(facts.steps)}, ${state === "began" ? "not begun" : state}`;

/** What is missing, and why. */
function notes(runs: readonly ComparedRun[]): string[] {
  const isEvaluated = ({ rows }: ComparedRun): boolean =>
    rows.some(({ figures }) => [...figures.keys()].some((name) => MEASURED.test(name)));
  const said = runs.flatMap((run) => {
    if (run.rows.length === 0) return [`${run.name}: it has made no step yet`];
    return isEvaluated(run) ? [] : [`${run.name}: it was never evaluated on what is held out`];
  });
  return [...damageTexts(runs), ...said].map((line) => `<p class="about">${escapeHtml(line)}.</p>`);
}

function commonList(runs: readonly ComparedRun[]): string {
  const [first, ...others] = runs;
  const lines = others.map((run) => `<li>${escapeHtml(commonText(first!, run))}</li>`);
  return `<ul class="common">${lines.join("")}</ul>`;
}

function settingsTable(runs: readonly ComparedRun[]): string {
  const rows = differingSettings(runs).map(
    ({ name, values }) =>
      `<tr><th scope="row">${escapeHtml(name)}</th>` +
      `${values.map((value) => `<td>${value === undefined ? "–" : escapeHtml(value)}</td>`).join("")}</tr>`,
  );
  if (rows.length === 0) return `<h2>Settings</h2><p class="about">All settings are the same.</p>`;
  const top = head(["setting", ...runs.map(({ name }) => escapeHtml(name))]);
  const table = `<table class="settings">${top}<tbody>${rows.join("")}</tbody></table>`;
  return `<h2>Settings that differ</h2>${scrolled("settings that differ", table)}`;
}

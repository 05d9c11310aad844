/** What solving leaves to choose from: a table with what binds each line, and the same for programs. */
import { percent, sizeText, thousands } from "../../runtime/contract/amounts.ts";
import { amountText, dollarsText } from "./amounts.ts";
import { degreesText } from "./plan-text.ts";
import type { TrainingPlan } from "./plan.ts";
import { decodeRate, lossOf, shortLimits, type Axis, type Choice } from "./solve.ts";

/** What was solved for: sizes along an axis, or ways to spread one model. */
export type Goal = Axis | "parallel";

type Column = readonly [name: string, of: (plan: TrainingPlan) => string];

const money: Column = ["money", ({ run }) => (run.dollars ? dollarsText(run.dollars[1]) : "")];
const memory: Column = [
  "memory",
  ({ memory: { bytes }, settings: { card } }) => `${sizeText(bytes)} ${percent(bytes / card.memory.value)}`,
];

const sizeColumns = (axis: Axis): readonly Column[] => [
  [axis, ({ costs }) => thousands(costs.model.sizes[axis])],
  ["parameters", ({ costs }) => amountText(costs.parameters)],
  ["loss", (plan) => lossOf(plan).toFixed(3)],
  memory,
  ["device hours", ({ run }) => amountText(run.hours)],
  ["days", ({ run }) => amountText(run.days)],
  money,
  ["writes tok/s", (plan) => amountText(decodeRate(plan))],
];
const spreadColumns: readonly Column[] = [
  ["spread", ({ settings }) => degreesText(settings)],
  ["micro-batches", ({ settings: { micro, accumulation } }) => `${accumulation} × ${micro}`],
  ["recompute", ({ settings }) => settings.recompute],
  memory,
  ["tok/s", ({ tokensPerSecond }) => amountText(tokensPerSecond)],
  ["MFU causal", ({ mfu }) => percent(mfu.causal, 1)],
  ["days", ({ run }) => amountText(run.days)],
  money,
];

export interface ChoiceTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A column that no line has anything in is left out. */
export function choiceTable(choices: readonly Choice[], goal: Goal): ChoiceTable {
  const all = goal === "parallel" ? spreadColumns : sizeColumns(goal);
  const shown = all.filter(([, of]) => choices.some(({ plan }) => of(plan) !== ""));
  return {
    head: [...shown.map(([name]) => name), "bound by"],
    rows: choices.map((choice) => [...shown.map(([, of]) => of(choice.plan)), boundText(choice)]),
  };
}

const BLOCKS = 10;

/** "money █████████· 93 %", "memory ██████████ 104 %: too much". */
function boundText({ bound: { by, share }, isWithin }: Choice): string {
  const filled = Math.min(BLOCKS, Math.round(BLOCKS * share));
  const bar = "█".repeat(filled) + "·".repeat(BLOCKS - filled);
  return `${bar} ${percent(share)} ${nameOf(by)}${isWithin ? "" : ": too much"}`;
}

const nameOf = (by: string): string =>
  Object.hasOwn(shortLimits, by) ? shortLimits[by as keyof typeof shortLimits] : by;

/** With an arrow before the line that is the answer. */
export function choicesText(choices: readonly Choice[], goal: Goal, answer: TrainingPlan): string {
  const { head, rows } = choiceTable(choices, goal);
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
  const line = (mark: string, cells: readonly string[]): string =>
    `${mark} ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join("  ")}`.trimEnd();
  return [
    line(" ", head),
    ...rows.map((row, i) => line(isSame(choices[i]!.plan, answer) ? "→" : " ", row)),
    "",
  ].join("\n");
}

/** The same sizes, spread in the same way. */
const isSame = (a: TrainingPlan, b: TrainingPlan): boolean =>
  a.memory.bytes === b.memory.bytes && a.tokensPerSecond === b.tokensPerSecond;

/** In base units; `within` is false of the nearest that breaks a limit. */
export const choicesJson = (choices: readonly Choice[]): readonly object[] =>
  choices.map(({ plan, bound, isWithin }) => {
    const { costs, settings, memory: held, run, mfu, tokensPerSecond } = plan;
    const { tensor, pipeline, context, expert, shard, micro, accumulation, recompute } = settings;
    return {
      sizes: costs.model.sizes,
      parameters: costs.parameters,
      loss: lossOf(plan),
      degrees: { tensor, pipeline, context, expert, shard },
      micro,
      accumulation,
      recompute,
      memory_bytes: held.bytes,
      tokens_per_second: tokensPerSecond,
      mfu,
      hours: run.hours,
      days: run.days,
      dollars: run.dollars ?? null,
      decode_rate: decodeRate(plan),
      bound_by: bound,
      within: isWithin,
    };
  });

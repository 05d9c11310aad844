/** Plans side by side: what they have in common stands in rows, each plan in a column. */
import { percent, sizeText, thousands, timeText } from "../../runtime/contract/amounts.ts";
import { amountText, dollarsText, energyText, flopsText } from "./amounts.ts";
import { degreesText } from "./plan-text.ts";
import type { Accelerator } from "./tables/hardware.ts";
import { servingOf, stepTokens, type TrainingPlan } from "./plan.ts";

export interface NamedPlan {
  readonly name: string;
  readonly plan: TrainingPlan;
}

const GIGA = 1e9;
/** The row that is left out where all devices are the table's. */
const FIGURES = "figures of the devices";

/** THE table of what is compared. */
const rows: readonly (readonly [name: string, of: (plan: TrainingPlan) => string])[] = [
  ["model", ({ costs }) => costs.model.name],
  ["parameters", ({ costs }) => amountText(costs.parameters)],
  ["used by a token", ({ costs }) => amountText(costs.activeParameters)],
  ["tokens", ({ run }) => amountText(run.tokens)],
  ["6·N·D", ({ run }) => flopsText(run.sixND)],
  ["GFLOP a token, causal", ({ flops }) => amountText(flops.causal / GIGA)],
  ["devices", ({ settings: { devices, card } }) => `${thousands(devices)} ${card.name}`],
  [FIGURES, ({ settings: { card } }) => figuresOf(card)],
  ["spread", ({ settings }) => degreesText(settings)],
  ["tokens of a step", ({ settings }) => amountText(stepTokens(settings))],
  ["memory", ({ memory, fits }) => `${sizeText(memory.bytes)}, ${fits}`],
  ["time of a step", (plan) => timeText((1000 * stepTokens(plan.settings)) / plan.tokensPerSecond)],
  ["tok/s of a device", ({ tokensPerSecond, settings }) => thousands(tokensPerSecond / settings.devices)],
  ["MFU causal", ({ mfu }) => percent(mfu.causal, 1)],
  ["MFU full", ({ mfu }) => percent(mfu.full, 1)],
  ["device hours", ({ run }) => amountText(run.hours)],
  ["days", ({ run }) => amountText(run.days)],
  ["money", ({ run }) => [...new Set(run.dollars ?? [])].map(dollarsText).join(" to ") || "no price"],
  ["energy", ({ run }) => energyText(run.energy)],
  ["cache of a token", (plan) => sizeText(servingOf(plan).one.cacheBytes)],
  ["one text is written at", (plan) => decodeText(plan)],
];

/** The table's, or the spec's. */
const figuresOf = ({ own }: Accelerator): string => {
  if (!own) return "of the table";
  return own.like ? `as ${own.like}; own: ${own.fields.join(", ") || "none"}` : "of the spec";
};

function decodeText(plan: TrainingPlan): string {
  const { devices, one } = servingOf(plan);
  return devices === 0 ? "no node holds it" : `${amountText(one.decodeRate)} tok/s on ${devices}`;
}

/** A table with a line for each row, and the plans' names above. */
export function comparedText(plans: readonly NamedPlan[]): string {
  const hasOwn = plans.some(({ plan }) => plan.settings.card.own);
  const shown = rows.filter(([name]) => hasOwn || name !== FIGURES);
  const cells = [
    ["", ...plans.map(({ name }) => name)],
    ...shown.map(([name, of]) => [name, ...plans.map(({ plan }) => of(plan))]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n${misfitLines(plans).join("")}`;
}

const misfitLines = (plans: readonly NamedPlan[]): string[] =>
  plans.flatMap(({ name, plan: { misfits } }) =>
    misfits.map(({ message, help }) => `${name} does not divide: ${message}; ${help}\n`),
  );

/** What was published of a model's training, and what follows from its graph, side by side. */
import { percent } from "../../runtime/contract/amounts.ts";
import { amountText, dollarsText, flopsText } from "./amounts.ts";
import type { ModelCosts } from "./costs.ts";
import { acceleratorNamed } from "./tables/hardware.ts";
import {
  publishedRunOf,
  runFlops,
  utilisationOfHours,
  type PublishedFact,
  type PublishedRun,
} from "./published-runs.ts";

/** Undefined: nothing is known of the model. */
export function factsText(costs: ModelCosts): string | undefined {
  const run = publishedRunOf(costs.model.name);
  if (!run) return undefined;
  const { title } = acceleratorNamed(run.card)!;
  const lines = run.said.flatMap((fact) => [
    `  published  ${said(fact)}: ${fact.source}`,
    ...(fact.note ? [`             ${fact.note}`] : []),
    ...beside(costs, run, fact),
  ]);
  const flops = flopsText(runFlops(costs, run));
  const all = run.tokens === undefined ? "" : `, 6·N·D ${flops} for ${amountText(run.tokens)} tokens`;
  return [`${costs.model.name} as published: on ${title}${all}`, ...lines, ""].join("\n");
}

const said = ({ what, value }: PublishedFact): string => {
  if (what === "flops") return `${flopsText(value)} operations`;
  return what === "hours" ? `${amountText(value)} device hours` : dollarsText(value);
};

function beside(costs: ModelCosts, run: PublishedRun, { what, value }: PublishedFact): string[] {
  const flops = runFlops(costs, run);
  if (what === "flops") return [`  here       ${flopsText(flops)}, ${(flops / value).toFixed(2)} × of it`];
  if (what === "dollars") return [];
  const share = percent(utilisationOfHours(costs, run, value), 1);
  return [`  here       ${share} utilisation of the whole run, by 6·N·D`];
}

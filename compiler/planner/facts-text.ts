/**
 * What was published of a model's training, and what follows from its graph, side by side: whole runs, and
 * steps with their speed and memory.
 */
import { percent, sizeText, thousands } from "../../runtime/contract/amounts.ts";
import { amountText, dollarsText, flopsText } from "./amounts.ts";
import type { ModelCosts } from "./costs.ts";
import { degreesText } from "./plan-text.ts";
import { planTraining, type TrainingPlan } from "./plan.ts";
import { publishedSteps, stepSettings, type PublishedStep } from "./published-steps.ts";
import { acceleratorNamed } from "./tables/hardware.ts";
import {
  publishedRunOf,
  runFlops,
  utilisationOfHours,
  type PublishedFact,
  type PublishedRun,
} from "./published-runs.ts";

const GIB = 2 ** 30;

/** A published step, and what is predicted of the same. */
interface StepBeside {
  readonly step: PublishedStep;
  readonly plan: TrainingPlan;
  /** Tokens per second of one device, and GiB that PyTorch reserves. */
  readonly rate: number;
  readonly gib: number;
}

interface Facts {
  readonly run: PublishedRun | undefined;
  readonly steps: readonly StepBeside[];
}

const factsOf = (costs: ModelCosts): Facts => ({
  run: publishedRunOf(costs.model.name),
  steps: publishedSteps.filter(({ model }) => model === costs.model.name).map((step) => beside(costs, step)),
});

function beside(costs: ModelCosts, step: PublishedStep): StepBeside {
  const plan = planTraining(costs, stepSettings(costs, step));
  return { step, plan, rate: plan.tokensPerSecond / plan.settings.devices, gib: plan.memory.reserved / GIB };
}

/** Undefined: nothing is known of the model. */
export function factsText(costs: ModelCosts): string | undefined {
  const { run, steps } = factsOf(costs);
  if (!run && steps.length === 0) return undefined;
  const lines = [...(run ? runLines(costs, run) : []), ...steps.flatMap(stepLines)];
  return `${lines.join("\n")}\n`;
}

function runLines(costs: ModelCosts, run: PublishedRun): string[] {
  const { title } = acceleratorNamed(run.card)!;
  const flops = flopsText(runFlops(costs, run));
  const all = run.tokens === undefined ? "" : `, 6·N·D ${flops} for ${amountText(run.tokens)} tokens`;
  return [
    `${costs.model.name} as published: on ${title}${all}`,
    ...run.said.flatMap((fact) => [
      `  published  ${said(fact)}: ${fact.source}`,
      ...(fact.note ? [`             ${fact.note}`] : []),
      ...factHere(costs, run, fact),
    ]),
  ];
}

const said = ({ what, value }: PublishedFact): string => {
  if (what === "flops") return `${flopsText(value)} operations`;
  return what === "hours" ? `${amountText(value)} device hours` : dollarsText(value);
};

function factHere(costs: ModelCosts, run: PublishedRun, { what, value }: PublishedFact): string[] {
  const flops = runFlops(costs, run);
  if (what === "flops") return [`  here       ${flopsText(flops)}, ${(flops / value).toFixed(2)} × of it`];
  if (what === "dollars") return [];
  const share = percent(utilisationOfHours(costs, run, value), 1);
  return [`  here       ${share} utilisation of the whole run, by 6·N·D`];
}

function stepLines({ step, plan, rate, gib }: StepBeside): string[] {
  const { settings: s } = plan;
  const many = `${thousands(s.devices)} × ${s.card.title}: ${degreesText(s)}; ${s.precision}`;
  const micro = `${s.accumulation} × ${s.micro} × ${thousands(s.sequence)} tokens of a rank`;
  const ratio = (here: number, there: number): string => ` (${(here / there).toFixed(2)} ×)`;
  const rates = [step.rate, rate].map((n) => n && `${thousands(n)} tok/s of a device`);
  const sizes = [step.gib, gib].map((n) => n && sizeText(n * GIB));
  const published = [rates[0], sizes[0]].filter((text) => text !== undefined).join(", ");
  const here = [
    step.rate && `${rates[1]}${ratio(rate, step.rate)}`,
    step.gib && `${sizes[1]}${ratio(gib, step.gib)}`,
  ];
  const why = Object.values(step.differs ?? {}).map((text) => `             they differ: ${text}`);
  return [
    `a step on ${many}, recompute ${s.recompute}; ${micro}`,
    `  published  ${published}: ${step.source}`,
    `  here       ${here.filter(Boolean).join(", ")}`,
    ...why,
  ];
}

/** The same for programs. */
export const factsJson = (costs: ModelCosts): object => {
  const { run, steps } = factsOf(costs);
  return {
    model: costs.model.name,
    run: run && { ...run, six_n_d: runFlops(costs, run) },
    steps: steps.map(({ step: { card, asked, rate, gib, source, differs }, ...here }) => ({
      hardware: card,
      settings: asked,
      source,
      published: { tokens_per_second: rate, gib },
      here: { tokens_per_second: here.rate, gib: here.gib },
      differs,
    })),
  };
};

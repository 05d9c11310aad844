/**
 * The stages that have led to a run, base → sft → reward → rl: what each learnt from, how far it came, and
 * the curves of those before.
 */
import { thousands } from "../contract/amounts.ts";
import type { StepEvent, TrainEvent } from "../train/events.ts";
import { escapeHtml } from "./markup.ts";
import { evaluationsOf, lossChart, metricCharts } from "./run-curves.ts";

export interface StageFacts {
  /** The verb that made it: train, sft … */
  readonly stage: string;
  readonly model: string;
  readonly data: string;
  readonly steps: number;
  /** The step of the weights that it began with, in the stage before it. */
  readonly fromStep?: number | undefined;
  /** A reward model, whose scores are what a later stage learns from: nothing goes on with its weights. */
  readonly role?: "judge" | undefined;
}

/**
 * Of policy gradients the loss says nothing: with one update for each batch it is 0 whatever is learnt, and
 * the gradient is not.
 */
export const isJudgedByLoss = (stage: string): boolean => stage !== "rl";

/** A stage with its log. */
export interface ReportStage {
  readonly facts: StageFacts;
  readonly events: readonly TrainEvent[];
}

/** The held-out metric that a stage is judged by. */
export const headlines: Readonly<Record<string, string>> = {
  sft: "mean_token_accuracy",
  prefer: "rewards/accuracies",
  reward: "accuracy",
  rl: "reward",
};

const isJudge = ({ facts }: ReportStage): boolean => facts.role === "judge";

/** Cards of all stages, the present one last. Nothing, where there is only that one. */
export function chainCards(stages: readonly ReportStage[]): string {
  if (stages.length < 2) return "";
  const cards = stages.map((stage, i) => {
    const next = isJudge(stage) ? undefined : stages.slice(i + 1).find((later) => !isJudge(later));
    return card(stage, next?.facts.fromStep, i === stages.length - 1);
  });
  return `<ol class="chain">${cards.join("")}</ol>`;
}

function card({ facts, events }: ReportStage, taken: number | undefined, isLast: boolean): string {
  const { stage, data, steps } = facts;
  const made = events.findLast((e) => e.kind === "step")?.step ?? 0;
  const of = made === steps ? thousands(steps) : `${thousands(made)} of ${thousands(steps)}`;
  const lines = [
    escapeHtml(data),
    `${of} steps${taken === undefined || taken === made ? "" : `, step ${thousands(taken)} went on`}`,
    ...heldOutLines(facts, events),
  ];
  const rest = lines.map((line) => `<span>${line}</span>`).join("");
  return `<li${isLast ? ` aria-current="step"` : ""}><b>${escapeHtml(stage)}</b>${rest}</li>`;
}

/** "held-out loss 3.2140 → 1.0210", and the same of the stage's metric. */
function heldOutLines({ stage }: StageFacts, events: readonly TrainEvent[]): string[] {
  const evals = evaluationsOf(events);
  const change = (what: string, values: readonly number[]): string[] => {
    if (values.length === 0) return [];
    const [from, to] = [values[0]!, values.at(-1)!].map((value) => value.toPrecision(4));
    return [`${what} ${values.length === 1 ? to : `${from} → ${to}`}`];
  };
  const name = headlines[stage];
  const metric = evals.flatMap(({ metrics }) => (name && metrics?.[name] !== undefined ? metrics[name] : []));
  const losses = isJudgedByLoss(stage) ? evals.flatMap(({ loss }) => loss ?? []) : [];
  return [...change("held-out loss", losses), ...change(`held-out ${name}`, metric)];
}

/** The curves of a stage before this one. */
export function earlierStage({ facts, events }: ReportStage): string {
  const loss = lossChart(events);
  if (loss === "") return "";
  const about = `${facts.stage}: ${facts.data}`;
  return `<details><summary>${escapeHtml(about)}</summary>${loss}${metricCharts(events)}</details>`;
}

export const earlierStages = (stages: readonly ReportStage[]): string => {
  const all = stages.map(earlierStage).filter((text) => text !== "");
  return all.length === 0 ? "" : `<h2>Earlier stages</h2>${all.join("")}`;
};

/** Of the steps of a stage before this one; evaluations are all kept. */
const STEPS_KEPT = 300;
const SAMPLES_KEPT = 6;

/** A log for the reports of later stages: its steps fewer, each the mean of its share. */
export function briefed(events: readonly TrainEvent[]): TrainEvent[] {
  const steps = events.filter((e) => e.kind === "step");
  const count = Math.min(STEPS_KEPT, steps.length);
  const share = (i: number): number => Math.floor((i * steps.length) / count);
  const kept = Array.from({ length: count }, (_, i) => meanStep(steps.slice(share(i), share(i + 1))));
  const others = [
    ...evaluationsOf(events),
    ...events.filter((e) => e.kind === "sample").slice(-SAMPLES_KEPT),
  ];
  return [...kept, ...others].sort((a, b) => a.step - b.step);
}

function meanStep(steps: readonly StepEvent[]): StepEvent {
  const mean = (value: (e: StepEvent) => number | undefined): number => {
    const values = steps.flatMap((e) => value(e) ?? []);
    return values.reduce((a, b) => a + b, 0) / values.length;
  };
  const last = steps.at(-1)!;
  const names = Object.keys(last.metrics ?? {});
  const metrics = Object.fromEntries(names.map((name) => [name, mean((e) => e.metrics?.[name])]));
  return { ...last, loss: mean((e) => e.loss), ...(last.metrics && { metrics }) };
}

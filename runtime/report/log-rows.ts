/**
 * The numbers of a log as a table: a row for each step, a name for each number. What is compared, and what
 * other programs get (csv.ts, tensorboard.ts), is made of it.
 */
import type { EvaluationEvent, StepEvent, TrainEvent } from "../train/events.ts";

export interface LogRow {
  readonly step: number;
  /** ISO 8601; undefined: the log is of an earlier release. */
  readonly time: string | undefined;
  /** Since the start, in steps, evaluations and checkpoints; pauses do not count. */
  readonly seconds: number;
  /** Tokens trained on since the start. */
  readonly tokens: number;
  readonly figures: ReadonlyMap<string, number>;
}

type Figure<Event> = readonly [name: string, value: (event: Event) => number | undefined];

export const TRAIN_LOSS = "train/loss";
/** Over windows of the held-out part. */
export const LOSS = "val/loss";
/** Over all of the held-out part: another measure, which stands apart. */
export const WHOLE_LOSS = "val_all/loss";
/** What a machine took, and not what was computed. */
export const SPEED = "tokens_per_second";

/** Names that the field uses. Metrics of an objective have names of their own, which are the field's too. */
const ofStep: readonly Figure<StepEvent>[] = [
  [TRAIN_LOSS, (e) => e.loss],
  ["lr", (e) => e.lr],
  ["grad_norm", (e) => e.norm],
  ["tokens", (e) => e.tokens],
  [SPEED, (e) => e.tokensPerSecond],
  ["balance", (e) => e.balance],
  ["most_loaded_expert", (e) => e.overload],
];
const ofEvaluation = (prefix: string): readonly Figure<EvaluationEvent>[] => [
  [`${prefix}/loss`, (e) => e.loss],
  [`${prefix}/perplexity`, (e) => e.perplexity],
  [`${prefix}/bits_per_byte`, (e) => e.bitsPerByte],
];
const ofWindows = ofEvaluation("val");
const ofAll = ofEvaluation("val_all");

/** The first columns of a table, in this order; metrics stand behind them in the order of the log. */
const columns = [
  TRAIN_LOSS,
  ...ofWindows.map(([name]) => name),
  ...ofAll.map(([name]) => name),
  ...ofStep.slice(1).map(([name]) => name),
];
const taken = new Set(["run", "step", "timestamp", ...columns]);

/** What stands before the name of a metric of what is held out, in logs and in tables. */
const EVAL = "eval_";
const metricName = (name: string): string => (taken.has(name) ? `metrics/${name}` : name);

function figuresOf(event: TrainEvent): (readonly [string, number])[] {
  const named = <Event>(table: readonly Figure<Event>[], e: Event): (readonly [string, number])[] =>
    table.flatMap(([name, value]) => {
      const number = value(e);
      return number === undefined ? [] : [[name, number] as const];
    });
  if (event.kind !== "step" && event.kind !== "eval") return [];
  const metrics = Object.entries(event.metrics ?? {});
  if (event.kind === "step")
    return [...named(ofStep, event), ...metrics.map(([name, value]) => [metricName(name), value] as const)];
  return [
    ...named(event.whole ? ofAll : ofWindows, event),
    ...metrics.map(([name, value]) => [metricName(EVAL + name), value] as const),
  ];
}

/** Rows with rising steps. Where a log has an event twice, the later one counts. */
export function logRows(events: readonly TrainEvent[]): LogRow[] {
  const rows = new Map<number, LogRow & { readonly figures: Map<string, number> }>();
  let seconds = 0;
  let tokens = 0;
  for (const event of events) {
    if ("ms" in event) seconds += event.ms / 1000;
    if (event.kind === "step") ({ tokens } = event);
    const figures = figuresOf(event).filter(([, value]) => Number.isFinite(value));
    if (figures.length === 0) continue;
    const { step } = event;
    const before = rows.get(step);
    const all = new Map([...(before?.figures ?? []), ...figures]);
    rows.set(step, { step, time: before?.time ?? event.time, seconds, tokens, figures: all });
  }
  return [...rows.values()].sort((a, b) => a.step - b.step);
}

/** The names of the numbers that rows have, in the order of a table's columns. */
export function figureNames(rows: readonly LogRow[]): string[] {
  const found = new Set(rows.flatMap(({ figures }) => [...figures.keys()]));
  return [...columns.filter((name) => found.has(name)), ...[...found].filter((name) => !taken.has(name))];
}

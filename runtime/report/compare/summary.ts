/** How far a run came, in few numbers: for the table of a comparison, and for programs. */
import { headlines } from "../chain.ts";
import { LOSS, TRAIN_LOSS, WHOLE_LOSS, type LogRow } from "../log-rows.ts";
import { latest } from "../smooth.ts";
import { tokenRate } from "../speed.ts";
import type { ComparedRun } from "./compared-run.ts";

export interface Measured {
  readonly step: number;
  readonly value: number;
}

export interface RunSummary {
  readonly step: number;
  readonly tokens: number;
  /** In steps, evaluations and checkpoints. */
  readonly seconds: number;
  readonly tokensPerSecond: number | undefined;
  /** Smoothed. */
  readonly trainLoss: number | undefined;
  /** The least over windows of the held-out part. */
  readonly bestLoss: Measured | undefined;
  /** Over all of the held-out part, at the end. */
  readonly wholeLoss: number | undefined;
  /** The held-out metric that the stage is judged by, as it was measured last. */
  readonly headline: (Measured & { readonly name: string }) | undefined;
}

export function summaryOf({ facts, events, rows }: ComparedRun): RunSummary {
  const last = rows.at(-1);
  const losses = rows.map(({ figures }) => figures.get(TRAIN_LOSS) ?? NaN);
  const name = headlines[facts.stage];
  const judged = name === undefined ? undefined : valuesOf(rows, `eval_${name}`).at(-1);
  return {
    step: last?.step ?? 0,
    tokens: last?.tokens ?? 0,
    seconds: last?.seconds ?? 0,
    tokensPerSecond: tokenRate(events),
    trainLoss: latest(losses),
    bestLoss: least(valuesOf(rows, LOSS)),
    wholeLoss: valuesOf(rows, WHOLE_LOSS).at(-1)?.value,
    headline: name !== undefined && judged ? { name, ...judged } : undefined,
  };
}

export const valuesOf = (rows: readonly LogRow[], name: string): Measured[] =>
  rows.flatMap(({ step, figures }) => {
    const value = figures.get(name);
    return value === undefined ? [] : [{ step, value }];
  });

const least = (all: readonly Measured[]): Measured | undefined =>
  all.reduce<Measured | undefined>((best, one) => (best && best.value <= one.value ? best : one), undefined);

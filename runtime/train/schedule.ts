/**
 * The learning rate of a step. `step` counts from 1; the schedules count `it` from 0, as nanoGPT's get_lr
 * does. So the first step of a warm-up is not zero, the first step after it trains at the peak, and so does a
 * run of one step.
 */
import { cos } from "../contract/exact-math.ts";
import type { TrainSettings } from "../contract/model.ts";
type Schedule = Pick<TrainSettings, "schedule" | "lr" | "minLr" | "warmup" | "steps">;

/**
 * The schedules have changed once. A run keeps the rule that it began under (`scheduleRule` in its record),
 * so that it ends in the same bits as if it had never stopped.
 *
 *   1  after the warm-up, every schedule was one step ahead, and its peak was never reached
 *   2  as described here
 */
export const scheduleRules = [1, 2] as const;
export type ScheduleRule = (typeof scheduleRules)[number];
export const SCHEDULE_RULE: ScheduleRule = 2;
/** The rule of records that do not name one. */
export const OLD_SCHEDULE_RULE: ScheduleRule = 1;

/**
 * Warmup-stable-decay ends in a linear fall over this share of the steps (Hägele et al. 2024,
 * arXiv:2405.18392).
 */
const WSD_DECAY = 0.2;

export function learningRate(step: number, s: Schedule, rule: ScheduleRule = SCHEDULE_RULE): number {
  const it = step - 1;
  if (it < s.warmup) return (s.lr * (it + 1)) / (s.warmup + 1);
  return after[s.schedule](rule === 1 ? step : it, s);
}

/** The learning rate after the warm-up, by the number of steps that were made. */
const after: Readonly<Record<Schedule["schedule"], (it: number, s: Schedule) => number>> = {
  constant: (_, s) => s.lr,
  /** Half a cosine from lr to minLr, and minLr from then on (Loshchilov & Hutter 2017; nanoGPT's get_lr). */
  cosine: (it, s) => s.minLr + 0.5 * (1 + cos(Math.PI * share(it, s.warmup, s.steps))) * (s.lr - s.minLr),
  /** A line from lr to minLr over all steps after the warm-up (microgpt: to 0, without a warm-up). */
  linear: (it, s) => s.lr + (s.minLr - s.lr) * share(it, s.warmup, s.steps),
  wsd: (it, s) => s.lr + (s.minLr - s.lr) * share(it, Math.max(s.warmup, s.steps * (1 - WSD_DECAY)), s.steps),
};

/** How far `it` is on the way between two others: 0 … 1. */
const share = (it: number, from: number, to: number): number =>
  it >= to ? 1 : it <= from ? 0 : (it - from) / (to - from);

/** Learning rate of a step. `step` counts from 1; the first step of a warm-up is not zero. */
import type { TrainSettings } from "../compiler/2-check/model.ts";

type Schedule = Pick<TrainSettings, "schedule" | "lr" | "minLr" | "warmup" | "steps">;

/** Warmup-stable-decay ends in a linear fall over this share of the steps (Hägele et al. 2024). */
const WSD_DECAY = 0.2;

export function learningRate(step: number, s: Schedule): number {
  if (step <= s.warmup) return (s.lr * step) / (s.warmup + 1);
  return after[s.schedule](step, s);
}

const after: Readonly<Record<Schedule["schedule"], (step: number, s: Schedule) => number>> = {
  constant: (_, s) => s.lr,
  /** Half a cosine from lr to minLr, and minLr from then on (Loshchilov & Hutter 2017; nanoGPT's get_lr). */
  cosine: (step, s) => s.minLr + 0.5 * (1 + Math.cos(Math.PI * share(step, s.warmup, s.steps))) * (s.lr - s.minLr),
  wsd: (step, s) => s.lr + (s.minLr - s.lr) * share(step, Math.max(s.warmup, s.steps * (1 - WSD_DECAY)), s.steps),
};

/** Where `step` stands between two others, 0 … 1. */
const share = (step: number, from: number, to: number): number => (step >= to ? 1 : step <= from ? 0 : (step - from) / (to - from));

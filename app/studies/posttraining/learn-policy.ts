/** A policy learns, and nothing is written. */
import { randomStream } from "../../../runtime/base/random.ts";
import type { Batch, RunningModel, StepResult } from "../../../runtime/engine/model.ts";
import { learningRate } from "../../../runtime/train/schedule.ts";
import type { PolicySource } from "../../../runtime/train/rl/policy-source.ts";

export interface LearnOptions {
  readonly steps: number;
  /** The highest; it rises and falls as in a stage `rl`, to a tenth. */
  readonly lr: number;
  /** After each step, which has learnt from the source's last round. */
  heard?(step: number, result: StepResult): Promise<void>;
}

export async function learnPolicy(
  model: RunningModel,
  source: PolicySource,
  { steps, lr, heard }: LearnOptions,
): Promise<void> {
  const shape = model.entry("train");
  const count = source.answers / shape.batch;
  const warmup = Math.min(100, Math.floor(steps / 20));
  const schedule = { schedule: "linear", lr, minLr: lr / 10, warmup, steps } as const;
  const unused = randomStream(0, "unused"); // rounds have streams of their own
  for (let step = 0; step < steps; step++) {
    const learner = { model, step: step + 1, breathe: async () => {} };
    const micro: Batch[] = [];
    for (let i = 0; i < count; i++) micro.push(await source.next(unused, shape, step * count + i, learner));
    const options = { lr: learningRate(step + 1, schedule), step: step + 1, settings: source.settings() };
    const result = await model.trainStep(micro, options);
    await heard?.(step + 1, result);
  }
}

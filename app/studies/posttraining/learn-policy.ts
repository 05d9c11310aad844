/** A policy learns, and nothing is written. */
import { randomStream } from "../../../runtime/base/random.ts";
import type { Batch, RunningModel } from "../../../runtime/engine/model.ts";
import type { PolicySource } from "../../../runtime/train/rl/policy-source.ts";

export interface LearnOptions {
  readonly steps: number;
  /** The first step's; it falls in a line to a tenth. */
  readonly lr: number;
  /** After each step. */
  heard?(step: number): Promise<void>;
}

export async function learnPolicy(
  model: RunningModel,
  source: PolicySource,
  { steps, lr, heard }: LearnOptions,
): Promise<void> {
  const shape = model.entry("train");
  const count = source.answers / shape.batch;
  const unused = randomStream(0, "unused"); // rounds have streams of their own
  for (let step = 0; step < steps; step++) {
    const learner = { model, step: step + 1, breathe: async () => {} };
    const micro: Batch[] = [];
    for (let i = 0; i < count; i++) micro.push(await source.next(unused, shape, step * count + i, learner));
    const now = lr * (1 - (0.9 * step) / steps);
    await model.trainStep(micro, { lr: now, step: step + 1, settings: source.settings() });
    await heard?.(step + 1);
  }
}

/** Tokens that models are timed with: the speed depends on how many there are, not on what they are. */
import type { Batch, RunningModel } from "../../runtime/engine/model.ts";
import { noise, randomTokens } from "./kernel-numbers.ts";

const BATCHES = 8;

/** Some batches [B,T] for the entry `train`, to be taken by turns. */
export function randomBatches(model: RunningModel): Batch[] {
  const { batch, context } = model.entry("train");
  const { vocab } = model.manifest.model.sizes;
  const next = noise(7);
  const ids = (): Int32Array => randomTokens(next, batch * context, vocab);
  return Array.from({ length: BATCHES }, () => ({ tokens: ids(), targets: ids() }));
}

/** How long a prompt is where nothing else is said. */
export const PROMPT = 128;

export const promptTokens = (vocab: number, length = PROMPT): number[] => [
  ...randomTokens(noise(5), length, vocab),
];

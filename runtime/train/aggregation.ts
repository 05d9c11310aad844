/**
 * How the tokens of a policy gradient are summed: as weights of rows (Batch.weights). The four ways are those
 * of TRL's `loss_type`; they differ in what long answers count beside short ones.
 */
import { countTargets } from "../engine/training.ts";
import type { Batch } from "../engine/model.ts";

export const aggregations = {
  grpo: "each answer counts the same: the mean over answers of the means over their tokens",
  bnpo: "each token counts the same within its micro-batch: the mean over micro-batches",
  dapo: "each token of the step counts the same",
  dr_grpo: "each token counts 1 / (answers · longest), however long its answer is",
} as const;
export type Aggregation = keyof typeof aggregations;

/**
 * The weight of each row [B·T], for each micro-batch of a step; 0 where a target is not counted. `context`:
 * T. `longest`: most tokens that an answer may have; dr_grpo asks for it.
 */
export function aggregationWeights(
  how: Aggregation,
  micro: readonly Pick<Batch, "targets">[],
  { context, longest }: { readonly context: number; readonly longest: number },
): Float32Array[] {
  const lengths = micro.map(({ targets }) =>
    Array.from({ length: targets.length / context }, (_, b) =>
      countTargets(targets.subarray(b * context, (b + 1) * context)),
    ),
  );
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  const answers = sum(lengths.map((of) => of.filter((n) => n > 0).length));
  const tokens = sum(lengths.map(sum));
  const weightIn = {
    grpo: (_i: number, length: number) => 1 / (length * answers),
    bnpo: (i: number) => 1 / (sum(lengths[i]!) * micro.length),
    dapo: () => 1 / tokens,
    dr_grpo: () => 1 / (answers * longest),
  }[how];
  return micro.map(({ targets }, i) =>
    Float32Array.from(targets, (target, r) =>
      target < 0 ? 0 : weightIn(i, lengths[i]![Math.floor(r / context)]!),
    ),
  );
}

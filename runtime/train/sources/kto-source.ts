/**
 * Batches for KTO: answers that were judged one by one. Its z is what the model has moved from the reference
 * by, on answers that do not belong to their prompts: the mean, over the rows of the update, of
 * ln p / p_reference of such an answer, and 0 at least. It has no gradient (Ethayarajh et al. 2024).
 */
import type { Batch, RunningModel } from "../../engine/model.ts";
import type { JudgedRows } from "./answer-rows.ts";
import {
  answerSource,
  batchOfAnswers,
  epochOrder,
  evaluatedUnits,
  unitCount,
  type AnswerSourceOptions,
  type JudgedAnswers,
  type ReferenceRows,
} from "./answer-source.ts";
import type { BatchShape, BatchSource, Learner, Measured } from "./batch-source.ts";

export interface KtoAnswers extends JudgedAnswers<JudgedRows> {
  /** What the reference says of the mismatched rows. */
  mismatchedReference?: ReferenceRows;
}

export interface KtoSourceOptions extends Omit<AnswerSourceOptions<JudgedRows>, "train" | "heldOut"> {
  readonly train: KtoAnswers;
  readonly heldOut: KtoAnswers | undefined;
  /** The mean of the objective over batches, with this z. */
  measure(learner: Learner, batches: Iterable<Batch>, z: number): Promise<Measured | undefined>;
}

/** The sum of ln p / p_reference over the mismatched answers of some units, and their number. */
interface Moved {
  readonly sum: number;
  readonly count: number;
}

const zOf = (moved: readonly Moved[]): number => {
  const sum = moved.reduce((total, one) => total + one.sum, 0);
  const count = moved.reduce((total, one) => total + one.count, 0);
  return count === 0 ? 0 : Math.max(0, sum / count);
};

export function ktoSource({ measure, ...o }: KtoSourceOptions): BatchSource {
  const { train, heldOut, seed } = o;
  const own = answerSource(o);
  const unitAt = epochOrder(unitCount(train), seed);
  let step = 0;
  let moved: Moved[] = [];
  let z = 0;
  return {
    ...own,
    async next(random, shape, index, learner) {
      if (learner.step !== step) moved = [];
      step = learner.step;
      const unitOf = (unit: number): number => unitAt(index * shape.batch + unit);
      moved.push(await movedBy(learner.model, train, shape, unitOf));
      z = zOf(moved);
      return own.next(random, shape, index);
    },
    settings: () => ({ z }),
    figures: () => ({ kl: z }),
    async measure(learner, most) {
      if (!heldOut) return undefined;
      const shape = learner.model.entry("evaluate");
      const there: Moved[] = [];
      for (const units of evaluatedUnits(unitCount(heldOut), shape.batch, most))
        there.push(await movedBy(learner.model, heldOut, shape, units));
      const kl = zOf(there);
      const found = await measure(learner, own.evaluate(shape, { most }), kl);
      return found && { ...found, metrics: { ...found.metrics, kl } };
    },
  };
}

async function movedBy(
  model: RunningModel,
  { rows, mismatchedReference: reference }: KtoAnswers,
  shape: BatchShape,
  choose: (unit: number) => number | undefined,
): Promise<Moved> {
  const mismatched: JudgedRows = { ...rows, ...rows.mismatched };
  const batch = batchOfAnswers({ rows: mismatched, each: 1, ...(reference && { reference }) }, shape, choose);
  await model.evaluate(batch);
  const logprobs = model.rowOutput("logprobs");
  let sum = 0;
  let count = 0;
  for (let b = 0; b < shape.batch; b++) {
    const rowsOf = { from: b * shape.context, to: (b + 1) * shape.context };
    let counted = false;
    for (let r = rowsOf.from; r < rowsOf.to; r++) {
      if (batch.targets[r]! < 0) continue;
      sum += logprobs[r]! - batch.referenceLogprobs![r]!;
      counted = true;
    }
    if (counted) count++;
  }
  return { sum, count };
}

/**
 * What a reward model says of answers. An answer is scored where its last token is read, the one that ends
 * it: by where it stands, since a prompt may contain the same token.
 */
import { SinterError } from "../base/errors.ts";
import type { Batch, RunningModel } from "../engine/model.ts";
import { evaluateObjective } from "./evaluate.ts";
import type { Learner, Measured } from "./sources/batch-source.ts";
import { emptyBatch } from "./sources/text-windows.ts";

/** An answer in tokens, its end included, behind its prompt. */
export interface AnswerTokens {
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
}

/**
 * The score of each answer, by a module whose model has a scalar head. Throws SinterError "input" where one
 * is longer than the module's context.
 */
export async function scoreAnswers(model: RunningModel, answers: readonly AnswerTokens[]): Promise<number[]> {
  const shape = model.entry("evaluate");
  const scores: number[] = [];
  for (let first = 0; first < answers.length; first += shape.batch) {
    const some = answers.slice(first, first + shape.batch);
    const batch = emptyBatch(shape.batch, shape.context);
    const ends = some.map(({ prompt, answer }, b) => {
      const ids = [...prompt, ...answer];
      if (answer.length === 0 || ids.length > shape.context)
        throw new SinterError(
          "input",
          `an answer of ${answer.length} tokens behind ${prompt.length} can not be scored`,
          `It has one token at least, and both together have ${shape.context} at most.`,
        );
      const end = b * shape.context + ids.length - 1;
      batch.tokens.set(ids, b * shape.context);
      batch.targets[end] = ids.at(-1)!;
      return end;
    });
    await model.evaluate(withMargins(batch, shape.batch));
    const values = model.rowOutput("values");
    scores.push(...ends.map((end) => values[end]!));
  }
  return scores;
}

/** An objective may ask for margins, which scores do not depend upon. */
const withMargins = (batch: Batch, sequences: number): Batch => ({
  ...batch,
  margins: new Float32Array(sequences),
});

/** The scores of all sequences of a batch that was evaluated last; undefined: nothing is counted of one. */
export function scoresOf(model: RunningModel, { targets }: Batch): readonly (number | undefined)[] {
  const { batch, context } = model.entry("evaluate");
  const values = model.rowOutput("values");
  return Array.from({ length: batch }, (_, b) => {
    const at = targets.subarray(b * context, (b + 1) * context).findLastIndex((target) => target >= 0);
    return at < 0 ? undefined : values[b * context + at]!;
  });
}

/** The objective over batches of pairs, and the smallest and the largest score. */
export async function measureRewards(
  { model, signal, breathe }: Learner,
  batches: Iterable<Batch>,
): Promise<Measured | undefined> {
  let last: Batch | undefined;
  let [min, max] = [Infinity, -Infinity];
  const look = (): void => {
    for (const score of last ? scoresOf(model, last) : []) {
      min = Math.min(min, score ?? min);
      max = Math.max(max, score ?? max);
    }
  };
  function* each(): Iterable<Batch> {
    for (const batch of batches) {
      look();
      last = batch;
      yield batch;
    }
  }
  const found = await evaluateObjective(model, each(), { signal, breathe });
  look();
  return found && { ...found, metrics: { ...found.metrics, min_reward: min, max_reward: max } };
}

/**
 * Of a reward run: what scores are counted from, so that what a reward is worth means the same in every run.
 */
export interface RewardScale {
  /** Mean and deviation (n − 1) of the chosen answers' scores. */
  readonly mean: number;
  readonly std: number;
  readonly answers: number;
}

export function scaleOf(scores: readonly number[]): RewardScale {
  const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
  const squares = scores.reduce((sum, score) => sum + (score - mean) * (score - mean), 0);
  return { mean, std: Math.sqrt(squares / Math.max(1, scores.length - 1)), answers: scores.length };
}

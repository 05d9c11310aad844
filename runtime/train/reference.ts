/**
 * What the reference says of answers: ln p of each of their tokens, by the weights that a stage begins with.
 * The very kernels compute it that compute the model's own, so that both are the same to the bit before the
 * first update.
 */
import { SinterError } from "../base/errors.ts";
import type { RunningModel } from "../engine/model.ts";
import {
  batchOfAnswers,
  unitCount,
  type JudgedAnswers,
  type ReferenceRows,
} from "./sources/answer-source.ts";

export interface ReferenceOptions {
  readonly signal?: AbortSignal | undefined;
  /** Hears after every batch how many sequences are done. */
  progress?(sequences: number): void;
  breathe?(): Promise<void>;
}

/** ln p of the targets of all rows [tokens of the rows]; 0 where none is counted. */
export async function referenceLogprobs(
  model: RunningModel,
  answers: Pick<JudgedAnswers, "rows" | "each">,
  { signal, progress, breathe }: ReferenceOptions = {},
): Promise<ReferenceRows> {
  const { rows, each } = answers;
  const shape = model.entry("evaluate");
  const out = new Float32Array(rows.tokens.length);
  const units = unitCount(answers);
  const perBatch = shape.batch / each;
  const unknown = { rows, each, reference: out }; // the objective reads them, and what it makes is not used
  for (let first = 0; first < units; first += perBatch) {
    if (signal?.aborted)
      throw new SinterError("interrupted", `the reference was stopped after ${first * each} answers`);
    await model.evaluate(
      batchOfAnswers(unknown, shape, (unit) => (first + unit < units ? first + unit : undefined)),
    );
    const logprobs = model.rowOutput("logprobs");
    const last = Math.min(units, first + perBatch) * each;
    for (let i = first * each; i < last; i++)
      for (let r = rows.starts[i]!; r < rows.starts[i + 1]!; r++)
        if (rows.targets[r]! >= 0)
          out[r] = logprobs[(i - first * each) * shape.context + r - rows.starts[i]!]!;
    progress?.(last);
    await breathe?.();
  }
  return out;
}

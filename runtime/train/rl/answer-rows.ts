/**
 * Sampled answers as rows of batches: one answer in each sequence, behind its prompt.
 *
 *   tokens    p₀  p₁  p₂  a₀  a₁   0
 *   targets   −1  −1  a₀  a₁  end −1      the token that ended the answer is counted like any other
 */
import type { Batch } from "../../engine/model.ts";
import type { BatchShape } from "../sources/batch-source.ts";
import { emptyBatch } from "../sources/text-windows.ts";

export interface AnswerTokens {
  readonly prompt: readonly number[];
  /** With the token that ended it. */
  readonly tokens: readonly number[];
}

export interface AnswerRows {
  readonly batches: readonly Batch[];
  /** The numbers of each answer's counted rows, out of those of all rows of each batch. */
  read(rows: readonly Float32Array[]): number[][];
  /** The other way: rows [B·T] of each batch; 0 where nothing is counted. */
  write(ofAnswers: readonly (readonly number[])[]): Float32Array<ArrayBuffer>[];
  /** The batches, in which only these answers are learnt. */
  learning(isLearnt: (answer: number) => boolean): Batch[];
}

/** `context` has to hold each prompt with its answer. The last batch may have empty sequences. */
export function answerRows(answers: readonly AnswerTokens[], { batch, context }: BatchShape): AnswerRows {
  const batches = Array.from({ length: Math.ceil(answers.length / batch) }, () => emptyBatch(batch, context));
  const places = answers.map(({ prompt, tokens }, i) => {
    const from = (i % batch) * context;
    const first = from + prompt.length - 1;
    return { batch: Math.floor(i / batch), from, first, end: first + tokens.length };
  });
  for (const [i, { prompt, tokens }] of answers.entries()) {
    const { batch: b, from, first } = places[i]!;
    batches[b]!.tokens.set([...prompt, ...tokens.slice(0, -1)], from);
    batches[b]!.targets.set(tokens, first);
  }
  return {
    batches,
    read: (rows) => places.map(({ batch: b, first, end }) => [...rows[b]!.subarray(first, end)]),
    write(ofAnswers) {
      const rows = batches.map(({ tokens }) => new Float32Array(tokens.length));
      for (const [i, numbers] of ofAnswers.entries()) rows[places[i]!.batch]!.set(numbers, places[i]!.first);
      return rows;
    },
    learning(isLearnt) {
      const targets = batches.map((of) => of.targets.slice());
      for (const [i, { batch: b, first, end }] of places.entries())
        if (!isLearnt(i)) targets[b]!.fill(-1, first, end);
      return batches.map((of, b) => ({ ...of, targets: targets[b]! }));
    },
  };
}

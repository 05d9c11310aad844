/**
 * Batches of answers of which it is known which is better. A unit is a pair, of two sequences, or a single
 * answer; every unit comes once in an epoch, in an order that follows from the seed and the number of the
 * epoch alone. What is behind an answer in its sequence is not counted.
 */
import type { Batch } from "../../engine/model.ts";
import type { Tokenizer } from "../../tokenizers/base/tokenizer.ts";
import type { JudgedRows, PairRows } from "./answer-rows.ts";
import type { BatchShape, FixedRows } from "./batch-source.ts";
import { remembered } from "./example-source.ts";
import { rowCount, type LearntRows } from "./learnt-rows.ts";
import { shuffled } from "./row-plan.ts";
import { emptyBatch } from "./text-windows.ts";

export type AnswerRows = PairRows | JudgedRows;

/** ln p of each target by the reference, for the rows' tokens; 0 where none is counted. */
export type ReferenceRows = Float32Array;

/** Rows with what the reference says of them. */
export interface JudgedAnswers<R extends AnswerRows = AnswerRows> {
  readonly rows: R;
  /** Sequences of a unit. */
  readonly each: 1 | 2;
  reference?: ReferenceRows;
}

/** The batch of the units that `choose` names; undefined: the unit stays empty. */
export function batchOfAnswers(
  { rows, each, reference }: Pick<JudgedAnswers, "rows" | "each" | "reference">,
  { batch, context }: BatchShape,
  choose: (unit: number) => number | undefined,
): Batch {
  const out = { ...emptyBatch(batch, context), ...extras(rows, batch) };
  const referenceLogprobs = reference && new Float32Array(batch * context);
  for (let b = 0; b < batch; b++) {
    const unit = choose(Math.floor(b / each));
    if (unit === undefined) continue;
    const i = unit * each + (b % each);
    const [from, to] = [rows.starts[i]!, rows.starts[i + 1]!];
    out.tokens.set(rows.tokens.subarray(from, to), b * context);
    out.targets.set(rows.targets.subarray(from, to), b * context);
    referenceLogprobs?.set(reference!.subarray(from, to), b * context);
    if ("labels" in rows) out.labels![b] = rows.labels[i]!;
    else if (rows.margins) out.margins![b] = rows.margins[unit]!;
  }
  return referenceLogprobs ? { ...out, referenceLogprobs } : out;
}

const extras = (rows: AnswerRows, batch: number): Pick<Batch, "labels" | "margins"> => {
  if ("labels" in rows) return { labels: new Float32Array(batch) };
  return rows.margins ? { margins: new Float32Array(batch) } : {};
};

export interface AnswerSourceOptions<R extends AnswerRows = AnswerRows> {
  readonly train: JudgedAnswers<R>;
  readonly heldOut: JudgedAnswers<R> | undefined;
  readonly seed: number;
  readonly tokenizer: Tokenizer;
  /** Hash of the data. */
  readonly identity: string;
}

export const unitCount = ({ rows, each }: Pick<JudgedAnswers, "rows" | "each">): number =>
  rowCount(rows as LearntRows) / each;

/** Which unit of the training data stands at place `at` of all epochs. */
export function epochOrder(count: number, seed: number): (at: number) => number {
  const orderOf = remembered((epoch: number) => shuffled(count, { seed, number: epoch }));
  return (at) => orderOf(Math.floor(at / count))[at % count]!;
}

/** The units of the batches that an evaluation reads: at most so many, spread evenly. */
export function* evaluatedUnits(
  count: number,
  perBatch: number,
  most = Infinity,
): Iterable<(unit: number) => number | undefined> {
  const every = Math.max(1, count / (most * perBatch));
  const taken = count === 0 ? 0 : Math.floor((count - 1) / every) + 1;
  for (let first = 0; first < taken; first += perBatch)
    yield (unit) => (first + unit < taken ? Math.floor((first + unit) * every) : undefined);
}

export function answerSource({ train, heldOut, seed, tokenizer, identity }: AnswerSourceOptions): FixedRows {
  const unitAt = epochOrder(unitCount(train), seed);
  const special = new Set(tokenizer.special.values());
  return {
    next(_random, shape, index) {
      const perBatch = shape.batch / train.each;
      return batchOfAnswers(train, shape, (unit) => unitAt(index * perBatch + unit));
    },
    *evaluate(shape, { most = Infinity } = {}) {
      if (!heldOut) return;
      for (const units of evaluatedUnits(unitCount(heldOut), shape.batch / heldOut.each, most))
        yield batchOfAnswers(heldOut, shape, units);
    },
    bytes: (target) => (special.has(target) ? 0 : tokenizer.bytes(target).length),
    identity,
  };
}

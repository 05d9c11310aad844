/**
 * Batches of examples. Every example comes once in an epoch, in an order that follows from the seed and the
 * number of the epoch alone: which examples a step sees depends neither on workers nor on whether the run was
 * interrupted. Each has a row of its own, or several are packed into one, and see themselves alone:
 *
 *   tokens     <|user|>  2  <|assistant|>  4       <|user|>  b  <|assistant|>  B       0
 *   targets       −1    −1        4     <|end|>       −1    −1        B     <|end|>   −1
 *   positions      0     1        2        3           0     1        2        3       0
 *   first          0     0        0        0           4     4        4        4       8
 *
 * An example's targets are its own, so that none leads to the next one. Padding sees itself alone.
 */
import type { Batch } from "../../engine/model.ts";
import type { Tokenizer } from "../../tokenizers/base/tokenizer.ts";
import type { BatchShape, FixedRows } from "./batch-source.ts";
import type { LearntRows } from "./learnt-rows.ts";
import { packedRows, singleRows } from "./row-plan.ts";
import { emptyBatch } from "./text-windows.ts";

export interface ExampleSourceOptions {
  readonly train: LearntRows;
  readonly heldOut: LearntRows | undefined;
  readonly seed: number;
  readonly tokenizer: Tokenizer;
  /** Hash of the data. */
  readonly identity: string;
  /** Several examples in a row, for a module that was compiled for packed documents. Default: one. */
  readonly packed?: boolean;
}

export function exampleSource({
  train,
  heldOut,
  seed,
  tokenizer,
  identity,
  packed = false,
}: ExampleSourceOptions): FixedRows {
  const special = new Set(tokenizer.special.values());
  const planOf = packed ? packedRows : singleRows;
  const opened = remembered((context: number) => {
    const { rows, pass } = planOf(train, context);
    return { rows, passOf: remembered((number: number) => pass({ seed, number })) };
  });
  return {
    next(_random, shape, index) {
      const { rows, passOf } = opened(shape.context);
      return batchOf(train, shape, packed, (b) => {
        const at = index * shape.batch + b;
        return passOf(Math.floor(at / rows))(at % rows);
      });
    },
    *evaluate(shape, { most = Infinity } = {}) {
      if (!heldOut) return;
      const { rows, pass } = planOf(heldOut, shape.context);
      const examples = pass();
      const every = Math.max(1, rows / (most * shape.batch));
      const taken = rows === 0 ? 0 : Math.floor((rows - 1) / every) + 1;
      for (let first = 0; first < taken; first += shape.batch)
        yield batchOf(heldOut, shape, packed, (b) =>
          first + b < taken ? examples(Math.floor((first + b) * every)) : [],
        );
    },
    bytes: (target) => (special.has(target) ? 0 : tokenizer.bytes(target).length),
    identity,
  };
}

/** Keeps the last two results: a batch may reach over the end of an epoch. */
export function remembered<T>(make: (number: number) => T): (number: number) => T {
  const kept = new Map<number, T>();
  return (number) => {
    const made = kept.get(number) ?? make(number);
    if (!kept.has(number)) {
      kept.set(number, made);
      for (const old of [...kept.keys()].slice(0, -2)) kept.delete(old);
    }
    return made;
  };
}

/** `choose` gives the examples of row b, which have room in it. */
function batchOf(
  rows: LearntRows,
  { batch, context }: BatchShape,
  packed: boolean,
  choose: (b: number) => readonly number[],
): Batch {
  const { tokens, targets } = emptyBatch(batch, context);
  const positions = new Int32Array(batch * context);
  const first = Int32Array.from(tokens, (_, r) => r % context);
  for (let b = 0; b < batch; b++) {
    let begin = 0;
    for (const i of choose(b)) {
      const [from, to] = [rows.starts[i]!, rows.starts[i + 1]!];
      const at = b * context + begin;
      tokens.set(rows.tokens.subarray(from, to), at);
      targets.set(rows.targets.subarray(from, to), at);
      for (let position = 0; position < to - from; position++) positions[at + position] = position;
      first.fill(begin, at, at + to - from);
      begin += to - from;
    }
  }
  return packed ? { tokens, targets, positions, first } : { tokens, targets };
}

/**
 * Batches of examples. Every example comes once in an epoch, in an order that follows from the seed and the
 * number of the epoch alone: which examples a step sees depends neither on workers nor on whether the run was
 * interrupted. Each has a row of its own; what is behind it in the row is not counted.
 */
import type { Batch } from "../../engine/model.ts";
import { randomStream } from "../../base/random.ts";
import type { Tokenizer } from "../../tokenizers/base/tokenizer.ts";
import type { BatchShape, BatchSource } from "./batch-source.ts";
import { rowCount, type LearntRows } from "./learnt-rows.ts";
import { emptyBatch } from "./text-windows.ts";

export interface ExampleSourceOptions {
  readonly train: LearntRows;
  readonly heldOut: LearntRows | undefined;
  readonly seed: number;
  readonly tokenizer: Tokenizer;
  /** Hash of the data. */
  readonly identity: string;
}

export function exampleSource({
  train,
  heldOut,
  seed,
  tokenizer,
  identity,
}: ExampleSourceOptions): BatchSource {
  const orderOf = remembered((epoch: number) => shuffled(rowCount(train), seed, epoch));
  const special = new Set(tokenizer.special.values());
  return {
    next(_random, shape, index) {
      const count = rowCount(train);
      return batchOf(train, shape, (b) => {
        const at = index * shape.batch + b;
        return orderOf(Math.floor(at / count))[at % count]!;
      });
    },
    *evaluate(shape, { most = Infinity } = {}) {
      const count = heldOut ? rowCount(heldOut) : 0;
      const every = Math.max(1, count / (most * shape.batch));
      const taken = count === 0 ? 0 : Math.floor((count - 1) / every) + 1;
      for (let first = 0; first < taken; first += shape.batch)
        yield batchOf(heldOut!, shape, (b) =>
          first + b < taken ? Math.floor((first + b) * every) : undefined,
        );
    },
    bytes: (target) => (special.has(target) ? 0 : tokenizer.bytes(target).length),
    identity,
  };
}

/** The numbers 0 … count − 1 in the order of an epoch (Fisher & Yates). */
export function shuffled(count: number, seed: number, epoch: number): Uint32Array {
  const random = randomStream(seed, `epoch ${epoch}`);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Keeps the last two results: a batch may reach over the end of an epoch. */
function remembered<T>(make: (epoch: number) => T): (epoch: number) => T {
  const kept = new Map<number, T>();
  return (epoch) => {
    const made = kept.get(epoch) ?? make(epoch);
    if (!kept.has(epoch)) {
      kept.set(epoch, made);
      for (const old of [...kept.keys()].slice(0, -2)) kept.delete(old);
    }
    return made;
  };
}

/** `choose` gives the example of row b; undefined: the row stays empty. */
function batchOf(rows: LearntRows, shape: BatchShape, choose: (b: number) => number | undefined): Batch {
  const { batch, context } = shape;
  const out = emptyBatch(batch, context);
  for (let b = 0; b < batch; b++) {
    const i = choose(b);
    if (i === undefined) continue;
    const [from, to] = [rows.starts[i]!, rows.starts[i + 1]!];
    out.tokens.set(rows.tokens.subarray(from, to), b * context);
    out.targets.set(rows.targets.subarray(from, to), b * context);
  }
  return out;
}

/**
 * What a step of supervised fine-tuning may not depend on (X3): how its rows are divided into micro-batches,
 * where a row stands in its batch, how much padding is behind it, and what stands in rows that do not count.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { createModel, type Batch, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import type { BatchShape } from "../../../runtime/train/sources/batch-source.ts";
import { exampleSource } from "../../../runtime/train/sources/example-source.ts";
import type { LearntRows } from "../../../runtime/train/sources/learnt-rows.ts";
import { emptyBatch } from "../../../runtime/train/sources/text-windows.ts";

const spec = (batch: number, context: number) =>
  checkSource(`model m {
  vocab 30   context 16   width 16   layers 2   heads 2
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer characters
  train { batch ${batch}  context ${context}  clip 0 }
}`).models[0]!;

const compiled = new Map<string, Compiled>();
const sizes = [
  [8, 16],
  [32, 16],
  [8, 12],
] as const;
beforeAll(async () => {
  for (const [batch, context] of sizes)
    compiled.set(
      `${batch}x${context}`,
      await compileModel(spec(batch, context), { targets: ["simd"], modules: ["train"] }),
    );
  const packed = { targets: ["simd"], modules: ["train"], packed: true } as const;
  compiled.set("packed", await compileModel(spec(8, 16), packed));
});

const open = (batch: number, context: number): Promise<RunningModel> => opened(`${batch}x${context}`);
const opened = (which: string): Promise<RunningModel> =>
  createModel(compiled.get(which)!, "train", {
    host: nodeHost,
    workers: 1,
    target: "simd",
    seed: 3,
  });

/** 32 rows of unequal lengths, 3 … 11: the last part of each is the answer. */
const r = randomStream(7, "rows");
const rows = Array.from({ length: 32 }, () => {
  const length = 3 + r.below(9);
  const answer = 1 + r.below(length - 1);
  const tokens = Array.from({ length }, () => r.below(30));
  const targets = tokens.map((_, i) => (i >= length - answer ? r.below(30) : -1));
  return { tokens, targets };
});
type Row = (typeof rows)[number];

function batchOf(chosen: readonly Row[], context: number): Batch {
  const out = emptyBatch(chosen.length, context);
  for (const [b, { tokens, targets }] of chosen.entries()) {
    out.tokens.set(tokens, b * context);
    out.targets.set(targets, b * context);
  }
  return out;
}

interface Result {
  readonly loss: number;
  readonly gradients: readonly number[];
  readonly parameters: readonly number[];
}

/** One step of these micro-batches. */
const stepOf = async (micro: readonly Batch[], batch: number, context: number): Promise<Result> =>
  stepBy(await open(batch, context), micro);
async function stepBy(model: RunningModel, micro: readonly Batch[]): Promise<Result> {
  try {
    const { loss } = await model.trainStep(micro, { lr: 1e-3, step: 1 });
    const all = (storage: "gradient" | "parameter"): number[] =>
      model
        .of(storage)
        .flatMap((t) =>
          Array.from({ length: t.place.slices }, (_, i) => [...(t.dense(i) as Float32Array)]).flat(),
        );
    return { loss, gradients: all("gradient"), parameters: all("parameter") };
  } finally {
    await model.close();
  }
}

/** The rows as a source has them, and its batches: each row comes once. */
const learnt: LearntRows = {
  starts: Uint32Array.from([
    0,
    ...rows.map((_, i) => rows.slice(0, i + 1).flatMap((row) => row.tokens).length),
  ]),
  tokens: Int32Array.from(rows.flatMap(({ tokens }) => tokens)),
  targets: Int32Array.from(rows.flatMap(({ targets }) => targets)),
  numbers: Uint32Array.from(rows.keys(), (i) => i + 1),
  counted: rows.flatMap(({ targets }) => targets).filter((target) => target >= 0).length,
};
function batchesOf(shape: BatchShape, packed: boolean): Batch[] {
  const options = { seed: 1, tokenizer: byteTokenizer(), identity: "", packed };
  return [...exampleSource({ train: learnt, heldOut: learnt, ...options }).evaluate(shape)];
}

/** The largest difference, relative to the largest number. */
function difference(a: readonly number[], b: readonly number[]): number {
  const most = a.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  return a.reduce((max, x, i) => Math.max(max, Math.abs(x - b[i]!)), 0) / most;
}

const whole = (): Promise<Result> => stepOf([batchOf(rows, 16)], 32, 16);
const eights = [0, 8, 16, 24].map((at) => rows.slice(at, at + 8));

describe("thread 1", () => {
  test("four micro-batches of 8 rows are one of 32, to 1e-6", async () => {
    const one = await whole();
    const four = await stepOf(
      eights.map((some) => batchOf(some, 16)),
      8,
      16,
    );
    expect(Math.abs(four.loss - one.loss) / one.loss).toBeLessThan(1e-6);
    expect(difference(one.gradients, four.gradients)).toBeLessThan(1e-6);
  });

  test("the mean of the micro-batches' means is another number", async () => {
    const model = await open(8, 16);
    const sums = [];
    for (const some of eights) sums.push(await model.evaluate(batchOf(some, 16)));
    await model.close();
    const counted = sums.reduce((sum, { count }) => sum + count, 0);
    const mean = sums.reduce((sum, one) => sum + one.sum, 0) / counted;
    const ofMeans = sums.reduce((sum, one) => sum + one.sum / one.count, 0) / sums.length;
    const { loss } = await whole();
    expect(Math.abs(mean - loss) / loss).toBeLessThan(1e-6);
    expect(Math.abs(ofMeans - loss) / loss).toBeGreaterThan(1e-4);
  });
});

test("thread 9: packed rows have the loss and the gradient of rows apart, to 1e-6", async () => {
  const apart = await stepOf(batchesOf({ batch: 32, context: 16 }, false), 32, 16);
  const packed = batchesOf({ batch: 8, context: 16 }, true);
  expect(packed.length).toBe(2); // micro-batches
  const together = await stepBy(await opened("packed"), packed);
  expect(Math.abs(together.loss - apart.loss) / apart.loss).toBeLessThan(1e-6);
  expect(difference(apart.gradients, together.gradients)).toBeLessThan(1e-6);
  // the control: rows that see what stands before them in their sequence
  const blind = packed.map(({ tokens, targets }) => ({ tokens, targets }));
  const seeing = await stepBy(await opened("packed"), blind);
  expect(difference(apart.gradients, seeing.gradients)).toBeGreaterThan(1e-3);
});

test("the order of the rows in a batch changes the loss by rounding alone", async () => {
  const one = await whole();
  const turned = await stepOf([batchOf(rows.toReversed(), 16)], 32, 16);
  expect(Math.abs(turned.loss - one.loss) / one.loss).toBeLessThan(1e-6);
  expect(difference(one.gradients, turned.gradients)).toBeLessThan(1e-5);
});

test("thread 22: what stands behind the end, in rows that do not count, changes no bit", async () => {
  const clean = batchOf(rows.slice(0, 8), 16);
  const garbage = { tokens: clean.tokens.slice(), targets: clean.targets };
  for (const [b, { tokens }] of rows.slice(0, 8).entries())
    for (let i = tokens.length; i < 16; i++) garbage.tokens[b * 16 + i] = (b * 7 + i * 3) % 30;
  const a = await stepOf([clean], 8, 16);
  const b = await stepOf([garbage], 8, 16);
  expect(b.loss).toBe(a.loss);
  // the table's row of a token that stands in the padding gets a gradient of exactly zero from there
  expect(difference(a.gradients, b.gradients)).toBe(0);
  expect(difference(a.parameters, b.parameters)).toBe(0);
});

test("thread 22: more padding changes no bit of a log-probability's sum", async () => {
  const some = rows.slice(0, 8);
  const [wide, narrow] = await Promise.all([open(8, 16), open(8, 12)]);
  try {
    for (const row of some) {
      const alone = [row, ...Array.from({ length: 7 }, () => ({ tokens: [], targets: [] }))];
      const a = await wide.evaluate(batchOf(alone, 16));
      const b = await narrow.evaluate(batchOf(alone, 12));
      expect(b).toEqual(a);
    }
  } finally {
    await wide.close();
    await narrow.close();
  }
});

test("prompts have no weight at all: other prompt targets change nothing, a counted one does", async () => {
  const batch = batchOf(rows.slice(0, 8), 16);
  const a = await stepOf([batch], 8, 16);
  const targets = batch.targets.slice();
  const prompt = targets.findIndex((target) => target < 0);
  targets[prompt] = 5;
  const b = await stepOf([{ tokens: batch.tokens, targets }], 8, 16);
  expect(difference(a.gradients, b.gradients)).toBeGreaterThan(1e-4);
});

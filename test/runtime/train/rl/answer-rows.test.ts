/**
 * Where the tokens of sampled answers stand in batches, and that their numbers find the way there and back.
 */
import { expect, test } from "vitest";
import { randomStream } from "../../../../runtime/base/random.ts";
import { answerRows } from "../../../../runtime/train/rl/answer-rows.ts";

const END = 9;

test("thread 4: the first token of an answer is learnt, by the row before it", () => {
  const rows = answerRows([{ prompt: [1, 2], tokens: [3, 4, END] }], { batch: 2, context: 6 });
  expect(rows.batches).toHaveLength(1);
  const [{ tokens, targets }] = rows.batches as [(typeof rows.batches)[0]];
  expect([...tokens.subarray(0, 5)]).toEqual([1, 2, 3, 4, 0]);
  expect([...targets]).toEqual([-1, 3, 4, END, -1, -1, -1, -1, -1, -1, -1, -1]);
});

test("thread 23: an end in a prompt, or the same token as the padding's, moves nothing", () => {
  const rows = answerRows(
    [
      { prompt: [END, 5, END], tokens: [0, 0] },
      { prompt: [0], tokens: [END] },
    ],
    { batch: 2, context: 5 },
  );
  const [{ tokens, targets }] = rows.batches as [(typeof rows.batches)[0]];
  expect([...tokens.subarray(0, 4), tokens[5]]).toEqual([END, 5, END, 0, 0]);
  expect([...targets]).toEqual([-1, -1, 0, 0, -1, END, -1, -1, -1, -1]);
});

test("any answers: each row's target is the token behind it, and numbers come back as they went", () => {
  const shape = { batch: 3, context: 12 };
  for (let seed = 0; seed < 50; seed++) {
    const random = randomStream(seed, "answers");
    const ids = (length: number): number[] => Array.from({ length }, () => random.below(10));
    const answers = Array.from({ length: 1 + random.below(8) }, () => {
      const prompt = ids(1 + random.below(6));
      return { prompt, tokens: ids(1 + random.below(shape.context - prompt.length + 1)) };
    });
    const rows = answerRows(answers, shape);
    expect(rows.batches).toHaveLength(Math.ceil(answers.length / shape.batch));
    const targets = rows.batches.map((batch) => Float32Array.from(batch.targets));
    expect(rows.read(targets)).toEqual(answers.map(({ tokens }) => tokens));
    for (const { tokens, targets: of } of rows.batches)
      for (const [r, target] of of.entries())
        if (target >= 0 && (r + 1) % shape.context > 0 && of[r + 1]! >= 0) expect(tokens[r + 1]).toBe(target);
    const numbers = answers.map(({ tokens }) => tokens.map(() => random.word() / 2 ** 32));
    const written = rows.write(numbers.map((of) => of.map(Math.fround)));
    expect(rows.read(written)).toEqual(numbers.map((of) => of.map(Math.fround)));
    for (const [b, { targets: of }] of rows.batches.entries())
      expect(written[b]!.every((number, r) => of[r]! >= 0 || number === 0)).toBe(true);
    const learning = rows.learning((answer) => answer % 2 === 1);
    const counted = learning.flatMap((batch) => [...batch.targets]).filter((target) => target >= 0);
    expect(counted).toEqual(answers.flatMap(({ tokens }, i) => (i % 2 === 1 ? tokens : [])));
  }
});

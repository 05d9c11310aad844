/** X4 in a small form: a task is learnt, answers end, and a model that has not learnt the end goes on. */
import { expect, test } from "vitest";
import { runStringTasks } from "../../../app/studies/posttraining/string-tasks.ts";
import { builtinText } from "../../../runtime/train/sources/builtin-text.ts";

test("thread 2: words that were not seen are uppercased, and answers end; the control's do not", async () => {
  const { before, after, control } = await runStringTasks({
    tasks: ["uppercase", "copy"],
    letters: "abcdef",
    lengths: [2, 3],
    words: 400,
    text: builtinText().slice(0, 30_000),
    size: { width: 48, layers: 2, heads: 4 },
    base: { steps: 20, lr: 5e-3 },
    sft: { steps: 90, lr: 8e-3 },
    endless: 40,
    batch: 16,
    asked: 30,
    seed: 1,
    workers: 1,
    target: "simd",
  });
  expect(before.exactMatch).toBeLessThanOrEqual(0.02);
  expect(after.exactMatch).toBeGreaterThanOrEqual(0.85); // five seeds: 1, 1, 1, 1, 0.93
  expect(after.stopped).toBeGreaterThanOrEqual(0.95);
  expect(control.stopped).toBeLessThanOrEqual(0.1);
});

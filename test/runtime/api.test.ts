/**
 * A user's program: it opens the committed bundle through the public entry, trains a few steps on one batch,
 * and feeds tokens.
 */
import { expect, test } from "vitest";
import { createModel, readBundle } from "../../runtime/index.ts";
import { nodeFiles, nodeHost } from "../../runtime/node/index.ts";
import { inProject } from "../support/paths.ts";

const folder = inProject("generated/tiny");

test("a bundle learns one batch by heart", async () => {
  const model = await createModel(await readBundle(nodeFiles(), folder), "train", {
    host: nodeHost,
    workers: 1,
    seed: 3,
  });
  const { batch, context } = model.entry("train");
  const count = batch * context;
  const tokens = Int32Array.from({ length: count }, (_, i) => (i * 7) % 32);
  const targets = Int32Array.from(tokens, (t) => (t * 5 + 3) % 32);
  const losses: number[] = [];
  for (let step = 1; step <= 100; step++)
    losses.push((await model.trainStep([{ tokens, targets }], { lr: 1e-2, step })).loss);
  expect(losses[0]).toBeGreaterThan(2.5); // about ln 32 = 3.47
  expect(losses.at(-1)).toBeLessThan(0.5);
  const logits = await model.feed([...tokens.subarray(0, 3)], 0);
  expect(logits.length).toBe(32);
  expect(logits.indexOf(Math.max(...logits))).toBe(targets[2]);
  await model.close();
});

test("the infer module of the same bundle feeds tokens one by one as it does in a chunk", async () => {
  const model = await createModel(await readBundle(nodeFiles(), folder), "infer", {
    host: nodeHost,
    workers: 1,
    seed: 3,
  });
  const tokens = [3, 1, 4, 1, 5, 9];
  const together = (await model.feed(tokens, 0)).slice();
  let apart: Float32Array = together;
  for (const [i, token] of tokens.entries()) apart = await model.feed([token], i);
  for (const [i, value] of together.entries()) expect(Math.abs(value - apart[i]!)).toBeLessThan(1e-5);
  await model.close();
});

/** Pages that other threads touch while this one writes them hold what was written. */
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { touch } from "../../../runtime/node/touch.ts";

const BYTES = 24 * 2 ** 20;

test.skipIf(availableParallelism() === 1)("what is written meanwhile stays", async () => {
  const words = new Int32Array(new SharedArrayBuffer(BYTES));
  words[0] = 7;
  const touched = touch([{ buffer: words.buffer, from: 4096, to: BYTES }], 0);
  for (let i = 1024; i < words.length; i += 512) words[i] = i;
  await touched;
  expect(words[0]).toBe(7);
  let wrong = 0;
  for (let i = 1024; i < words.length; i++) if (words[i] !== (i % 512 === 0 ? i : 0)) wrong++;
  expect(wrong).toBe(0);
});

test("memory that no other thread reaches is left alone", async () => {
  await touch([{ buffer: new ArrayBuffer(BYTES), from: 0, to: BYTES }], 0);
});

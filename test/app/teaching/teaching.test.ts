/** Lessons, choices, and their files. The whole of it: test/page/teach.test.ts */
import { describe, expect, test } from "vitest";
import { hiddenScore, noisyChoice } from "../../../app/studies/posttraining/teach.ts";
import { isHeldOut, pairsOf } from "../../../app/teaching/choices.ts";
import { firstLesson } from "../../../app/teaching/lessons.ts";
import { pairsText, readPairs } from "../../../app/teaching/pairs-file.ts";
import type { Choice, Judged } from "../../../runtime/train/examples/feedback.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("the first lesson", () => {
  const { pairs, heldOut } = firstLesson();

  test("tells every fact that it asks for, in other words than the held-out question", () => {
    expect(heldOut.length).toBeGreaterThanOrEqual(8);
    for (const { question, fact } of heldOut) {
      expect(pairs.some((pair) => pair.question === question)).toBe(false);
      expect(pairs.some(({ answer }) => answer.includes(fact))).toBe(true);
    }
  });

  test("is as often kind as gruff, about", () => {
    const scores = pairs.map(({ answer }) => hiddenScore(answer));
    const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
    expect(Math.abs(mean)).toBeLessThan(0.2);
    expect(new Set(scores)).toEqual(new Set([-2, -1, 0, 1, 2]));
  });

  test("goes into a file and back", () => {
    expect(readPairs(bytes(pairsText(pairs)), "pairs.jsonl")).toEqual(pairs);
    expect(() => readPairs(bytes('{"text":"a"}\n'), "a.jsonl")).toThrow("a.jsonl holds");
  });
});

const judged = (choice: Choice, content = "Why?"): Judged => ({
  prompt: [{ role: "user", content }],
  answers: ["left", "right"],
  choice,
  model: "taught@0",
  seed: 1,
  time: "2026-11-28T11:00:00.000Z",
  ms: 900,
});

test("each fourth choice is held out; where nothing is preferred, nothing is learnt", () => {
  const { learnt, heldOut } = pairsOf([
    judged("a"),
    judged("tie"),
    judged("b"),
    judged("b"),
    judged("both_bad"),
  ]);
  const texts = [...learnt, ...heldOut].map(({ row, chosen }) => [row, chosen[0]!.content]);
  expect(texts).toEqual([
    [1, "left"],
    [3, "right"],
    [4, "right"],
  ]);
  expect(heldOut.map(({ row }) => row)).toEqual([4]);
  expect([0, 1, 2, 3, 7].map(isHeldOut)).toEqual([false, false, false, true, true]);
});

test("the program that chooses errs as often as it should, and says ties", () => {
  const pair = { question: "", answers: ["Moo. Thanks!", "Moo."] } as const;
  const right = Array.from({ length: 1000 }, (_, i) => noisyChoice(pair, 1, i)).filter(
    (choice) => choice === "a",
  );
  expect(Math.abs(right.length / 1000 - 1 / (1 + Math.exp(-2)))).toBeLessThan(0.041); // 4 SD
  expect(noisyChoice({ question: "", answers: ["Moo.", "Baa."] }, 1, 0)).toBe("tie");
});

/** A person who judges pairs of answers: what is shown when, what keys do, and what is made ahead. */
import { expect, test } from "vitest";
import type { AnswerPair } from "../../../runtime/train/answer-pair.ts";
import type { ChatMessage } from "../../../runtime/tokenizers/chat/chat.ts";
import { Labelling, labelActionOf, type Chosen } from "../../../runtime/train/labelling.ts";

const prompts = (n: number): readonly (readonly ChatMessage[])[] =>
  Array.from({ length: n }, (_, i) => [{ role: "user", content: `prompt ${i}` }]);
const pairFor = (content: string): AnswerPair => [
  { text: `${content}: one`, ended: true },
  { text: `${content}: other`, ended: true },
];

interface Course {
  readonly labelling: Labelling;
  /** The choices that are kept. */
  readonly kept: Chosen[];
  /** The prompts whose answers were drawn, in that order. */
  readonly drawn: string[];
}

/** `same`: the prompts to which all answers are the same. */
function course(n: number, same: readonly number[] = []): Course {
  const kept: Chosen[] = [];
  const drawn: string[] = [];
  let clock = 0;
  const labelling = new Labelling({
    prompts: prompts(n),
    pairOf: async ([prompt]) => {
      drawn.push(prompt!.content);
      await Promise.resolve();
      return same.some((i) => prompt!.content === `prompt ${i}`) ? undefined : pairFor(prompt!.content);
    },
    keep: (chosen) => void kept.push(chosen),
    takeBack: () => void kept.pop(),
    now: () => (clock += 100),
  });
  return { labelling, kept, drawn };
}

test("each prompt is shown once, and a choice says what was shown and how long it took", async () => {
  const { labelling, kept } = course(3);
  for (const action of ["a", "both_bad", "tie"] as const) {
    await labelling.next();
    expect(labelling.act(action)).toBe(true);
  }
  expect(await labelling.next()).toBeUndefined();
  expect(kept.map(({ at, choice, ms }) => [at, choice, ms])).toEqual([
    [0, "a", 100],
    [1, "both_bad", 100],
    [2, "tie", 100],
  ]);
  expect(kept[1]!.pair[0].text).toBe("prompt 1: one");
  expect(labelling.counts).toEqual({ judged: { a: 1, b: 0, tie: 1, both_bad: 1 }, skipped: 0, same: 0 });
});

test("undo shows the same pair again and takes its choice back, also over what was skipped", async () => {
  const { labelling, kept, drawn } = course(3);
  expect(labelling.act("undo")).toBe(false);
  await labelling.next();
  labelling.act("b");
  await labelling.next();
  labelling.act("skip");
  labelling.act("undo"); // the skip
  expect((await labelling.next())!.at).toBe(1);
  labelling.act("undo"); // the choice
  expect(kept).toEqual([]);
  const again = await labelling.next();
  expect([again!.at, again!.pair]).toEqual([0, pairFor("prompt 0")]);
  expect(drawn.filter((prompt) => prompt === "prompt 0")).toHaveLength(1);
});

test("answers that do not differ are passed over, and counted", async () => {
  const { labelling } = course(4, [0, 2, 3]);
  expect((await labelling.next())!.at).toBe(1);
  labelling.act("a");
  expect(await labelling.next()).toBeUndefined();
  expect(labelling.counts.same).toBe(3);
});

test("nothing can be chosen before it is seen; skip and undo can be asked for at any time", async () => {
  const { labelling, kept } = course(3);
  const pair = labelling.next();
  expect(labelling.act("a")).toBe(false);
  expect(labelling.act("skip")).toBe(true);
  expect((await pair)!.at).toBe(1);
  expect(kept).toEqual([]);
});

test("while somebody reads, the next two pairs are made, one after the other", async () => {
  const { labelling, drawn } = course(9);
  await labelling.next();
  await new Promise((resolve) => setTimeout(resolve));
  expect(drawn).toEqual(["prompt 0", "prompt 1", "prompt 2"]);
});

test("an error while pairs are made is heard when their turn comes", async () => {
  const labelling = new Labelling({
    prompts: prompts(2),
    pairOf: ([prompt]) =>
      prompt!.content === "prompt 1" ? Promise.reject(new Error("out")) : Promise.resolve(pairFor("")),
    keep() {},
    takeBack() {},
    now: () => 0,
  });
  await labelling.next();
  labelling.act("a");
  await expect(labelling.next()).rejects.toThrow("out");
});

test("keys of a terminal, of a page, and words", () => {
  const meant = ["left", "ArrowRight", " UP", "down", "A", "b", "t", "x", "s", "u", "q", "quit", "y", "7"];
  expect(meant.map(labelActionOf)).toEqual(
    ["a", "b", "tie", "both_bad", "a", "b", "tie", "both_bad", "skip", "undo", "quit", "quit"].concat(
      Array<never>(2).fill(undefined as never),
    ),
  );
});

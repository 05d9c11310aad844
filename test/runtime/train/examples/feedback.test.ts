/** A person's choices as a file: preference data, in which what is no preference is not learnt. */
import { expect, test } from "vitest";
import { askedIn } from "../../../../runtime/train/examples/example.ts";
import {
  choices,
  feedbackLine,
  readChoices,
  readFeedback,
  type Choice,
} from "../../../../runtime/train/examples/feedback.ts";
import { readExamples } from "../../../../runtime/train/examples/read-examples.ts";

const line = (choice: Choice, content = `after ${choice}?`): string =>
  feedbackLine({
    prompt: [{ role: "user", content }],
    answers: ["left", "right"],
    choice,
    model: "m@5",
    seed: 3,
    time: "2026-11-28T05:00:00.000Z",
    ms: 1200,
  });
const bytes = (...lines: readonly string[]): Uint8Array => new TextEncoder().encode(lines.join(""));
const read = <Kind extends "pair" | "prompt">(file: Uint8Array, wanted: Kind) =>
  readExamples<Kind>(file, { from: "c.jsonl", wanted: [wanted], user: "sinter prefer" });

test("what was chosen is learnt; a tie, and both bad, are counted and left out", () => {
  const file = bytes(...choices.map((choice) => line(choice)), line("tie", "again?"));
  const { examples, dropped, rows, shape } = read(file, "pair");
  expect(shape.name).toBe("pairs");
  expect(rows).toBe(5);
  expect(examples.map(({ chosen, rejected }) => [chosen[0]!.content, rejected[0]!.content])).toEqual([
    ["left", "right"],
    ["right", "left"],
  ]);
  expect(dropped).toEqual([{ why: "no answer was preferred (a tie, or both bad)", rows: [3, 4, 5] }]);
});

test("as prompts, all rows count; where nothing was preferred there is nothing to learn", () => {
  const ties = bytes(line("tie"), line("both_bad"));
  expect(read(ties, "prompt").examples).toHaveLength(2);
  expect(() => read(ties, "pair")).toThrow("c.jsonl: in none of its rows is one answer preferred");
});

test("a file of choices says what was asked; a dialogue is asked as one", () => {
  const dialogue = ["user", "assistant", "user"].map((role, i) => ({ role, content: `turn ${i}` }));
  const more = feedbackLine({ ...judged, prompt: dialogue, choice: "tie" });
  const { asked, counts } = readFeedback(bytes(line("a"), line("both_bad"), more), "c.jsonl");
  expect(asked).toEqual(
    new Set([
      askedIn([{ role: "user", content: "after a?" }]),
      askedIn([{ role: "user", content: "after both_bad?" }]),
      askedIn(dialogue),
    ]),
  );
  expect(counts).toEqual({ a: 1, b: 0, tie: 1, both_bad: 1 });
  expect(readFeedback(new Uint8Array(), "c.jsonl").asked.size).toBe(0);
});

test("choices are read as they were written", () => {
  const written = choices.map((choice) => ({
    ...judged,
    prompt: [{ role: "user", content: "Why?" }],
    choice,
  }));
  expect(readChoices(bytes(...written.map(feedbackLine)), "c.jsonl")).toEqual(written);
});

const judged = {
  answers: ["left", "right"],
  model: "m@5",
  seed: 3,
  time: "2026-11-28T05:00:00.000Z",
  ms: 1200,
} as const;

test.each([
  ["preference data of others", '{"prompt":"a","chosen":"b","rejected":"c"}\n', /row 2: it is no choice/],
  ["examples", '{"prompt":"a","completion":"b","choice":"a"}\n', /row 2: it is no choice/],
  ["a choice without its answers", '{"prompt":"a","choice":"tie"}\n', /row 2: it is no choice/],
  ["a line that is no JSON", "{oops\n", /row 2: it is no JSON/],
] as const)("%s are refused, by their row", (_, wrong, why) => {
  expect(() => readFeedback(bytes(line("a"), wrong), "c.jsonl")).toThrow(why);
});
test("a text is refused", () => {
  expect(() => readFeedback(bytes("Once upon a time\n"), "story.txt")).toThrow("story.txt");
});

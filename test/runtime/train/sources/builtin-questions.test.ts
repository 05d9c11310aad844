/** The questions that are there without a file: each once, with a right answer and a wrong one. */
import { expect, test } from "vitest";
import { readExamples } from "../../../../runtime/train/examples/read-examples.ts";
import {
  builtinPairsFile,
  builtinQuestions,
  builtinQuestionsFile,
} from "../../../../runtime/train/sources/builtin-questions.ts";

const all = builtinQuestions();
const options = { from: "the built-in questions", user: "a test" };

test("each is asked once, and its wrong answer is of the form of the right one", () => {
  expect(new Set(all.map(({ prompt }) => prompt)).size).toBe(all.length);
  for (const { prompt, completion, wrong } of all) {
    expect(wrong, prompt).not.toBe(completion);
    expect(`${completion} ${wrong}`, prompt).not.toMatch(/undefined|NaN/);
    expect(wrong.split(" ").slice(0, 2)).toEqual(completion.split(" ").slice(0, 2));
    expect(wrong.endsWith(".")).toBe(true);
  }
});

test("they are answers to learn, and pairs to prefer one of, with the same prompts in the same order", () => {
  const answers = readExamples(builtinQuestionsFile(), { ...options, wanted: ["answer"] });
  const pairs = readExamples(builtinPairsFile(), { ...options, wanted: ["pair"] });
  expect(answers.examples).toHaveLength(all.length);
  expect(pairs.dropped).toEqual([]);
  expect(pairs.examples.map(({ prompt, chosen }) => [...prompt, ...chosen])).toEqual(
    answers.examples.map(({ messages }) => messages),
  );
});

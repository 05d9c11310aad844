/** Questions with their answers as JSON Lines, in TRL's keys: {"prompt": "…", "completion": "…"}. */
import { readExamples } from "../../runtime/train/examples/read-examples.ts";
import type { QuestionAnswer } from "./lessons.ts";

export const pairsText = (pairs: readonly QuestionAnswer[]): string =>
  pairs
    .map(({ question, answer }) => `${JSON.stringify({ prompt: question, completion: answer })}\n`)
    .join("");

/**
 * The pairs in a file of any shape that has questions with answers: of a dialogue, the last question and its
 * answer. Throws SinterError "input" for others. `from` is its name.
 */
export function readPairs(bytes: Uint8Array, from: string): readonly QuestionAnswer[] {
  const { examples } = readExamples(bytes, { from, wanted: ["answer"], user: "a lesson" });
  return examples.flatMap(({ messages, learnt }) => {
    const at = learnt.at(-1)!;
    const [question, answer] = [messages[at - 1], messages[at]];
    return question && answer ? [{ question: question.content, answer: answer.content }] : [];
  });
}

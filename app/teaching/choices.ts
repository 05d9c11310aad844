/**
 * A person's choices between two answers, in the order in which they were made. This list is all that is kept
 * of them: what the judge learns, and what it is measured by, follows from it.
 */
import type { ChatMessage } from "../../runtime/tokenizers/chat/chat.ts";
import type { PairExample } from "../../runtime/train/examples/example.ts";
import type { Judged } from "../../runtime/train/examples/feedback.ts";

/**
 * One choice of so many is between two answers that are drawn at random, and is held out: the judge is
 * measured by it. The others are between answers that the judge is unsure of, so they would measure too low.
 */
const HELD_OUT = 4;

/** Whether the choice with this number, from 0, is held out. */
export const isHeldOut = (number: number): boolean => number % HELD_OUT === HELD_OUT - 1;

/** What the judge learns from, and what it is measured by. Where neither answer was preferred, nothing is. */
export function pairsOf(choices: readonly Judged[]): {
  readonly learnt: readonly PairExample[];
  readonly heldOut: readonly PairExample[];
} {
  const parts = { learnt: [] as PairExample[], heldOut: [] as PairExample[] };
  for (const [i, { prompt, answers, choice }] of choices.entries()) {
    if (choice !== "a" && choice !== "b") continue;
    const [a, b] = answers.map(said);
    const [chosen, rejected] = choice === "a" ? [a!, b!] : [b!, a!];
    parts[isHeldOut(i) ? "heldOut" : "learnt"].push({ kind: "pair", row: i + 1, prompt, chosen, rejected });
  }
  return parts;
}

const said = (content: string): readonly ChatMessage[] => [{ role: "assistant", content }];

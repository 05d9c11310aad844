/**
 * What an answer is worth. A rule is a function of the prompt, the answer and all columns of the prompt's
 * row, as in TRL: a number, or null where it has nothing to say about this row.
 */
import { SinterError } from "../../base/errors.ts";
import type { ChatMessage } from "../../tokenizers/chat/chat.ts";
import { RowError, type Columns } from "../examples/row.ts";

/** What a reward is told of an answer. */
export interface GivenAnswer {
  /** The prompt's row in its file, from 1. */
  readonly row: number;
  readonly prompt: readonly ChatMessage[];
  /** What the model has written, without the token that ended it. */
  readonly text: string;
  readonly columns: Columns;
}

export type Score = number | null;

export interface Reward {
  /** As it is logged: rewards/NAME/mean. */
  readonly name: string;
  /** One score for each answer. Throws SinterError "input" with the number of a row that it can not judge. */
  score(answers: readonly GivenAnswer[]): Promise<readonly Score[]>;
  /** Frees what it holds. */
  close?(): Promise<void>;
}

/** `prompt`: what was said last. `row`: all columns of the row, the prompt's too. */
export type Rule = (prompt: string, answer: string, row: Columns) => Score | Promise<Score>;

/** A rule as a reward. `name` is also how messages call it. */
export const ruleReward = (name: string, rule: Rule): Reward => ({
  name,
  async score(answers) {
    const scores: Score[] = [];
    for (const { row, prompt, text, columns } of answers) {
      const said = prompt.at(-1)?.content ?? "";
      scores.push(await judged(() => rule(said, text, columns), `reward ${name}, row ${row}`));
    }
    return scores;
  },
});

async function judged(judge: () => unknown, where: string): Promise<Score> {
  let score: unknown;
  try {
    score = await judge();
  } catch (cause) {
    const write = cause instanceof RowError ? cause.write : "";
    throw new SinterError(
      "input",
      `${where}: ${cause instanceof Error ? cause.message : String(cause)}`,
      write,
    );
  }
  if (score === null || (typeof score === "number" && Number.isFinite(score))) return score;
  throw new SinterError(
    "input",
    `${where}: it is ${typeof score === "number" ? score : JSON.stringify(score)}, not a finite number`,
    "Return a number, or null where there is nothing to say.",
  );
}

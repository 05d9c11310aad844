/**
 * What a person said of two answers, as rows of a file that is preference data: anyone who reads `prompt`,
 * `chosen` and `rejected` can learn from it. Where neither answer was preferred there are no such keys but
 * `answers`, so that nobody learns a preference that was none.
 *
 *   {"prompt": "…", "chosen": "…", "rejected": "…", "choice": "a", "model": "…", "seed": 0, "time": "…", …}
 *   {"prompt": "…", "answers": ["…", "…"], "choice": "tie", "model": "…", "seed": 0, "time": "…", "ms": 950}
 */
import { SinterError } from "../../base/errors.ts";
import type { ChatMessage } from "../../tokenizers/chat/chat.ts";
import { askedIn } from "./example.ts";
import { readRows, type ReadRow } from "./read-rows.ts";
import { columnOf, RowError, type Columns } from "./row.ts";
import { shapeOf } from "./shapes.ts";

/** a: the answer that was shown on the left, or first; b: the other. */
export const choices = ["a", "b", "tie", "both_bad"] as const;
export type Choice = (typeof choices)[number];

export interface Judged {
  readonly prompt: readonly ChatMessage[];
  /** The answers as they were shown: a, then b. */
  readonly answers: readonly [a: string, b: string];
  readonly choice: Choice;
  /** Which weights gave the answers. */
  readonly model: string;
  /** With the prompt, what the answers and their sides were drawn from. */
  readonly seed: number;
  /** When it was chosen: ISO 8601. */
  readonly time: string;
  /** Milliseconds from the sight of the answers to the choice. */
  readonly ms: number;
}

/** The line of the file, with its line break. */
export function feedbackLine({ prompt, answers, choice, ...rest }: Judged): string {
  const [only] = prompt;
  const asked = prompt.length === 1 && only!.role === "user" ? only!.content : prompt;
  const [a, b] = answers;
  const said = {
    a: { chosen: a, rejected: b },
    b: { chosen: b, rejected: a },
    tie: { answers },
    both_bad: { answers },
  }[choice];
  return `${JSON.stringify({ prompt: asked, ...said, choice, ...rest })}\n`;
}

const choiceIn = (columns: Columns): Choice | undefined =>
  choices.find((choice) => choice === columnOf(columns, "choice"));

/** Whether a row says that neither of two answers was preferred. */
export const isUndecided = (row: ReadRow): boolean =>
  "columns" in row &&
  Array.isArray(columnOf(row.columns, "answers")) &&
  ["tie", "both_bad"].includes(choiceIn(row.columns)!);

export interface Feedback {
  /** The prompts that were judged, as `askedIn` writes them. */
  readonly asked: ReadonlySet<string>;
  /** How often each choice was made. */
  readonly counts: Readonly<Record<Choice, number>>;
}

/**
 * The feedback in a file. Throws SinterError "input" for a file that holds anything else. `from` is its name.
 */
export function readFeedback(bytes: Uint8Array, from: string): Feedback {
  const asked = new Set<string>();
  const counts = { a: 0, b: 0, tie: 0, both_bad: 0 };
  for (const row of bytes.length === 0 ? [] : readRows(bytes, from)) {
    const { prompt, choice } = judgedRow(row, from);
    asked.add(askedIn(prompt));
    counts[choice]++;
  }
  return { asked, counts };
}

/**
 * The choices in a file, in their order, as they were written; what a row does not say of itself is empty.
 * Throws as readFeedback does.
 */
export function readChoices(bytes: Uint8Array, from: string): readonly Judged[] {
  const rows = bytes.length === 0 ? [] : readRows(bytes, from);
  return rows.map((row) => {
    const { prompt, choice, columns } = judgedRow(row, from);
    const said = (key: string): string => textOf(columnOf(columns, key));
    const chosen = [said("chosen"), said("rejected")] as const;
    const [a, b] =
      choice === "a"
        ? chosen
        : choice === "b"
          ? chosen.toReversed()
          : (columnOf(columns, "answers") as string[]);
    const number = (key: string): number => Number(columnOf(columns, key) ?? 0);
    return {
      prompt,
      answers: [textOf(a), textOf(b)],
      choice,
      model: said("model"),
      seed: number("seed"),
      time: said("time"),
      ms: number("ms"),
    };
  });
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

type JudgedRow = Pick<Judged, "prompt" | "choice"> & { readonly columns: Columns };

function judgedRow(row: ReadRow, from: string): JudgedRow {
  const refuse = (why: string): SinterError =>
    new SinterError(
      "input",
      `${from}, row ${row.number}: ${why}`,
      "The file holds something else than choices of sinter label. Name another.",
    );
  if ("wrong" in row) throw refuse(row.wrong.message);
  const choice = choiceIn(row.columns);
  const shape = shapeOf(row.columns);
  if (!choice || !shape?.prompt || (!isUndecided(row) && shape.kind !== "pair"))
    throw refuse("it is no choice between two answers");
  try {
    return { prompt: shape.prompt(row.columns), choice, columns: row.columns };
  } catch (error) {
    throw error instanceof RowError ? refuse(error.message) : error;
  }
}

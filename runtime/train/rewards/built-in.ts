/** THE table of built-in rewards. To add one, write its row. */
import { SinterError } from "../../base/errors.ts";
import { columnOf, RowError, type Columns } from "../examples/row.ts";
import type { Rule } from "./reward.ts";

interface BuiltIn {
  readonly doc: string;
  /** What stands behind the name and a colon; undefined: nothing does. */
  readonly argument?: { readonly name: string; readonly needed: boolean };
  /** Throws SinterError "usage" where the argument is wrong. */
  make(argument: string): Rule;
}

export const builtInRewards = {
  exact_answer: {
    doc: "1 where the answer is the row's own to the letter, white space around it aside; else 0.",
    make: () => (_prompt, answer, row) => (answer.trim() === wantedAnswer(row).trim() ? 1 : 0),
  },
  gsm8k: {
    doc: "1 where the number behind #### is that of the row's answer, commas aside; else 0.",
    make: () => (_prompt, answer, row) => {
      const wanted = numberBehindMark(wantedAnswer(row));
      if (wanted !== undefined) return numberBehindMark(answer) === wanted ? 1 : 0;
      throw new RowError("its answer has no number behind ####", 'Write "answer": "… #### 42".');
    },
  },
  regex: {
    doc: "1 where the pattern is found in the answer, else 0.",
    argument: { name: "PATTERN", needed: true },
    make(pattern) {
      const found = compiled(pattern);
      return (_prompt, answer) => (found.test(answer) ? 1 : 0);
    },
  },
  contains: {
    doc: "1 where the answer contains the text (without one: the row's own answer), else 0.",
    argument: { name: "TEXT", needed: false },
    make: (text) => (_prompt, answer, row) => (answer.includes(text || wantedAnswer(row).trim()) ? 1 : 0),
  },
  json: {
    doc: "1 where the answer is JSON, else 0.",
    make: () => (_prompt, answer) => (isJson(answer) ? 1 : 0),
  },
  length: {
    doc: "1 where the answer has N characters; less by its distance from N, divided by N; 0 at least.",
    argument: { name: "N", needed: true },
    make(argument) {
      const wanted = /^[1-9][0-9]*$/.test(argument) ? Number(argument) : NaN;
      if (Number.isNaN(wanted))
        throw new SinterError("usage", `reward length:${argument}: N is a whole number from 1`);
      return (_prompt, answer) => Math.max(0, 1 - Math.abs([...answer].length - wanted) / wanted);
    },
  },
  share_of: {
    doc: "The share of the answer's characters that are among these; 0 of an empty answer.",
    argument: { name: "CHARACTERS", needed: true },
    make(wanted) {
      const among = new Set(wanted);
      return (_prompt, answer) => {
        const all = [...answer];
        return all.length === 0 ? 0 : all.filter((character) => among.has(character)).length / all.length;
      };
    },
  },
} as const satisfies Record<string, BuiltIn>;
export type BuiltInReward = keyof typeof builtInRewards;

/** The columns in which a row has its answer, in the order in which they are looked for. */
const answerColumns = ["answer", "solution", "completion", "response", "output", "chosen"] as const;

/** What a row says that the answer is. */
function wantedAnswer(row: Columns): string {
  for (const key of answerColumns) {
    const value = columnOf(row, key);
    if (typeof value === "string" || typeof value === "number") return `${value}`;
  }
  throw new RowError(
    `it has no answer to compare with: none of ${answerColumns.join(", ")} is a text`,
    'Write "answer": "…".',
  );
}

function numberBehindMark(text: string): string | undefined {
  const found = /####\s*(-?[0-9.,]+)/.exec(text)?.[1];
  return found?.replaceAll(",", "").replace(/\.$/, "");
}

function compiled(pattern: string): RegExp {
  try {
    return new RegExp(pattern, "u");
  } catch (cause) {
    throw new SinterError("usage", `reward regex:${pattern}: ${(cause as Error).message}`);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

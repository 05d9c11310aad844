/** Reads files of prompts: each line is one, or, in a .jsonl file, the string under "prompt" in each line. */
import { SinterError } from "../../../runtime/base/errors.ts";
import { linesOf, type Line } from "../../../runtime/base/lines.ts";
import { isStandardInput, readText } from "./input.ts";
import type { Io } from "./io.ts";

const MOST_BYTES = 64 << 20;

export interface Prompt {
  readonly prompt: string;
  /** "questions.txt, line 4"; undefined: from the command line. */
  readonly from: string | undefined;
}

/** Empty lines are no prompts, but they count for the numbers of lines. */
export function readPrompts(file: string, io: Io): readonly Prompt[] {
  const name = isStandardInput(file) ? "standard input" : file;
  const lines = linesOf(readText(file, io, MOST_BYTES)).filter(({ text }) => text.trim() !== "");
  if (lines.length === 0) throw new SinterError("input", `${name} holds no prompt`);
  const prompt = file.endsWith(".jsonl") ? promptOf : ({ text }: Line): string => text;
  return lines.map((line) => {
    const from = `${name}, line ${line.number}`;
    return { prompt: prompt(line, from), from };
  });
}

function promptOf({ text }: Line, from: string): string {
  const wrong = (why: string): SinterError =>
    new SinterError("input", `${from}: ${why}`, 'every line is an object such as {"prompt": "text"}');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw wrong((cause as Error).message);
  }
  const isObject = typeof value === "object" && value !== null;
  const prompt = isObject ? (value as { prompt?: unknown }).prompt : undefined;
  if (typeof prompt !== "string") throw wrong('there is no text under "prompt"');
  return prompt.toWellFormed(); // half a pair of surrogates is no character: U+FFFD, as in UTF-8
}

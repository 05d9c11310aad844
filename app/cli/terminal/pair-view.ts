/** Two answers to a prompt as text: side by side where there is room for it, else one above the other. */
import { widthOf } from "../../../runtime/report/text-width.ts";
import { labelActions, type ShownPair } from "../../../runtime/train/labelling.ts";
import type { DrawnAnswer } from "../../../runtime/train/answer-pair.ts";
import type { ChatMessage } from "../../../runtime/tokenizers/chat/chat.ts";

/** From here on, two answers have room beside each other. */
const LEAST_COLUMNS = 70;
const CUT = "[cut off here: no end of its own]";

export function pairText({ prompt, pair, at }: ShownPair, of: number, columns: number): string {
  const width = columns - 1; // a full line makes some terminals begin the next one
  const head = `── ${at + 1} of ${of} `;
  const asked = prompt.flatMap((message) => wrapped(promptText(message, prompt.length), width));
  const answers = pair.map(answerText) as [string, string];
  const body = columns < LEAST_COLUMNS ? stacked(answers, width) : beside(answers, width);
  return `${[head.padEnd(width, "─"), ...asked, "", ...body].join("\n")}\n`;
}

const promptText = ({ role, content }: ChatMessage, count: number): string =>
  count === 1 ? content : `${role}: ${content}`;

const answerText = ({ text, ended }: DrawnAnswer): string => (ended ? text : `${text} ${CUT}`);

const stacked = (answers: readonly [string, string], width: number): string[] =>
  answers.flatMap((text, i) => [
    `${i === 0 ? "a ←" : "b →"}`,
    ...wrapped(text, width - 2).map((line) => `  ${line}`),
    "",
  ]);

function beside(answers: readonly [string, string], width: number): string[] {
  const each = Math.floor((width - 3) / 2);
  const [left, right] = answers.map((text, i) => [i === 0 ? "← a" : "b →", ...wrapped(text, each)]);
  const rows = Math.max(left!.length, right!.length);
  return Array.from({ length: rows }, (_, i) => {
    const line = left![i] ?? "";
    const gap = " ".repeat(each - widthOf(line));
    return `${line}${gap} │ ${right![i] ?? ""}`.trimEnd();
  }).concat("");
}

const arrows: Readonly<Record<string, string>> = { left: "←", right: "→", up: "↑", down: "↓" };

/** "← a   → b   ↑ tie   ↓ both bad   s skip …": one line that says what can be pressed. */
export const keysText = (): string =>
  Object.entries(labelActions)
    .map(
      ([
        name,
        {
          keys: [key],
        },
      ]) => `${arrows[key] ?? key} ${name.replace("_", " ")}`,
    )
    .join("   ");

/** Lines of at most `width` columns. Words longer than that are cut; line breaks of the text stay. */
export function wrapped(text: string, width: number): string[] {
  return printable(text)
    .split("\n")
    .flatMap((line) => wrappedLine(line, width));
}

function wrappedLine(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/(?<=\s)/u)) {
    let rest = word;
    if (widthOf(line + rest.trimEnd()) > width && line !== "") {
      lines.push(line.trimEnd());
      line = "";
    }
    while (widthOf(rest.trimEnd()) > width) {
      const part = cutAt(rest, width);
      lines.push(part);
      rest = rest.slice(part.length);
    }
    line += rest;
  }
  return [...lines, line.trimEnd()];
}

/** As much of a text as has room; one character at least. */
function cutAt(text: string, width: number): string {
  let part = "";
  for (const character of text) {
    if (part !== "" && widthOf(part + character) > width) break;
    part += character;
  }
  return part;
}

/** A model may write anything: what would steer the terminal is shown as a sign (U+2400 and following). */
const printable = (text: string): string =>
  text
    .replaceAll("\r\n", "\n")
    .replaceAll("\t", "    ")
    .replace(/[\0-\x09\x0b-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\u2421");

/** The text that a run learns from, or is evaluated on. */
import { builtinText } from "../../../runtime/train/sources/builtin-text.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { MAX_TEXT_BYTES } from "../../../runtime/base/text.ts";
import { isStandardInput, readText } from "../terminal/input.ts";
import { pathFrom, type Io } from "../terminal/io.ts";

/** The path as run.json records it: absolute; "-" is standard input. */
export const dataPath = (given: string, io: Io): string =>
  isStandardInput(given) ? given : pathFrom(io, given);

/** `path`: from `dataPath`; undefined: the built-in text. */
export function readData(path: string | undefined, io: Io): string {
  if (path === undefined) return builtinText();
  const text = readText(path, io, MAX_TEXT_BYTES, { hint: "Check the path." });
  if (text !== "") return text;
  const name = isStandardInput(path) ? "standard input" : path;
  throw new SinterError("input", `${name} is empty`, "Training needs text.");
}

/** The text of a run that goes on, or is evaluated on its own text. `path`: what its record says. */
export function readDataAgain(path: string | undefined, io: Io): string {
  if (path !== undefined && isStandardInput(path))
    throw new SinterError(
      "input",
      "the text of this run came from standard input, which is not kept",
      "Give the same text again: --data FILE, or --data - and the text through a pipe.",
    );
  return readData(path, io);
}

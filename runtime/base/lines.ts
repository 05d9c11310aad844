/**
 * Splits text into lines as their writer meant them: at \n or \r\n and nowhere else. U+2028, U+0085 and a
 * lone \r stay within a line. (Some libraries break lines there, and so make two messages of one.)
 */
import { concat } from "./bytes.ts";
import { SinterError } from "./errors.ts";
import { textOf } from "./text.ts";

export interface Line {
  readonly text: string;
  /** The line's number, from 1. Empty lines count. */
  readonly number: number;
}

export const linesOf = (text: string): Line[] =>
  text.split(/\r?\n/).map((line, i) => ({ text: line, number: i + 1 }));

/** A line, or the reason why it cannot be used. */
export type ReadLine = Line | { readonly wrong: SinterError; readonly number: number };

export interface LineLimits {
  /** The longest line that is used, in bytes. The bytes of a longer line are skipped. */
  readonly most: number;
  /** After so many bytes, the line is considered to have no end. */
  readonly endless: number;
}

const LINE_END = 10;
const RETURN = 13;

/**
 * The lines of a stream of bytes, however the stream is cut into chunks. A byte order mark before the first
 * line is dropped. Throws SinterError "input" when a line has no end.
 */
export async function* lineStream(
  chunks: AsyncIterable<Uint8Array>,
  limits: LineLimits,
): AsyncGenerator<ReadLine> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  let number = 1;
  const add = (piece: Uint8Array): void => {
    bytes += piece.length;
    if (bytes > limits.endless)
      throw new SinterError(
        "input",
        `line ${number} has no end: ${limits.endless} bytes came`,
        "A line ends with a line break.",
      );
    if (bytes <= limits.most) pieces.push(piece);
    else pieces = [];
  };
  const take = (): ReadLine => {
    const line = read(concat(pieces), bytes, number, limits.most);
    pieces = [];
    bytes = 0;
    number++;
    return line;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, from)) {
      add(chunk.subarray(from, end));
      yield take();
      from = end + 1;
    }
    if (from < chunk.length) add(chunk.slice(from)); // a copy, since a stream may reuse its memory
  }
  if (bytes > 0) yield take();
}

function read(line: Uint8Array, length: number, number: number, most: number): ReadLine {
  const tooLong = `it has ${length} bytes; at most ${most} are taken as one message`;
  if (length > most) return { number, wrong: new SinterError("input", tooLong, "Shorten it.") };
  try {
    const whole = line.at(-1) === RETURN ? line.subarray(0, -1) : line;
    return { number, text: textOf(whole, "it", { keepMark: number > 1 }) };
  } catch (error) {
    if (error instanceof SinterError) return { number, wrong: error };
    throw error;
  }
}

/**
 * A place in a text: UTF-16 offsets, `end` is exclusive. `of` is missing for the spec itself, and there for
 * the command line (`--set`).
 */
export interface Source {
  /** What `-->` shows: a file name, or "--set". */
  readonly name: string;
  readonly text: string;
}

export interface Span {
  readonly start: number;
  readonly end: number;
  readonly of?: Source;
}

export const covering = (first: Span, last: Span): Span => ({ ...first, end: Math.max(first.end, last.end) });

export interface Position {
  /** Both from 1; columns count code points. */
  readonly line: number;
  readonly column: number;
  /** The whole line, without its end. */
  readonly text: string;
  /** Offset of the line's first character. */
  readonly lineStart: number;
}

const LINE_END = /\r\n|\n|\r/g;

export function positionOf(text: string, offset: number): Position {
  const at = Math.max(0, Math.min(offset, text.length));
  let line = 1;
  let lineStart = 0;
  let lineEnd = text.length;
  for (const end of text.matchAll(LINE_END)) {
    const next = end.index + end[0].length;
    if (next > at) {
      lineEnd = end.index;
      break;
    }
    line++;
    lineStart = next;
  }
  return {
    line,
    column: Array.from(text.slice(lineStart, at)).length + 1,
    text: text.slice(lineStart, lineEnd),
    lineStart,
  };
}

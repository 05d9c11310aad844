/** Edits of a text: what comes out, and where a place has gone. They are in order and do not overlap. */
import type { Edit } from "../diagnostics/report.ts";

export function applied(text: string, edits: readonly Edit[]): string {
  let result = "";
  let from = 0;
  for (const { span, text: inserted } of edits) {
    result += text.slice(from, span.start) + inserted;
    from = span.end;
  }
  return result + text.slice(from);
}

/** Where a place is afterwards; the beginning of what is replaced stays the beginning. */
export function moved(at: number, edits: readonly Edit[]): number {
  let by = 0;
  for (const { span, text } of edits) if (span.start < at) by += text.length - (span.end - span.start);
  return at + by;
}

/**
 * One text made into another: what differs between their common beginning and end. Undefined: nothing does.
 */
export function difference(before: string, after: string): Edit | undefined {
  if (before === after) return undefined;
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start++;
  let tail = 0;
  while (tail < most - start && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  if (isInside(before, start)) start--;
  if (isInside(before, before.length - tail)) tail--;
  return {
    span: { start, end: before.length - tail },
    text: after.slice(start, after.length - tail),
  };
}

/** Between the halves of a character, or of a line's end: editors know no such place. */
const isInside = (text: string, at: number): boolean =>
  (isHigh(text.charCodeAt(at - 1)) && isLow(text.charCodeAt(at))) ||
  (text[at - 1] === "\r" && text[at] === "\n");
const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

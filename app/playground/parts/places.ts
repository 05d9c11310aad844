/** Places of a spec's text, for people. */
import type { PlacedPart } from "../../../compiler/language-service/language-service.ts";

/** The number of a place's line, from 1. */
export const lineOf = (text: string, at: number): number => text.slice(0, at).split("\n").length;

/** The part at a place: the smallest one around it. Undefined: none is. */
export function partAt(parts: readonly PlacedPart[], at: number): PlacedPart | undefined {
  const around = parts.filter(({ span }) => span.start <= at && at <= span.end);
  return around.toSorted((a, b) => a.span.end - a.span.start - (b.span.end - b.span.start))[0];
}

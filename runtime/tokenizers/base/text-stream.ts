/**
 * Turns tokens into text as they come. A token may end in the middle of a character; then its bytes wait for
 * the rest. A stop string may begin in one token and end in another, so text that may be the beginning of one
 * waits too.
 */
import { spaceCleaner } from "./clean-spaces.ts";

export interface TextStream {
  /**
   * The text that can be shown now. `stopped` is the stop string that is complete, once one is; it is not
   * part of the text.
   */
  push(bytes: Uint8Array): { readonly text: string; readonly stopped: string | undefined };
  /** The text that was still waiting. */
  end(): string;
}

/** With `cleans`, spaces before punctuation are removed (clean-spaces.ts). */
export function textStream(stops: readonly string[], cleans = false): TextStream {
  const wanted = stops.filter((stop) => stop !== "");
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const cleaner = cleans ? spaceCleaner() : undefined;
  let held = "";
  let stopped: string | undefined;
  const clean = (text: string): string => cleaner?.push(text) ?? text;
  const take = (text: string): ReturnType<TextStream["push"]> => {
    if (stopped !== undefined) return { text: "", stopped };
    held += text;
    stopped = firstOf(held, wanted);
    const shown =
      stopped === undefined ? held.length - longestBeginning(held, wanted) : held.indexOf(stopped);
    const out = held.slice(0, shown);
    held = stopped === undefined ? held.slice(shown) : "";
    return { text: out, stopped };
  };
  return {
    push: (bytes) => take(clean(decoder.decode(bytes, { stream: true }))),
    end() {
      const { text } = take(clean(decoder.decode()) + (cleaner?.end() ?? ""));
      const rest = held;
      held = "";
      return text + rest;
    },
  };
}

/** The string that begins first in the text. */
const firstOf = (text: string, strings: readonly string[]): string | undefined =>
  strings.filter((s) => text.includes(s)).toSorted((a, b) => text.indexOf(a) - text.indexOf(b))[0];

/** The length of the longest end of `text` that is a proper beginning of one of the strings. */
function longestBeginning(text: string, strings: readonly string[]): number {
  let longest = 0;
  for (const s of strings)
    for (let n = Math.min(s.length - 1, text.length); n > longest; n--)
      if (text.endsWith(s.slice(0, n))) {
        longest = n;
        break;
      }
  return longest;
}

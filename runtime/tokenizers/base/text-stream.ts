/**
 * Turns tokens into text as they come. A token may end in the middle of a character; then its bytes wait for
 * the rest. A stop string may begin in one token and end in another, so text that may be the beginning of one
 * waits too.
 */
import { spaceCleaner } from "./clean-spaces.ts";

export interface TextStream {
  /**
   * The text that can be shown now. `stopped` is true once a stop string is complete; that string is not part
   * of the text.
   */
  push(bytes: Uint8Array): { readonly text: string; readonly stopped: boolean };
  /** The text that was still waiting. */
  end(): string;
}

/** With `cleans`, spaces before punctuation are removed (clean-spaces.ts). */
export function textStream(stops: readonly string[], cleans = false): TextStream {
  const wanted = stops.filter((stop) => stop !== "");
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const cleaner = cleans ? spaceCleaner() : undefined;
  let held = "";
  let stopped = false;
  const clean = (text: string): string => cleaner?.push(text) ?? text;
  const take = (text: string): { text: string; stopped: boolean } => {
    if (stopped) return { text: "", stopped };
    held += text;
    const at = firstOf(held, wanted);
    stopped = at >= 0;
    const shown = stopped ? at : held.length - longestBeginning(held, wanted);
    const out = held.slice(0, shown);
    held = stopped ? "" : held.slice(shown);
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

/** Where the first of the strings begins, or −1. */
function firstOf(text: string, strings: readonly string[]): number {
  const positions = strings.map((s) => text.indexOf(s)).filter((at) => at >= 0);
  return positions.length === 0 ? -1 : Math.min(...positions);
}

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

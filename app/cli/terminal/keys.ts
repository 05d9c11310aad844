/**
 * What a person presses, as names: keys of a terminal at once ("left", "a", "ctrl-c"), or words, a line each,
 * where there is none.
 */
import type { ReadStream } from "node:tty";
import { lineStream } from "../../../runtime/base/lines.ts";

export const CTRL_C = "ctrl-c";

const named: Readonly<Record<string, string>> = {
  "\u001b[A": "up",
  "\u001b[B": "down",
  "\u001b[C": "right",
  "\u001b[D": "left",
  "\u0003": CTRL_C,
  "\u0004": "q", // the end of the input, as Ctrl-D means it
};

/** An escape sequence, or a character. With application keys, arrows are ESC O A instead of ESC [ A. */
const PRESSED = /\u001b[[O][0-9;]*[A-Za-z~]|[^]/gu;

/** The names of the keys in what a terminal has sent. */
export const keysIn = (sent: string): string[] =>
  Array.from(sent.matchAll(PRESSED), ([key]) => named[key.replace("\u001bO", "\u001b[")] ?? key);

export interface KeySource {
  readonly keys: AsyncIterable<string>;
  /** They are words of a script: each is for what is shown when its turn has come, however early it came. */
  readonly areWords: boolean;
  /** Gives the input back as it was. */
  close(): void;
}

/** The keys of a terminal, at once. */
export function terminalKeys(stream: ReadStream): KeySource {
  stream.setRawMode(true);
  stream.setEncoding("utf8");
  async function* keys(): AsyncGenerator<string> {
    for await (const sent of stream) yield* keysIn(sent as string);
  }
  return { keys: keys(), areWords: false, close: () => void stream.setRawMode(false) };
}

/** Lines that are longer than any word are cut short and mean nothing. */
const limits = { most: 1000, endless: 1 << 20 };

/** The words of an input, one a line. */
export function wordsOf(input: AsyncIterable<Uint8Array>): KeySource {
  async function* words(): AsyncGenerator<string> {
    for await (const line of lineStream(input, limits)) {
      const word = "wrong" in line ? "…" : line.text.trim();
      if (word !== "") yield word;
    }
  }
  return { keys: words(), areWords: true, close: () => undefined };
}

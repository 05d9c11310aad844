/** Tokens as people can read them, one by one. */
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";

export interface ShownToken {
  readonly id: number;
  readonly text: string;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** What a token adds to a text, with signs for what is not seen; bytes that are no character as <E2>. */
export function shownToken(tokenizer: Tokenizer, id: number): ShownToken {
  if (id >= tokenizer.size || tokenizer.absent?.has(id)) return { id, text: `<${id}>` };
  const bytes = tokenizer.bytes(id);
  try {
    return { id, text: visible(decoder.decode(bytes)) };
  } catch {
    return { id, text: [...bytes].map((b) => `<${b.toString(16).toUpperCase().padStart(2, "0")}>`).join("") };
  }
}

const signs: Readonly<Record<string, string>> = { " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍" };
const visible = (text: string): string =>
  text.replace(/[ \n\t\r]/g, (c) => signs[c]!).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "�");

/**
 * A tokenizer with one token per Unicode character (code point) of the training text, in the order of code
 * points: nanoGPT's tokenizer for Shakespeare. The run stores the vocabulary as a JSON array of strings in
 * characters.json. Special tokens are the last entries: <|endoftext|>, which begins and ends each document of
 * models that are trained on documents, and the marks of a chat format.
 */
import { SinterError } from "../../base/errors.ts";
import { isSpecialName, specialsBehind } from "../base/plain-specials.ts";
import { bytesFrom, characterByCharacter, type Tokenizer } from "../base/tokenizer.ts";

export const CHARACTERS_FILE = "characters.json";

/** The characters of a text, sorted by code point. */
export function charactersOf(text: string): string[] {
  const seen = new Set<number>();
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i)!;
    if (code > 0xffff) i++;
    seen.add(code);
  }
  return [...seen].sort((a, b) => a - b).map((code) => String.fromCodePoint(code));
}

/** The last of `characters` may be the names of special tokens. */
export function characterTokenizer(characters: readonly string[]): Tokenizer {
  const special = characters.filter(isSpecialName);
  const own = characters.slice(0, characters.length - special.length);
  const ids = new Map(own.map((character, id) => [character.codePointAt(0)!, id]));
  const encoder = new TextEncoder();
  const table = characters.map((character) => encoder.encode(character));
  const encode = (text: string): number[] => {
    const out: number[] = [];
    for (let i = 0; i < text.length; i++) {
      const code = text.codePointAt(i)!;
      const id = ids.get(code);
      if (id === undefined) throw unknown(text, i, code);
      if (code > 0xffff) i++;
      out.push(id);
    }
    return out;
  };
  return {
    name: "characters",
    size: characters.length,
    encodeInParts: characterByCharacter(encode),
    bytes: bytesFrom(table),
    ...specialsBehind(special, own.length, encode),
    files: new Map([[CHARACTERS_FILE, encoder.encode(JSON.stringify(characters))]]),
  };
}

export function parseCharacters(text: string, from: string): readonly string[] {
  const bad = (why: string): SinterError =>
    new SinterError(
      "corrupt",
      `${from}: ${why}`,
      "It is a JSON array of different single characters, and special tokens behind them.",
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad((cause as Error).message);
  }
  if (!Array.isArray(value) || value.length === 0) throw bad("not a list of characters");
  const first = value.findIndex((c) => typeof c === "string" && isSpecialName(c));
  const isSpecial = (c: string, i: number): boolean => first > 0 && i >= first && isSpecialName(c);
  for (const [i, c] of value.entries())
    if (typeof c !== "string" || ([...c].length !== 1 && !isSpecial(c, i)))
      throw bad(`entry ${i} is not one character`);
  if (first > 0 && value.slice(first).some((c) => !isSpecialName(c as string)))
    throw bad("a character stands behind special tokens");
  if (new Set(value).size !== value.length) throw bad("a character stands there twice");
  return value as string[];
}

function unknown(text: string, at: number, code: number): SinterError {
  const hex = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  const where = text.includes("\n") ? `line ${text.slice(0, at).split("\n").length}` : "the text";
  const shown = JSON.stringify(String.fromCodePoint(code));
  return new SinterError(
    "input",
    `${where} has ${shown} (${hex}), which is not in the vocabulary of the training text`,
    "Take the character out, or train with a text that has it, or with `tokenizer bytes`.",
  );
}

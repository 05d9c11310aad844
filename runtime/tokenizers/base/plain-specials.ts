/**
 * Special tokens of tokenizers that have nothing but bytes or characters: they stand behind all others.
 * `<|endoftext|>` begins and ends every document; the others are marks of a chat format.
 */
import { segmentsAt } from "./added-tokens.ts";
import { endsTurn } from "./special-roles.ts";
import { END_OF_TEXT, type Tokenizer } from "./tokenizer.ts";

type Specials = Pick<Tokenizer, "special" | "beginOfText" | "endOfText" | "stops" | "addsSpace" | "encode">;

/** What such a name looks like, so that it is told from a character: "<|user|>". */
export const isSpecialName = (text: string): boolean => /^<\|\w{1,60}\|>$/.test(text);

/** `names` have the ids from `first` on; `encode` is for text without any of them. */
export function specialsBehind(
  names: readonly string[],
  first: number,
  encode: (text: string) => number[],
): Specials {
  const special = new Map(names.map((name, i) => [name, first + i]));
  const end = special.get(END_OF_TEXT);
  const stops = [END_OF_TEXT, ...endsTurn].flatMap((name) => special.get(name) ?? []);
  const segments = segmentsAt(names.map((name, i) => ({ name, id: first + i, special: true })));
  return {
    special,
    beginOfText: end,
    endOfText: end,
    stops: new Set(stops),
    addsSpace: false,
    encode: (text, { special: named = false } = {}) =>
      names.length === 0
        ? encode(text)
        : segments(text, named).flatMap((part) => (typeof part === "number" ? [part] : encode(part.text))),
  };
}

/** The tokenizers that need no files: bytes, and the characters of the text that is learnt from. */
import { SinterError } from "../../base/errors.ts";
import type { Model, TrainSettings } from "../../contract/model.ts";
import { END_OF_TEXT, type Tokenizer } from "../../tokenizers/base/tokenizer.ts";
import { byteTokenizer } from "../../tokenizers/plain/bytes.ts";
import { charactersOf, characterTokenizer } from "../../tokenizers/plain/characters.ts";
import { documentTexts } from "./documents.ts";

/**
 * Undefined: the model's tokenizer has files. Throws `input` where the text has more characters than the
 * model has tokens.
 */
export function plainTokenizer(
  { tokenizer, sizes, train: { rows } }: Pick<Model, "tokenizer" | "sizes" | "train">,
  text: string,
): Tokenizer | undefined {
  if (tokenizer === "characters") return charactersWithin(text, sizes.vocab, rows);
  if (tokenizer === "bytes") return byteTokenizer({ ends: rows === "documents" });
  return undefined;
}

/**
 * A tokenizer of the text's characters. Where rows are documents, of the characters in them, and of one token
 * more, which begins and ends each document.
 */
function charactersWithin(text: string, vocab: number, rows: TrainSettings["rows"]): Tokenizer {
  const ends = rows === "documents";
  const characters = charactersOf(ends ? documentTexts(text).texts.join("") : text);
  const size = characters.length + (ends ? 1 : 0);
  if (size > vocab)
    throw new SinterError(
      "input",
      `the text has ${characters.length} different characters` +
        `${ends ? ", and a document's end is a token too" : ""}; the model's vocabulary is ${vocab}`,
      `Set vocab ${size}, for example with --set vocab=${size}; or give a text that has fewer: --data FILE`,
    );
  return characterTokenizer(ends ? [...characters, END_OF_TEXT] : characters);
}

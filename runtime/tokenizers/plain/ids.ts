/**
 * The tokenizer of models that came without one: the text is a list of ids, whole numbers with white space
 * between them.
 */
import { SinterError } from "../../base/errors.ts";
import { MAX_TOKENS } from "../base/tiktoken.ts";
import { bytesFrom, nothingSpecial, type Tokenizer } from "../base/tokenizer.ts";

/** The number of ids, as a JSON number. */
export const IDS_FILE = "ids.json";

export function idTokenizer(size: number): Tokenizer {
  const encoder = new TextEncoder();
  const table = Array.from({ length: size }, (_, id) => encoder.encode(` ${id}`));
  const encode = (text: string): number[] =>
    [...text.matchAll(/\S+/gu)].map(({ 0: word, index }) => {
      const id = /^\d+$/.test(word) ? Number(word) : NaN;
      if (!(id < size))
        throw new SinterError(
          "input",
          `${JSON.stringify(word.slice(0, 40))}, at character ${index} of the text, is no id from 0 to ` +
            `${size - 1}`,
          'This model has no tokenizer: write ids, such as "12 7 3".',
        );
      return id;
    });
  return {
    name: "ids",
    size,
    encode,
    bytes: bytesFrom(table),
    ...nothingSpecial,
    files: new Map([[IDS_FILE, encoder.encode(`${size}\n`)]]),
  };
}

export function parseIds(bytes: Uint8Array, from: string): Tokenizer {
  const text = new TextDecoder().decode(bytes.subarray(0, 20)).trim();
  const size = Number(text);
  if (!/^\d+$/.test(text) || size < 1 || size > MAX_TOKENS)
    throw new SinterError("corrupt", `${from}: a number from 1 to ${MAX_TOKENS} was expected`);
  return idTokenizer(size);
}

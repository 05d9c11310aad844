/**
 * A tokenizer with more special tokens, behind those that it has: marks of a chat format, a token that ends
 * texts. Text never becomes one of them. Where the model's table has no rows for them, it has to grow.
 */
import { SinterError } from "../base/errors.ts";
import { parseJson } from "../tokenizers/base/json-fields.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { CONFIG_FILE, MAX_JSON_BYTES } from "../tokenizers/json/read-tokenizer-json.ts";
import { byteTokenizer } from "../tokenizers/plain/bytes.ts";
import { CHARACTERS_FILE, characterTokenizer, parseCharacters } from "../tokenizers/plain/characters.ts";
import { SENTENCEPIECE_FILE } from "../tokenizers/published/sentencepiece-file.ts";
import { readTokenizer, type OtherJson } from "../tokenizers/tokenizer-files.ts";
import { heldFiles } from "./held-files.ts";

/**
 * `names` are those of tokens that the tokenizer lacks. `other` reads those tokenizer.json files that the
 * runtime does not read itself. Throws SinterError "input" where the tokenizer's files can hold no more
 * tokens.
 */
export async function withTokens(
  tokenizer: Tokenizer,
  names: readonly string[],
  other?: OtherJson,
): Promise<Tokenizer> {
  if (names.length === 0) return tokenizer;
  const special = [...tokenizer.special].sort(([, a], [, b]) => a - b).map(([name]) => name);
  switch (tokenizer.name) {
    case "bytes":
      return byteTokenizer({ special: [...special, ...names] });
    case "characters": {
      const file = new TextDecoder().decode(tokenizer.files.get(CHARACTERS_FILE));
      return characterTokenizer([...parseCharacters(file, CHARACTERS_FILE), ...names]);
    }
    case "json":
    case "gpt2":
      return readAgain(tokenizer, names, other);
    case "llama2":
    case "sentencepiece":
      if (tokenizer.files.has(SENTENCEPIECE_FILE)) return readAgain(tokenizer, names, other);
      break;
    case "llama3":
    case "ids":
      break;
  }
  throw new SinterError(
    "input",
    `the ${tokenizer.name} tokenizer has no ${names.join(", ")}, and its files can hold no more tokens`,
    tokenizer.endOfText === undefined
      ? "Use a tokenizer that has them."
      : "Use a --chat-format that needs none: alpaca, or none. Their answers end with the end of the text.",
  );
}

/** Adds the tokens to tokenizer_config.json, which all readers of these tokenizers heed. */
async function readAgain(
  tokenizer: Tokenizer,
  names: readonly string[],
  other: OtherJson | undefined,
): Promise<Tokenizer> {
  const config = tokenizer.files.get(CONFIG_FILE);
  const root = (config ? parseJson(config, CONFIG_FILE, MAX_JSON_BYTES).value : {}) as Config;
  const added = Object.fromEntries(names.map((name, i) => [`${tokenizer.size + i}`, asAdded(name)]));
  const listed = root.added_tokens_decoder ?? specialOf(tokenizer);
  const more = { ...root, added_tokens_decoder: { ...listed, ...added } };
  const files = new Map(tokenizer.files);
  files.set(CONFIG_FILE, new TextEncoder().encode(`${JSON.stringify(more, null, 1)}\n`));
  const held = heldFiles(new Map([...files].map(([name, bytes]) => [`t/${name}`, new Uint8Array(bytes)])));
  const grown = await readTokenizer(held, "t", tokenizer.name, other);
  const lost = names.find((name, i) => grown.special.get(name) !== tokenizer.size + i);
  if (lost === undefined) return grown;
  throw new SinterError("input", `the ${tokenizer.name} tokenizer does not take ${lost} as a token`);
}

interface Config {
  readonly added_tokens_decoder?: Readonly<Record<string, object>>;
}

const asAdded = (name: string): object => ({
  content: name,
  lstrip: false,
  normalized: false,
  rstrip: false,
  single_word: false,
  special: true,
});

/** The special tokens that the tokenizer has, where no list of them has been written down yet. */
const specialOf = ({ special }: Tokenizer): Readonly<Record<string, object>> =>
  Object.fromEntries([...special].map(([name, id]) => [`${id}`, asAdded(name)]));

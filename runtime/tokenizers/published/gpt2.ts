/**
 * GPT-2's tokenizer (Radford et al. 2019): 256 bytes, 50,000 merges and <|endoftext|>. It is made from the
 * two published files, encoder.json (ids by name) and vocab.bpe (merges in the order of their ranks).
 */
import { SinterError } from "../../base/errors.ts";
import type { AddedToken } from "../base/added-tokens.ts";
import { byteCharacters, bytesOfName } from "../base/byte-level.ts";
import { behind, withMore } from "../base/behind-vocabulary.ts";
import { byteLevelTokenizer } from "../json/byte-level-bpe.ts";
import { PairTable } from "../bpe/pair-table.ts";
import { END_OF_TEXT, type Tokenizer } from "../base/tokenizer.ts";

export const GPT2_FILES = ["encoder.json", "vocab.bpe"] as const;

/**
 * Throws a SinterError that names the file and the entry that is wrong. `added` are tokens that may stand
 * behind the vocabulary.
 */
export function gpt2Tokenizer(
  encoderJson: Uint8Array,
  vocabBpe: Uint8Array,
  added: readonly AddedToken[] = [],
): Tokenizer {
  const ids = parseEncoder(encoderJson);
  const tokens: Uint8Array[] = [];
  const utf8 = new TextEncoder();
  for (const [name, id] of ids) tokens[id] = bytesOfName(name) ?? utf8.encode(name);
  for (const character of byteCharacters) idOf(ids, character); // all 256 have to be there
  const end = ids.get(END_OF_TEXT);
  const more = behind(added, tokens.length);
  return byteLevelTokenizer({
    name: "gpt2",
    tokens: withMore(tokens, more),
    pieces: ["gpt2"],
    merges: parseMerges(vocabBpe, ids),
    added: [...(end === undefined ? [] : [{ name: END_OF_TEXT, id: end, special: true }]), ...more],
    beginOfText: undefined,
    endOfText: end,
    files: new Map([
      [GPT2_FILES[0], encoderJson],
      [GPT2_FILES[1], vocabBpe],
    ]),
  });
}

const bad = (file: string, why: string): SinterError =>
  new SinterError(
    "corrupt",
    `${file}: ${why}`,
    "Use the encoder.json and vocab.bpe that were published with GPT-2.",
  );

function idOf(ids: ReadonlyMap<string, number>, name: string): number {
  const id = ids.get(name);
  if (id === undefined) throw bad("encoder.json", `no token ${JSON.stringify(name)}`);
  return id;
}

/** The ids by name: 0 … n − 1, each once. */
function parseEncoder(bytes: Uint8Array): ReadonlyMap<string, number> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw bad("encoder.json", (cause as Error).message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw bad("encoder.json", "not an object of names and ids");
  const ids = new Map<string, number>(Object.entries(value));
  const seen = new Uint8Array(ids.size);
  for (const [name, id] of ids) {
    if (!Number.isInteger(id) || id < 0 || id >= ids.size)
      throw bad(
        "encoder.json",
        `${JSON.stringify(name)} has id ${JSON.stringify(id)}; ids are 0 … ${ids.size - 1}`,
      );
    if (seen[id]!++) throw bad("encoder.json", `id ${id} is given twice`);
  }
  return ids;
}

function parseMerges(bytes: Uint8Array, ids: ReadonlyMap<string, number>): PairTable {
  const lines = new TextDecoder()
    .decode(bytes)
    .split(/\r?\n/)
    .filter((line, i) => line !== "" && !(i === 0 && line.startsWith("#version")));
  const pairs = new PairTable(lines.length);
  for (const [i, line] of lines.entries()) {
    const [left, right, more] = line.split(" ");
    if (!left || !right || more !== undefined)
      throw bad("vocab.bpe", `merge ${i + 1} is not two names: ${JSON.stringify(line.slice(0, 40))}`);
    pairs.add(idOf(ids, left), idOf(ids, right), i, idOf(ids, left + right));
  }
  return pairs;
}

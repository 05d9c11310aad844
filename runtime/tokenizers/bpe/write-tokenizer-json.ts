/** Writes a trained BPE as a tokenizer.json (huggingface/tokenizers), which other tools read too. */
import { byteCharacters } from "../base/byte-level.ts";
import { pieceRules, type PieceRuleName } from "./pieces.ts";
import type { TrainedBpe } from "./train-bpe.ts";

/** The flags of an added token that is found in the text as it is, wherever it stands. */
export const plainAddedToken = {
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
} as const;

/** The `model` of a byte-level BPE. `names` are the tokens by id, in GPT-2's alphabet. */
export const bpeModelJson = (
  names: readonly string[],
  merges: readonly (string | readonly string[])[],
  ignoreMerges: boolean,
): object => ({
  type: "BPE",
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: ignoreMerges,
  vocab: Object.fromEntries(names.map((name, id) => [name, id])),
  merges,
});

export function tokenizerJson({ special, tokens, merges }: TrainedBpe, rule: PieceRuleName): string {
  const names = tokens.map(
    (bytes, id) => special[id] ?? Array.from(bytes, (byte) => byteCharacters[byte]!).join(""),
  );
  const byteLevel = {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: rule === "gpt2",
  };
  const split = {
    type: "Split",
    pattern: { Regex: pieceRules[rule].published[0] },
    behavior: "Isolated",
    invert: false,
  };
  const file = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({ id, content, ...plainAddedToken, special: true })),
    normalizer: null,
    pre_tokenizer: rule === "gpt2" ? byteLevel : { type: "Sequence", pretokenizers: [split, byteLevel] },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: bpeModelJson(
      names,
      merges.map(([left, right]) => [names[left]!, names[right]!]),
      false,
    ),
  };
  return `${JSON.stringify(file, null, 1)}\n`;
}

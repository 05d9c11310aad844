/**
 * The metadata keys of a tokenizer in GGUF files (github.com/ggml-org/ggml, docs/gguf.md;
 * github.com/ggml-org/llama.cpp, gguf-py/gguf/constants.py).
 */
import { none, read, refused, type KeyTable } from "../../base/known-keys.ts";

const MIDDLE = "text is not filled into a middle here";
const OTHER_TOKENIZER = "Name another tokenizer: --tokenizer PATH";

/** A key that is refused here costs the file its tokenizer, not its model. */
export const ggufTokenizerKeys = {
  "tokenizer.ggml.model": read("the kind: byte-level BPE, sentencepiece, byte strings", "bert"),
  "tokenizer.ggml.pre": read("the pre-tokenizer", "deepseek-llm"),
  "tokenizer.ggml.tokens": read("names, or pieces", undefined),
  "tokenizer.ggml.token_type": read("kinds: special, added, unused, bytes", undefined),
  "tokenizer.ggml.scores": read("scores of pieces", undefined),
  "tokenizer.ggml.merges": read("merges in order of rank", undefined),
  "tokenizer.ggml.bos_token_id": read("begins a text, where one does", 0),
  "tokenizer.ggml.eos_token_id": read("ends a text", 0),
  "tokenizer.ggml.eot_token_id": read("ends a turn", 0),
  "tokenizer.ggml.eom_token_id": read("ends a message", 0),
  "tokenizer.ggml.add_bos_token": read("whether bos_token begins every text", true),
  "tokenizer.ggml.add_space_prefix": read("sentencepiece: a space before the text", false),
  "tokenizer.sinter.special_tokens": read("names of the last tokens of bytes and characters", undefined),
  "tokenizer.chat_template": read("how a conversation is written", "{{ messages[0].content }}"),
  "tokenizer.chat_template.*": read(
    "a template with a name of its own; kept, and not used",
    "{{ messages[0].content }}",
  ),

  "tokenizer.ggml.remove_extra_whitespaces": refused(
    "its normalizer removes spaces",
    [false],
    true,
    OTHER_TOKENIZER,
  ),
  "tokenizer.ggml.precompiled_charsmap": refused(
    "its normalizer has a table of its own",
    isEmpty,
    [1, 2],
    OTHER_TOKENIZER,
  ),
  "tokenizer.ggml.escape_whitespaces": refused(
    "it does not write spaces as ▁",
    [true],
    false,
    OTHER_TOKENIZER,
  ),
  "tokenizer.ggml.add_sep_token": refused("a token stands behind every text", [false], true, OTHER_TOKENIZER),
  "tokenizer.ggml.normalizer.*": refused(
    "its letters are changed before anything else",
    [false],
    true,
    OTHER_TOKENIZER,
  ),

  "tokenizer.ggml.add_eos_token": none("a prompt goes on, and documents end in eos_token anyway"),
  "tokenizer.ggml.unknown_token_id": none("token_type says which is unknown"),
  "tokenizer.ggml.padding_token_id": none("nothing is padded with it"),
  "tokenizer.ggml.seperator_token_id": none("for models that classify"),
  "tokenizer.ggml.separator_token_id": none("for models that classify"),
  "tokenizer.ggml.cls_token_id": none("for models that classify"),
  "tokenizer.ggml.mask_token_id": none("for models that fill gaps"),
  "tokenizer.ggml.token_type_count": none("for models that classify"),
  "tokenizer.ggml.prefix_token_id": none(MIDDLE),
  "tokenizer.ggml.suffix_token_id": none(MIDDLE),
  "tokenizer.ggml.middle_token_id": none(MIDDLE),
  "tokenizer.ggml.fim_*_token_id": none(MIDDLE),
  "tokenizer.ggml.added_tokens": none("they stand in tokens and token_type too"),
  "tokenizer.huggingface.json": none("the tables beside it are read"),
  "tokenizer.rwkv.world": none("the tables beside it are read"),
  "tokenizer.chat_templates": none("names of the templates that follow"),
} satisfies KeyTable;

function isEmpty(value: unknown): boolean {
  return (
    (Array.isArray(value) && value.length === 0) ||
    (typeof value === "object" && value !== null && (value as { count?: unknown }).count === 0)
  );
}

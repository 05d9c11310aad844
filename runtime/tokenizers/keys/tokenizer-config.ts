/**
 * The keys of tokenizer_config.json, special_tokens_map.json and added_tokens.json
 * (huggingface.co/docs/transformers: PreTrainedTokenizerBase and the tokenizers of Llama, GPT-2 and Qwen 2).
 */
import { none, read, refused, type KeyTable } from "../../base/known-keys.ts";

const PADDED = "texts are not padded or cut here";
const CLASSES = "for models that classify or fill gaps";
const NAMES = "where the file comes from";
const INSIDE = "tokenizer.json says it";
const MIDDLE = "text is not filled into a middle here";
const MEDIA = "for pictures and sounds";
const OTHER_TOKENIZER = "Name another tokenizer: --tokenizer PATH";

export const tokenizerConfigKeys = {
  bos_token: read("the token that begins a text, where one does", "</s>"),
  eos_token: read("the token that ends a text", "<s>"),
  add_bos_token: read("whether bos_token begins every text", true),
  add_prefix_space: read("said where the tokenizer does otherwise", true),
  legacy: read("tokenizer.model: false puts a space before the text alone, not behind special tokens", false),
  added_tokens_decoder: read("tokens behind the vocabulary, by id", {
    259: { content: "<|more|>", special: true },
  }),
  additional_special_tokens: read("named where the tokenizer lacks them", ["<|lacking|>"]),
  extra_special_tokens: read("named where the tokenizer lacks them", ["<|lacking|>"]),
  chat_template: read("how a conversation is written", "{{ messages[0].content }}"),
  clean_up_tokenization_spaces: read("decoded text loses the spaces before its punctuation", true),
  tokenizer_class: read("which vocab.json and tokenizer.model are read", "T5Tokenizer"),

  split_special_tokens: refused("special tokens are cut up like other text", [false], true, OTHER_TOKENIZER),
  errors: refused(
    "bytes that are no text are treated in another way",
    ["replace"],
    "strict",
    OTHER_TOKENIZER,
  ),
  sp_model_kwargs: refused(
    "sentencepiece is told to do otherwise",
    isEmptyObject,
    { enable_sampling: true },
    OTHER_TOKENIZER,
  ),
  add_dummy_prefix_space: refused(
    "a space before the text is added by other means",
    [false],
    true,
    OTHER_TOKENIZER,
  ),
  do_lower_case: refused(
    "letters are made small before anything else",
    (value) => value === false,
    true,
    OTHER_TOKENIZER,
  ),

  add_eos_token: none("a prompt goes on, and documents end in eos_token anyway"),
  unk_token: none("what is unknown is the vocabulary's to say"),
  pad_token: none(PADDED),
  mask_token: none(CLASSES),
  cls_token: none(CLASSES),
  sep_token: none(CLASSES),
  eod_token: none("an older name of eos_token, in Qwen's own code"),
  model_max_length: none("the context is config.json's"),
  max_len: none("the context is config.json's"),
  max_length: none(PADDED),
  stride: none(PADDED),
  padding: none(PADDED),
  truncation: none(PADDED),
  padding_side: none(PADDED),
  truncation_side: none(PADDED),
  truncation_strategy: none(PADDED),
  pad_to_multiple_of: none(PADDED),
  pad_token_type_id: none(PADDED),
  pad_token_id: none(PADDED),
  use_default_system_prompt: none("what the system is told is the template's, or --system"),
  spaces_between_special_tokens: none("for tokenizers without tokenizer.json, when special tokens are shown"),
  model_input_names: none("of its library"),
  return_token_type_ids: none("of its library"),
  init_inputs: none("of its library"),
  from_slow: none("of its library"),
  use_fast: none("of its library"),
  fast_tokenizer_files: none("of its library"),
  backend: none("of its library"),
  is_local: none(NAMES),
  local_files_only: none(NAMES),
  name_or_path: none(NAMES),
  _commit_hash: none(NAMES),
  transformers_version: none(NAMES),
  special_tokens_map_file: none(NAMES),
  tokenizer_file: none(NAMES),
  vocab_file: none(NAMES),
  merges_file: none(NAMES),
  added_tokens_file: none(NAMES),
  auto_map: none("code of its own is not run; the files count"),
  processor_class: none("of its library"),
  response_schema: none("of its library"),
  trust_remote_code: none("code of its own is not run"),
  tokenizer_type: none("a name"),
  model_type: none("a name"),
  trim_offsets: none("where tokens stand in the text is not asked for"),
  unicode_normalizer: none(INSIDE),
  strip_accents: none(INSIDE),
  tokenize_chinese_chars: none(INSIDE),
  keep_accents: none(INSIDE),
  remove_space: none(INSIDE),
  do_basic_tokenize: none(INSIDE),
  never_split: none(INSIDE),
  wordpieces_prefix: none(INSIDE),
  clean_text: none(INSIDE),
  extra_ids: none(INSIDE),
  use_regex: none(INSIDE),
  prefix_token: none(MIDDLE),
  middle_token: none(MIDDLE),
  suffix_token: none(MIDDLE),
  fill_token: none(MIDDLE),
  suffix_first: none(MIDDLE),
  eot_token: none(MIDDLE),
  fim_prefix: none(MIDDLE),
  fim_suffix: none(MIDDLE),
  fim_middle: none(MIDDLE),
  "image_*": none(MEDIA),
  "video_*": none(MEDIA),
  "audio_*": none(MEDIA),
  "vision_*": none(MEDIA),
  boi_token: none(MEDIA),
  eoi_token: none(MEDIA),
  boa_token: none(MEDIA),
  eoa_token: none(MEDIA),
  model_specific_special_tokens: none(MEDIA),
  add_special_tokens: none("of its library"),
} satisfies KeyTable;

export const specialTokensMapKeys = {
  bos_token: read("as in tokenizer_config.json", "</s>"),
  eos_token: read("as in tokenizer_config.json", "<s>"),
  additional_special_tokens: read("which tokens of added_tokens.json are special", ["<|extra|>"]),
  unk_token: none("what is unknown is the vocabulary's to say"),
  pad_token: none(PADDED),
  mask_token: none(CLASSES),
  cls_token: none(CLASSES),
  sep_token: none(CLASSES),
  eod_token: none("an older name of eos_token, in Qwen's own code"),
  prefix_token: none(MIDDLE),
  middle_token: none(MIDDLE),
  suffix_token: none(MIDDLE),
  fill_token: none(MIDDLE),
  eot_token: none(MIDDLE),
  "image_*": none(MEDIA),
  "video_*": none(MEDIA),
  "audio_*": none(MEDIA),
} satisfies KeyTable;

/** Every key is the name of a token. */
export const addedTokensKeys = { "*": read("a token behind the vocabulary", 259) } satisfies KeyTable;

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

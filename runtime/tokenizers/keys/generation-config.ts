/** The keys of generation_config.json (huggingface.co/docs/transformers, GenerationConfig). */
import { none, read, refused, type KeyTable } from "../../base/known-keys.ts";

const BEAMS = "for search in beams";
const CACHE = "how its library keeps the cache";
const DRAFTS = "drafts by a smaller model change the speed alone";
const OUTPUT = "what its library hands back";
const DRAWN = "Sinter draws a token at a time, by temperature, top_k, top_p, min_p and repeat_penalty.";

/** A refused key is named and left out, since it does not make the weights wrong. */
export const generationKeys = {
  eos_token_id: read("tokens that end a text, one or several", [3, 5]),
  do_sample: read("true: settings that are left out are the library's; false: the likeliest token", false),
  temperature: read("sample.temperature", 0.25),
  top_k: read("sample.top_k", 7),
  top_p: read("sample.top_p", 0.5),
  min_p: read("sample.min_p", 0.3),
  repetition_penalty: read("sample.repeat_penalty", 1.5),

  num_beams: refused("search in beams", [1], 4, DRAWN),
  num_beam_groups: refused("search in beams", [1], 2, DRAWN),
  diversity_penalty: refused("search in beams", [0], 0.5, DRAWN),
  constraints: refused("search in beams with words that must come", [], [{}], DRAWN),
  force_words_ids: refused("words that must come", [], [[5]], DRAWN),
  typical_p: refused("typical sampling", [1], 0.9, DRAWN),
  epsilon_cutoff: refused("a cut by probability", [0], 3e-4, DRAWN),
  eta_cutoff: refused("a cut by entropy", [0], 3e-4, DRAWN),
  top_h: refused("a cut by entropy", [], 0.4, DRAWN),
  penalty_alpha: refused("contrastive search", [0], 0.6, DRAWN),
  dola_layers: refused("logits of several layers", [], "high", DRAWN),
  guidance_scale: refused("guidance without a prompt", [1], 2, DRAWN),
  no_repeat_ngram_size: refused("sequences that may not come twice", [0], 3, DRAWN),
  encoder_no_repeat_ngram_size: refused("sequences that may not come twice", [0], 3, DRAWN),
  encoder_repetition_penalty: refused("a penalty on what is not in the prompt", [1], 2, DRAWN),
  exponential_decay_length_penalty: refused("an end that grows likelier", [], [10, 1.1], DRAWN),
  sequence_bias: refused("words that are likelier", [], { x: 1 }, DRAWN),
  bad_words_ids: refused("words that may not come", isEmpty, [[5]], DRAWN),
  suppress_tokens: refused("tokens that may not come", isEmpty, [5], DRAWN),
  begin_suppress_tokens: refused("tokens that may not come first", isEmpty, [5], DRAWN),
  forced_bos_token_id: refused("a token that comes first", [], 5, DRAWN),
  forced_eos_token_id: refused("a token that comes last", [], 5, DRAWN),
  forced_decoder_ids: refused("tokens that come first", isEmpty, [[1, 5]], DRAWN),
  min_length: refused("a text that may not end before", [0], 10, DRAWN),
  min_new_tokens: refused("a text that may not end before", [0], 10, DRAWN),
  stop_strings: refused("texts that end a text", isEmpty, ["END"], "Name them: --stop TEXT"),
  watermarking_config: refused("a watermark in the choice of tokens", [], { bias: 2 }, DRAWN),
  token_healing: refused("a prompt whose last token is drawn again", [false], true, DRAWN),

  bos_token_id: none("what begins a text is the tokenizer's to say"),
  pad_token_id: none("nothing is padded with it"),
  decoder_start_token_id: none("for models with an encoder"),
  max_length: none("how long a text gets is sample.tokens, or -n"),
  max_new_tokens: none("how long a text gets is sample.tokens, or -n"),
  max_time: none("a limit of its library"),
  length_penalty: none(BEAMS),
  early_stopping: none(BEAMS),
  num_return_sequences: none("how many texts are made"),
  renormalize_logits: none("the draw is the same"),
  remove_invalid_values: none("logits that are no numbers are an error here"),
  low_memory: none(CACHE),
  use_cache: none(CACHE),
  cache_implementation: none(CACHE),
  cache_config: none(CACHE),
  return_legacy_cache: none(CACHE),
  prefill_chunk_size: none(CACHE),
  compile_config: none(CACHE),
  disable_compile: none(CACHE),
  "continuous_batching*": none(CACHE),
  "output_*": none(OUTPUT),
  "return_*": none(OUTPUT),
  is_assistant: none(DRAFTS),
  "num_assistant_*": none(DRAFTS),
  "assistant_*": none(DRAFTS),
  prompt_lookup_num_tokens: none(DRAFTS),
  max_matching_ngram_size: none(DRAFTS),
  target_lookbehind: none(DRAFTS),
  use_mtp: none(DRAFTS),
  "mtp_*": none(DRAFTS),
  transformers_version: none("a name"),
  _from_model_config: none("where the file comes from"),
  _commit_hash: none("a name"),
  trust_remote_code: none("code of its own is not run"),
  custom_generate: none("code of its own is not run"),
  chat_format: none("a name; the chat template counts"),
  max_window_size: none("of Qwen's own code"),
  stop_words_ids: none("of Qwen's own code"),
  generation_kwargs: none("of its library"),
  temperature_last: none("it is, here"),
} satisfies KeyTable;

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

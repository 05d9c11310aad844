/**
 * The keys of config.json, by class (huggingface.co/docs/transformers: PretrainedConfig, GPT2Config,
 * LlamaConfig, MistralConfig, MixtralConfig, Qwen2Config, Qwen3Config), and those keys of other classes that
 * would change a layer. base/known-keys.ts says what the entries mean.
 */
import { none, noneOf, read, refused, type KeyTable, type ReadIn } from "../../base/known-keys.ts";

const TRAINING = "for training alone";
const ASIDE = "says where it comes from, or what made it";
const RETURNS = "what the library's functions return";
const COMPUTED = "how the library computes, not what";
const LABELS = "names and heads of classifiers";
const GENERATION = "a default of older versions' text generation: generation_config.json has it now";
const IDS = "ids of special tokens: the readers of tokenizers and of generation_config.json take them";

function isEmpty(value: unknown): boolean {
  if (value instanceof Map) return value.size === 0;
  return Array.isArray(value) ? value.length === 0 : value === "" || value === false;
}
const isAllOnes = (value: unknown): boolean =>
  Array.isArray(value) && value.every((each) => each === 1 || each === true);
/** Classes whose output is not a language model's. */
const OTHER_HEAD = /For(?:Sequence|Token)Classification|ForQuestionAnswering|ForMultipleChoice|Reward/;
const hasLanguageHead = (value: unknown): boolean =>
  Array.isArray(value) &&
  (value.length === 0 || value.some((name) => typeof name === "string" && !OTHER_HEAD.test(name)));

const packed = (another: Readonly<Record<string, unknown>>) =>
  refused(
    "its weights are packed, in a form that is not read here",
    isEmpty,
    another,
    "Take the weights in bf16 or f16: sinter import --dtype q4_0 makes them small.",
  );
const decoderOnly = (why: string) => refused(why, [false], true, "Decoders alone are read.");

/** PretrainedConfig: the keys that all classes have in common. */
const common = {
  model_type: read("which class it is", "bloom"),
  vocab_size: read("vocab", 9),
  tie_word_embeddings: read(
    "whether the output's matrix is the token embedding; left out: as the class has it",
    "yes",
  ),
  architectures: refused(
    "its output is no language model's",
    hasLanguageHead,
    ["LlamaForSequenceClassification"],
    "Take a model that predicts tokens (…ForCausalLM).",
  ),
  is_encoder_decoder: decoderOnly("it is an encoder and a decoder"),
  tie_encoder_decoder: decoderOnly("it is an encoder and a decoder"),
  add_cross_attention: decoderOnly("its layers look at an encoder"),
  pruned_heads: refused("heads are left out of some layers", isEmpty, { 0: [1] }),
  quantization_config: packed({ quant_method: "gptq", bits: 4 }),
  quantization: packed({ group_size: 64, bits: 4 }),
  compression_config: packed({ quant_method: "compressed-tensors" }),

  ...noneOf(
    IDS,
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "sep_token_id",
    "unk_token_id",
    "decoder_start_token_id",
  ),
  ...noneOf("the tokenizer's files say it", "tokenizer_class", "prefix"),
  ...noneOf("the weights say what they are kept in", "torch_dtype", "dtype"),
  ...noneOf(
    COMPUTED,
    "use_cache",
    "chunk_size_feed_forward",
    "torchscript",
    "use_bfloat16",
    "_attn_implementation*",
    "attn_implementation",
    "_flash_attn_2_enabled",
    "use_flash_attn",
  ),
  ...noneOf("these classes are decoders, whatever it says", "is_decoder", "cross_attention_hidden_size"),
  ...noneOf(
    TRAINING,
    "initializer_range",
    "attention_dropout",
    "hidden_dropout",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "gradient_checkpointing",
    "tf_legacy_loss",
  ),
  ...noneOf(
    RETURNS,
    "return_dict",
    "output_hidden_states",
    "output_attentions",
    "output_scores",
    "return_dict_in_generate",
  ),
  ...noneOf(
    LABELS,
    "id2label",
    "label2id",
    "num_labels",
    "_num_labels",
    "problem_type",
    "finetuning_task",
    "task_specific_params",
    "classifier_dropout",
  ),
  ...noneOf(
    ASIDE,
    "_name_or_path",
    "name_or_path",
    "_commit_hash",
    "transformers_version",
    "transformers.js_config",
    "unsloth_*",
    "_from_model_config",
    "is_llama_config",
  ),
  ...noneOf("an older name, which the library does not look at", "max_sequence_length"),
  ...noneOf(
    GENERATION,
    "max_length",
    "min_length",
    "do_sample",
    "early_stopping",
    "num_beams",
    "num_beam_groups",
    "diversity_penalty",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    "repetition_penalty",
    "length_penalty",
    "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size",
    "bad_words_ids",
    "num_return_sequences",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "remove_invalid_values",
    "exponential_decay_length_penalty",
    "suppress_tokens",
    "begin_suppress_tokens",
  ),
} satisfies KeyTable;

const QUERIES_SCALED = "its queries are scaled by a number of their own";
const LOGITS_SCALED = "its logits are scaled";
const EMBEDDING_SCALED = "its embedding is scaled";
const PARTLY_ROTATED = "its queries and keys are turned in part";
const OTHER_PAIRS = "its queries and keys are turned in other pairs";
const SOME_UNROTATED = "some of its layers have no rotary embedding";
const SIDE_BY_SIDE = "its attention and feed-forward part stand side by side";
const SEVERAL_PARTS = "its positions have several parts";
const OTHER_EXPERTS = "it has experts of another kind";
const partOfLarger = refused("it is one part of a larger model", isEmpty, { hidden_size: 8 });

/** Keys of other classes. In a configuration of one of these classes they say that the layer differs. */
const foreign = {
  attn_logit_softcapping: refused("its attention's scores are softly capped", [0], 50),
  final_logit_softcapping: refused("its logits are softly capped", [0], 30),
  query_pre_attn_scalar: refused(QUERIES_SCALED, [], 256),
  attention_multiplier: refused(QUERIES_SCALED, [], 0.015),
  logit_scale: refused(LOGITS_SCALED, [1], 0.0625),
  logits_scaling: refused(LOGITS_SCALED, [1], 8),
  dim_model_base: refused(LOGITS_SCALED, [], 256),
  embedding_multiplier: refused(EMBEDDING_SCALED, [1], 12),
  scale_emb: refused(EMBEDDING_SCALED, [1], 12),
  residual_multiplier: refused("what its layers add is scaled", [1], 0.22),
  scale_depth: refused("what its layers add is scaled", [], 1.4),
  clip_qkv: refused("its queries, keys and values are clipped", [0], 8),
  alibi: refused("its positions are slopes (ALiBi)", [false], true),
  partial_rotary_factor: refused(PARTLY_ROTATED, [1], 0.5),
  rotary_pct: refused(PARTLY_ROTATED, [1], 0.25),
  rope_interleaved: refused(OTHER_PAIRS, [false], true),
  rope_interleave: refused(OTHER_PAIRS, [false], true),
  rope_traditional: refused(OTHER_PAIRS, [false], true),
  no_rope_layers: refused(SOME_UNROTATED, (value) => isEmpty(value) || isAllOnes(value), [1, 0]),
  no_rope_layer_interval: refused(SOME_UNROTATED, [0], 4),
  use_mrope: refused(SEVERAL_PARTS, [false], true),
  parallel_attn: refused(SIDE_BY_SIDE, [false], true),
  use_parallel_residual: refused(SIDE_BY_SIDE, [false], true),
  use_qk_norm: refused("it normalises queries and keys", [false], true),
  qk_layernorm: refused("it normalises queries and keys", [false], true),
  n_routed_experts: refused(OTHER_EXPERTS, [0], 8),
  n_shared_experts: refused(OTHER_EXPERTS, [0], 1),
  attention_chunk_size: refused("its attention sees chunks", [0], 8192),
  text_config: partOfLarger,
  vision_config: partOfLarger,
  audio_config: partOfLarger,
} satisfies KeyTable;

const OTHER_NAME = "by the library's other name";

export const gpt2Keys = {
  ...common,
  ...foreign,
  n_embd: read("width", 16),
  hidden_size: read(`width, ${OTHER_NAME}`, 16),
  n_layer: read("layers", 3),
  num_hidden_layers: read(`layers, ${OTHER_NAME}`, 3),
  n_head: read("heads", 4),
  num_attention_heads: read(`heads, ${OTHER_NAME}`, 4),
  n_positions: read("context", 5),
  max_position_embeddings: read(`context, ${OTHER_NAME}`, 5),
  n_ctx: read("context where n_positions is left out, as in older files", 5),
  block_size: read("context where neither is given, as minGPT has it", 5),
  n_inner: read("hidden; null: 4 times the width", 40),
  activation_function: read("activation", "relu"),
  layer_norm_epsilon: read("eps", 0.01),
  scale_attn_weights: refused(
    "its attention's scores are not divided by the root of a head's width",
    [true],
    false,
  ),
  scale_attn_by_inverse_layer_idx: refused(
    "its attention's scores are divided by the layer's number",
    [false],
    true,
  ),
  reorder_and_upcast_attn: none("the same numbers: the order of two steps in mixed precision"),
  ...noneOf(TRAINING, "resid_pdrop", "embd_pdrop", "attn_pdrop"),
  ...noneOf(LABELS, "summary_*"),
} satisfies KeyTable;

/** Keys that Llama and its relatives have in common. */
const llamaFamily = {
  ...common,
  ...foreign,
  hidden_size: read("width", 32),
  num_hidden_layers: read("layers", 3),
  num_attention_heads: read("heads", 2),
  num_key_value_heads: read("kv_heads; null: as many as heads", 1),
  head_dim: read("head_dim; null: width / heads", 8),
  intermediate_size: read("hidden", 40),
  max_position_embeddings: read("context", 77),
  hidden_act: read("activation of the gate", "gelu"),
  rms_norm_eps: read("eps", 0.01),
  rope_theta: read("rope's theta", 500),
  rope_scaling: read("rope's scaling", { rope_type: "linear", factor: 2 }),
  rope_parameters: read("rope's theta and scaling, since version 5 of the library", { rope_theta: 500 }),
  layer_types: read("which layers have a window", ["chunked_attention", "chunked_attention"]),
} satisfies KeyTable;

const sliding = { sliding_window: read("window; null: none", 3) } satisfies KeyTable;
const switchedWindow = {
  ...sliding,
  use_sliding_window: read("whether there is a window", false),
  max_window_layers: read("the first layer that has a window", 0),
} satisfies KeyTable;
const attentionBias = {
  attention_bias: read(
    "biases of queries, keys, values and of the way out: as in the weights, or refused",
    true,
  ),
} satisfies KeyTable;
const noExperts = {
  num_local_experts: refused("it has experts", [0], 8),
  num_experts: refused("it has experts", [0], 8),
} satisfies KeyTable;

export const llamaTypeKeys = {
  llama: {
    ...llamaFamily,
    ...attentionBias,
    ...noExperts,
    mlp_bias: read("biases of the feed-forward part: as in the weights, or refused", true),
    pretraining_tp: none("the same products, in slices"),
  },
  mistral: { ...llamaFamily, ...sliding, ...noExperts },
  mixtral: {
    ...llamaFamily,
    ...sliding,
    num_local_experts: read("experts", 3),
    num_experts: read(`experts, ${OTHER_NAME}`, 3),
    num_experts_per_tok: read("experts of a token", 1),
    router_aux_loss_coef: read("weight of the load-balancing loss", 0.5),
    ...noneOf(TRAINING, "output_router_logits", "router_jitter_noise"),
  },
  qwen2: { ...llamaFamily, ...switchedWindow, ...noExperts },
  qwen3: { ...llamaFamily, ...switchedWindow, ...attentionBias, ...noExperts },
} satisfies Readonly<Record<string, KeyTable>>;

/** Keys inside rope_scaling and rope_parameters. */
export const ropeKeys = {
  rope_type: read("the kind of scaling", "yarn"),
  type: read("the kind of scaling, in older files", "yarn"),
  rope_theta: read("theta", 500),
  factor: read("linear, or factor", 3),
  low_freq_factor: read("low", 2),
  high_freq_factor: read("high", 8),
  original_max_position_embeddings: read("original", 77),
  partial_rotary_factor: refused(PARTLY_ROTATED, [1], 0.5),
  mrope_section: refused(SEVERAL_PARTS, isEmpty, [2, 1, 1]),
  mrope_interleaved: refused(SEVERAL_PARTS, [false], true),
  ...noneOf(
    "of scalings that are refused by their type (yarn, longrope); others do not look at it",
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "mscale",
    "mscale_all_dim",
    "truncate",
    "short_factor",
    "long_factor",
    "short_mscale",
    "long_mscale",
  ),
  ...noneOf(ASIDE, "finetuned"),
} satisfies KeyTable;

export type Gpt2Key = ReadIn<typeof gpt2Keys>;
export type LlamaType = keyof typeof llamaTypeKeys;
/** A key that some relative of Llama has. */
export type LlamaKey = { [T in LlamaType]: ReadIn<(typeof llamaTypeKeys)[T]> }[LlamaType];
export type RopeKey = ReadIn<typeof ropeKeys>;
export const isLlamaType = (type: string): type is LlamaType => Object.hasOwn(llamaTypeKeys, type);

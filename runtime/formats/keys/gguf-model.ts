/**
 * The metadata keys of GGUF files that describe the model, without its tokenizer (github.com/ggml-org/ggml,
 * docs/gguf.md; github.com/ggml-org/llama.cpp, gguf-py/gguf/constants.py). base/known-keys.ts says what the
 * entries mean.
 */
import { none, noneOf, read, refused, type KeyTable, type ReadIn } from "../../base/known-keys.ts";

const ASIDE = "says where it comes from, or what made it";
const isZeros = (value: unknown): boolean =>
  value === 0 || (Array.isArray(value) && value.every((each) => each === 0));

/** Keys that all architectures have in common. */
const general = {
  "general.architecture": read("the architecture", "bloom"),
  "general.name": read("name", "Another"),
  "general.alignment": read("where tensors begin", 3),
  "general.type": refused(
    "it is no model of its own",
    ["model"],
    "adapter",
    "Name the model that it belongs to.",
  ),
  "general.quantization_version": refused(
    "its blocks are of another version",
    [2],
    1,
    "Take a file that was quantised since June 2023.",
  ),
  ...noneOf("each tensor says what it is kept in", "general.file_type"),
  ...noneOf(
    ASIDE,
    "general.author",
    "general.version",
    "general.organization",
    "general.finetune",
    "general.basename",
    "general.description",
    "general.quantized_by",
    "general.size_label",
    "general.license*",
    "general.url",
    "general.doi",
    "general.uuid",
    "general.repo_url",
    "general.source.*",
    "general.base_model.*",
    "general.dataset.*",
    "general.tags",
    "general.languages",
    "general.datasets",
    "quantize.*",
    "imatrix.*",
  ),
  ...noneOf(
    "what its makers advise for sampling: say it with --temp, --top-k, --top-p",
    "general.sampling.*",
  ),
  ...noneOf("the tokenizer's own reader takes them", "tokenizer.*"),
  "split.count": read("how many files it is in", 2),
  "split.no": read("which of them this is", 7),
  "split.tensors.count": read("tensors of all files together", 7),
} satisfies KeyTable;

const QUERIES_SCALED = "its queries are scaled by a number of their own";
const LAYER_KINDS = "its layers are not all alike";
const OTHER_EXPERTS = "it has experts of another kind";
const DEPTH = "it has parts beside its layers";
const ROTATED_BY_KIND = "its queries and keys are turned by kind of layer";
const SMALLER_MATRICES = "its attention goes through smaller matrices";

/**
 * Keys that follow the architecture's name ("llama." and the like). Those that no architecture read here has
 * say that the layer differs.
 */
const sizes = {
  context_length: read("context", 12),
  embedding_length: read("width", 24),
  block_count: read("layers", 3),
  feed_forward_length: read("hidden", 20),
  "attention.head_count": read("heads", 2),
  "attention.head_count_kv": read("kv_heads; left out: as many as heads", 1),
  "attention.key_length": read("head_dim; left out: width / heads", 2),
  "attention.value_length": read("the same as key_length, or refused", 2),
  "attention.scale": read("0, or 1 / √head_dim, or refused", 0.125),
  "attention.sliding_window": read("window; refused where the architecture has none", 3),
  ...noneOf("rows of token_embd.weight say it", "vocab_size"),
  tensor_data_layout: refused(
    "its tensors are laid out in another order",
    ["reference", "Meta AI original pth"],
    "columns first",
  ),
  pooling_type: refused(
    "it makes embeddings of texts, no texts",
    [0],
    3,
    "Take a model that predicts tokens.",
  ),
  "attention.causal": refused(
    "its attention looks ahead",
    [true],
    false,
    "Take a model that predicts tokens.",
  ),
  use_parallel_residual: refused("its attention and feed-forward part stand side by side", [false], true),
  logit_scale: refused("its logits are scaled", [1], 0.25),
  residual_scale: refused("what its layers add is scaled", [0, 1], 0.5),
  embedding_scale: refused("its embedding is scaled", [0, 1], 12),
  attn_logit_softcapping: refused("its attention's scores are softly capped", [0], 50),
  router_logit_softcapping: refused("its router's scores are softly capped", [0], 30),
  final_logit_softcapping: refused("its logits are softly capped", [0], 30),
  "attention.clamp_kqv": refused("its queries, keys and values are clipped", [0], 8),
  "attention.max_alibi_bias": refused("its positions are slopes (ALiBi)", [0], 8),
  "attention.output_scale": refused("what its attention gives is scaled", [0, 1], 0.5),
  "attention.temperature_scale": refused(QUERIES_SCALED, [0], 0.1),
  "attention.temperature_length": refused(QUERIES_SCALED, [0], 8192),
  "attention.shared_kv_layers": refused("its layers share keys and values", [0], 1),
  "attention.*_lora_rank": refused(SMALLER_MATRICES, [0], 16),
  "attention.*_mla": refused(SMALLER_MATRICES, [0], 16),
  "attention.*_swa": refused("its heads are of several widths", [], 16),
  "attention.indexer.*": refused("its attention sees chosen positions", [0], 16),
  "attention.relative_buckets_count": refused("its positions are relative", [0], 32),
  ...noneOf(
    "of norms over groups, which these architectures have not",
    "attention.group_norm_epsilon",
    "attention.group_norm_groups",
  ),
  leading_dense_block_count: refused(LAYER_KINDS, [0], 1),
  interleave_moe_layer_step: refused(LAYER_KINDS, [0, 1], 2),
  moe_every_n_layers: refused(LAYER_KINDS, [0, 1], 2),
  full_attention_interval: refused(LAYER_KINDS, [0, 1], 4),
  rescale_every_n_layers: refused(LAYER_KINDS, [0], 6),
  decoder_block_count: refused("it is an encoder and a decoder", [0], 2, "Decoders alone are read."),
  ...noneOf("of an encoder and a decoder", "decoder_start_token_id"),
  nextn_predict_layers: refused(DEPTH, [0], 1),
  n_deepstack_layers: refused(DEPTH, [0], 1),
  embedding_length_per_layer_input: refused(DEPTH, [0], 64),
  "altup.*": refused(DEPTH, [], 2),
  embedding_length_out: refused("its output is an embedding", [], 4, "Take a model that predicts tokens."),
  "*_feat_in": refused("its output is an embedding", [], 4, "Take a model that predicts tokens."),
  "*_feat_out": refused("its output is an embedding", [], 4, "Take a model that predicts tokens."),
  "classifier.*": refused("its output is no language model's", [], 4, "Take a model that predicts tokens."),
  activation_sparsity_scale: refused("its feed-forward part leaves values out", isZeros, 0.5),
  "swiglu_clamp_*": refused("its gates are clipped", isZeros, 7),
  ...Object.fromEntries(
    ["ssm", "kda", "wkv", "shortconv", "convnext", "posnet"].map(
      (name) => [`${name}.*`, refused("its layers are no attention", [], 4)] as const,
    ),
  ),
  swin_norm: refused("its norms stand elsewhere", [false], true),
  expert_group_count: refused(OTHER_EXPERTS, [0, 1], 4),
  expert_group_used_count: refused(OTHER_EXPERTS, [0, 1], 2),
  expert_group_scale: refused(OTHER_EXPERTS, [0, 1], 2),
  experts_per_group: refused(OTHER_EXPERTS, [0], 2),
  expert_shared_count: refused(OTHER_EXPERTS, [0], 1),
  expert_shared_feed_forward_length: refused(OTHER_EXPERTS, [0], 16),
  expert_chunk_feed_forward_length: refused(OTHER_EXPERTS, [0], 16),
  expert_weights_scale: refused("its experts' weights are scaled", [0, 1], 2.5),
  expert_weights_norm: refused("its experts' weights do not add up to 1", [true], false),
  expert_gating_func: refused("its router's scores are no softmax", [0, 1], 2),
  moe_latent_size: refused(OTHER_EXPERTS, [0], 16),
} satisfies KeyTable;

const RMS_EPS = "attention.layer_norm_rms_epsilon";
const LAYER_EPS = "attention.layer_norm_epsilon";

const gpt2 = {
  ...sizes,
  [LAYER_EPS]: read("eps", 0.25),
  [RMS_EPS]: none("its norms are no rmsnorms"),
} satisfies KeyTable;

const llamaFamily = {
  ...sizes,
  [RMS_EPS]: read("eps", 0.25),
  [LAYER_EPS]: none("its norms are rmsnorms"),
  expert_count: read("experts", 4),
  expert_used_count: read("experts of a token", 1),
  expert_feed_forward_length: read("the same as feed_forward_length, or refused", 20),
  "rope.freq_base": read("rope's theta", 500),
  "rope.dimension_count": read("head_dim, or refused", 2),
  "rope.scaling.type": read("none, or linear; left out: linear", "yarn"),
  "rope.scaling.factor": read("rope's linear", 4),
  "rope.scale_linear": read("rope's linear, in older files", 4),
  "rope.scaling.attn_factor": refused("its attention's scores are scaled with the positions", [1], 1.5),
  "rope.scaling.alpha": refused("its rotary embedding's theta is scaled", [0, 1], 1000),
  "rope.scaling.yarn_ext_factor": refused("its rotary embedding is scaled by yarn", [-1, 0], 1),
  "rope.scaling.yarn_attn_factor": refused("its attention's scores are scaled with the positions", [1], 1.5),
  ...noneOf(
    "of yarn, which is refused by its type",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_log_multiplier",
    "rope.scaling.original_context_length",
  ),
  ...noneOf(ASIDE, "rope.scaling.finetuned"),
  "rope.dimension_sections": refused("its positions have several parts", isZeros, [1, 1, 0, 0]),
  "rope.dimension_count_swa": refused(ROTATED_BY_KIND, [], 2),
  "rope.freq_base_swa": refused(ROTATED_BY_KIND, [], 500),
} satisfies KeyTable;

const graniteSwa = {
  ...llamaFamily,
  "attention.sliding_window_pattern": read("which layers have a window", [true, false]),
} satisfies KeyTable;

/** A key of Sinter's own, for files with a rotary embedding. */
const ownKeys = {
  "sinter.rope.llama3": read(
    "rope's factor, low, high and original, where they are no published model's",
    [8, 1, 4, 16],
  ),
} satisfies KeyTable;

const otherPattern = {
  "attention.sliding_window_pattern": refused("some of its layers have a window", [0, 1], [true, false]),
} satisfies KeyTable;

export const ggufKeys = {
  general,
  gpt2,
  llama: { ...llamaFamily, ...otherPattern },
  qwen2: { ...llamaFamily, ...otherPattern },
  qwen3: { ...llamaFamily, ...otherPattern },
  granite_swa: graniteSwa,
} satisfies Readonly<Record<string, KeyTable>>;

export type GgufType = Exclude<keyof typeof ggufKeys, "general">;
/** A key without the architecture's name in front of it. */
export type GgufKey = { [T in GgufType]: ReadIn<(typeof ggufKeys)[T]> }[GgufType];
export const isGgufType = (type: unknown): type is GgufType =>
  typeof type === "string" && type !== "general" && Object.hasOwn(ggufKeys, type);

/** The table for a file of this architecture, with the keys as they stand in the file. */
export function ggufTable(type: GgufType): KeyTable {
  const own = Object.entries<KeyTable[string]>(ggufKeys[type]).map(
    ([key, known]) => [`${type}.${key}`, known] as const,
  );
  return { ...general, ...(type === "gpt2" ? {} : ownKeys), ...Object.fromEntries(own) };
}

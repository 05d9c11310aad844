/**
 * THE table of names: what each tensor of a model is called, in Sinter's own checkpoints (`Stems`, from the
 * model) and in published files. A name is the entry, the layer's number for {i}, the expert's for {e}, and
 * ".weight" or ".bias".
 */
export const roles = [
  "token",
  "position",
  "attentionNorm",
  "qkv",
  "q",
  "k",
  "v",
  "qNorm",
  "kNorm",
  "attentionOut",
  "ffnNorm",
  "gate",
  "up",
  "down",
  "router",
  "expertGate",
  "expertUp",
  "expertDown",
  "norm",
  "head",
] as const;
export type Role = (typeof roles)[number];

export interface Naming {
  readonly title: string;
  readonly names: Readonly<Partial<Record<Role, string>>>;
  /**
   * Matrices are stored [out, in]. "told apart": Hugging Face's GPT-2 has [in, out] (its Conv1D), nanoGPT and
   * minGPT [out, in] under the same names.
   */
  readonly matrices: "out, in" | "told apart";
  /**
   * Rotary pairs: columns (2i, 2i+1) of a head, or (i, i + head_dim / 2), for which the rows of queries and
   * keys stand in another order.
   */
  readonly rope: "pairs" | "halves";
  /** Prefixes that a name may have or lack. */
  readonly prefixes: readonly string[];
  /** Buffers and leftovers that hold nothing learned. */
  readonly ignored: RegExp;
}

export type NamingKind = "gpt2" | "llama" | "meta" | "gguf";

export const namings: Readonly<Record<NamingKind, Naming>> = {
  /** huggingface.co/docs/transformers/model_doc/gpt2; also nanoGPT and minGPT */
  gpt2: {
    title: "Hugging Face GPT-2",
    names: {
      token: "wte",
      position: "wpe",
      attentionNorm: "h.{i}.ln_1",
      qkv: "h.{i}.attn.c_attn",
      attentionOut: "h.{i}.attn.c_proj",
      ffnNorm: "h.{i}.ln_2",
      up: "h.{i}.mlp.c_fc",
      down: "h.{i}.mlp.c_proj",
      norm: "ln_f",
      head: "lm_head",
    },
    matrices: "told apart",
    rope: "pairs",
    prefixes: ["transformer.", "_orig_mod.transformer.", "_orig_mod.", "module."],
    ignored: /^h\.\d+\.attn\.(masked_)?bias$/,
  },
  /**
   * huggingface.co/docs/transformers/model_doc/llama; also mistral, qwen2, qwen3, and mixtral, whose w1, w2,
   * w3 are gate, down and up
   */
  llama: {
    title: "Hugging Face Llama",
    names: {
      token: "embed_tokens",
      attentionNorm: "layers.{i}.input_layernorm",
      q: "layers.{i}.self_attn.q_proj",
      k: "layers.{i}.self_attn.k_proj",
      v: "layers.{i}.self_attn.v_proj",
      qNorm: "layers.{i}.self_attn.q_norm",
      kNorm: "layers.{i}.self_attn.k_norm",
      attentionOut: "layers.{i}.self_attn.o_proj",
      ffnNorm: "layers.{i}.post_attention_layernorm",
      gate: "layers.{i}.mlp.gate_proj",
      up: "layers.{i}.mlp.up_proj",
      down: "layers.{i}.mlp.down_proj",
      router: "layers.{i}.block_sparse_moe.gate",
      expertGate: "layers.{i}.block_sparse_moe.experts.{e}.w1",
      expertDown: "layers.{i}.block_sparse_moe.experts.{e}.w2",
      expertUp: "layers.{i}.block_sparse_moe.experts.{e}.w3",
      norm: "norm",
      head: "lm_head",
    },
    matrices: "out, in",
    rope: "halves",
    prefixes: ["model."],
    ignored: /rotary_emb\.inv_freq$/,
  },
  /** github.com/meta-llama/llama-models; llama2.c takes these */
  meta: {
    title: "Meta",
    names: {
      token: "tok_embeddings",
      attentionNorm: "layers.{i}.attention_norm",
      q: "layers.{i}.attention.wq",
      k: "layers.{i}.attention.wk",
      v: "layers.{i}.attention.wv",
      attentionOut: "layers.{i}.attention.wo",
      ffnNorm: "layers.{i}.ffn_norm",
      gate: "layers.{i}.feed_forward.w1",
      down: "layers.{i}.feed_forward.w2",
      up: "layers.{i}.feed_forward.w3",
      norm: "norm",
      head: "output",
    },
    matrices: "out, in",
    rope: "pairs",
    prefixes: [],
    ignored: /^(freqs_cos|freqs_sin|rope\.freqs)$/,
  },
  /** github.com/ggml-org/ggml, docs/gguf.md, "Standardized tensor names" */
  gguf: {
    title: "GGUF",
    names: {
      token: "token_embd",
      position: "position_embd",
      attentionNorm: "blk.{i}.attn_norm",
      qkv: "blk.{i}.attn_qkv",
      q: "blk.{i}.attn_q",
      k: "blk.{i}.attn_k",
      v: "blk.{i}.attn_v",
      qNorm: "blk.{i}.attn_q_norm",
      kNorm: "blk.{i}.attn_k_norm",
      attentionOut: "blk.{i}.attn_output",
      ffnNorm: "blk.{i}.ffn_norm",
      gate: "blk.{i}.ffn_gate",
      up: "blk.{i}.ffn_up",
      down: "blk.{i}.ffn_down",
      router: "blk.{i}.ffn_gate_inp",
      expertGate: "blk.{i}.ffn_gate_exps",
      expertUp: "blk.{i}.ffn_up_exps",
      expertDown: "blk.{i}.ffn_down_exps",
      norm: "output_norm",
      head: "output",
    },
    matrices: "out, in",
    rope: "pairs",
    prefixes: [],
    ignored: /^(rope_freqs|blk\.\d+\.attn_sinks)\.weight$/,
  },
};

export type Suffix = "weight" | "bias";

/** Undefined where the naming has no such tensor. */
export function publishedName(
  naming: Naming,
  role: Role,
  suffix: Suffix,
  layer: number,
  expert = 0,
): string | undefined {
  const pattern = naming.names[role];
  return pattern === undefined
    ? undefined
    : `${pattern.replace("{i}", `${layer}`).replace("{e}", `${expert}`)}.${suffix}`;
}

/** Every expert has a tensor of its own; or those of a layer are one, [experts, out, in]. */
export const expertsApart = (naming: Naming): boolean => naming.names.expertUp?.includes("{e}") ?? false;

/**
 * Sinter's tensors by role, without layer number and suffix: "layers.attention.qkv". Roles that are one
 * tensor there are one here.
 */
export type Stems = Readonly<Partial<Record<Role, string>>>;

/** "layers.attention.qkv", 3 → "layers.3.attention.qkv". */
export const sinterName = (stem: string, suffix: Suffix, layer: number): string =>
  `${stem.replace(/^layers\./, `layers.${layer}.`)}.${suffix}`;

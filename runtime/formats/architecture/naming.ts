/**
 * The table of names: what each tensor of a model is called in Sinter's own checkpoints (`Stems`, which come
 * from the model) and in published files. A name is the entry of the table, with the layer's number for {i}
 * and the expert's for {e}, followed by ".weight" or ".bias".
 */
import { nameInLayer } from "../../contract/parameter-names.ts";

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
   * Whether matrices are stored [out, in]. With "told apart" the shapes have to tell: Hugging Face's GPT-2
   * stores [in, out] (its Conv1D), nanoGPT and minGPT store [out, in] under the same names.
   */
  readonly matrices: "out, in" | "told apart";
  /**
   * Where the two numbers of a rotary pair stand in a head: in columns (2i, 2i + 1), or in (i, i + head_dim /
   * 2). In the second case the rows of queries and keys are in another order than Sinter's.
   */
  readonly rope: "pairs" | "halves";
  /** Prefixes that a name may have. */
  readonly prefixes: readonly string[];
  /** Names of tensors that hold nothing learned: buffers and leftovers. */
  readonly ignored: RegExp;
}

export type NamingKind = "gpt2" | "llama" | "meta" | "gguf";

export const namings: Readonly<Record<NamingKind, Naming>> = {
  /** huggingface.co/docs/transformers/model_doc/gpt2; also nanoGPT and minGPT. */
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
   * huggingface.co/docs/transformers/model_doc/llama; also mistral, qwen2, qwen3, and mixtral, whose w1, w2
   * and w3 are gate, down and up.
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
  /** github.com/meta-llama/llama-models; llama2.c uses these names. */
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

/** The published name of a tensor; undefined where the naming has none. */
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

/**
 * Whether every expert has a tensor of its own. Otherwise the experts of a layer are one tensor [experts,
 * out, in].
 */
export const expertsApart = (naming: Naming): boolean => naming.names.expertUp?.includes("{e}") ?? false;

/**
 * The names of Sinter's tensors by role, without the layer's number and the suffix: "layers.attention.qkv".
 * Several roles may be the same tensor.
 */
export type Stems = Readonly<Partial<Record<Role, string>>>;

/**
 * The name of a tensor in a checkpoint: "layers.attention.qkv" in layer 3 is "layers.3.attention.qkv.weight".
 */
export const sinterName = (stem: string, suffix: Suffix, layer: number): string =>
  `${nameInLayer(stem, layer)}.${suffix}`;

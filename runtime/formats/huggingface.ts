/**
 * config.json of Hugging Face folders, both ways (huggingface.co/docs/transformers: GPT2Config, LlamaConfig, MistralConfig, MixtralConfig, Qwen2Config, Qwen3Config). What a configuration
 * leaves out has that class's default; what it says and Sinter can not do is refused, not overlooked.
 */
import { SinterError } from "../errors.ts";
import type { Activation, LayerKind, RopeScaling } from "../../compiler/2-check/model.ts";
import { checkSizes, layerKindsOf, modelName, patternOf, type Architecture, type Experts } from "./architecture.ts";
import { isRecord, type Json } from "./json.ts";
import type { FloatFormat } from "./numbers.ts";
import { huggingFaceClasses, typesOf } from "./published-classes.ts";
import { corruptFile } from "./weights.ts";

export const CONFIG_FILE = "config.json";
export const MAX_CONFIG_BYTES = 1 << 20;

/** Their word → ours. "gelu_new" and its like are the tanh form. */
const activationWords: Readonly<Record<string, Activation>> = {
  gelu_new: "gelu_tanh", gelu_pytorch_tanh: "gelu_tanh", gelu_fast: "gelu_tanh", gelu: "gelu", relu: "relu", relu2: "relu2", silu: "silu", swish: "silu",
};
const activationNames: Readonly<Record<Activation, string>> = { gelu_tanh: "gelu_new", gelu: "gelu", relu: "relu", relu2: "relu2", silu: "silu" };

/** Families whose layers look like Llama's and are not. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^gemma/, "Gemma's norms multiply by 1 + weight, and its embedding by √width"],
  [/^phi3?$/, "Phi's queries, keys and values, or its gates, are one matrix, and parts of a head are not turned"],
];

/** `has`: whether the weights have a tensor of this name, without an optional prefix. It decides about biases and heads of their own. */
export function architectureOfConfig(config: Json, path: string, folder: string, has: (name: string) => boolean): Architecture {
  if (!isRecord(config)) throw corruptFile(path, "it is no object");
  const read = new Fields(config, path), type = read.text("model_type", "");
  if (type === "gpt2" || type.startsWith("gpt-")) return gpt2(read, path, folder, has);
  if (isLlamaType(type)) return llama(type, read, path, folder, has);
  const why = others.find(([pattern]) => pattern.test(type))?.[1];
  throw new SinterError("input", `${path}: model_type is ${JSON.stringify(type)}`, `${why ? `${why}. ` : ""}These are read: ${typesOf(huggingFaceClasses)}.`);
}

function gpt2(read: Fields, path: string, folder: string, has: (name: string) => boolean): Architecture {
  read.only("scale_attn_weights", true);
  read.only("scale_attn_by_inverse_layer_idx", false);
  read.only("add_cross_attention", false);
  const width = read.number("n_embd", 768), heads = read.number("n_head", 12);
  return checkSizes({
    family: "gpt2", name: modelName(folder), vocab: read.number("vocab_size", 50257), context: read.number("n_positions", read.number("n_ctx", read.number("block_size", 1024))),
    width, layers: read.number("n_layer", 12), heads, kvHeads: heads, headDim: width / heads, hidden: read.number("n_inner", 4 * width),
    activation: read.activation("activation_function", "gelu_new"), eps: read.number("layer_norm_epsilon", 1e-5), rope: undefined,
    tied: read.flag("tie_word_embeddings", false) || !has("lm_head.weight"), // where the configuration does not say, the weights do
    bias: { norm: has("ln_f.bias"), qkv: has("h.0.attn.c_attn.bias"), attentionOut: has("h.0.attn.c_proj.bias"), ffn: has("h.0.mlp.c_fc.bias"), head: has("lm_head.bias") },
  }, path, { vocab: "vocab_size", context: "n_positions", width: "n_embd", layers: "n_layer", heads: "n_head", headDim: "n_embd / n_head", hidden: "n_inner" });
}

/** What configurations of these classes leave out; where nothing is said, an epsilon of 1e-6 and a theta of 10000. */
const llamaDefaults = {
  llama: { vocab: 32000, width: 4096, hidden: 11008, layers: 32, heads: 32, kvHeads: undefined, headDim: undefined, context: 2048 },
  mistral: { vocab: 32000, width: 4096, hidden: 14336, layers: 32, heads: 32, kvHeads: 8, headDim: undefined, context: 131_072 },
  mixtral: { vocab: 32000, width: 4096, hidden: 14336, layers: 32, heads: 32, kvHeads: 8, headDim: undefined, context: 131_072, eps: 1e-5, theta: 1e6 },
  qwen2: { vocab: 151_936, width: 4096, hidden: 22016, layers: 32, heads: 32, kvHeads: 32, headDim: undefined, context: 32768 },
  qwen3: { vocab: 151_936, width: 4096, hidden: 22016, layers: 32, heads: 32, kvHeads: 32, headDim: 128, context: 32768 },
} as const satisfies Readonly<Record<string, Defaults>>;
type LlamaType = keyof typeof llamaDefaults;
interface Defaults {
  readonly vocab: number;
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number | undefined;
  readonly headDim: number | undefined;
  readonly context: number;
  readonly eps?: number;
  readonly theta?: number;
}
const isLlamaType = (type: string): type is LlamaType => Object.hasOwn(llamaDefaults, type);

function llama(type: LlamaType, read: Fields, path: string, folder: string, has: (name: string) => boolean): Architecture {
  const usual: Defaults = llamaDefaults[type], width = read.number("hidden_size", usual.width), heads = read.number("num_attention_heads", usual.heads);
  const layers = read.number("num_hidden_layers", usual.layers), eps = read.number("rms_norm_eps", usual.eps ?? 1e-6);
  return checkSizes({
    family: "llama", name: modelName(folder), vocab: read.number("vocab_size", usual.vocab), context: read.number("max_position_embeddings", usual.context), width, layers,
    heads, kvHeads: read.number("num_key_value_heads", usual.kvHeads ?? heads), headDim: read.number("head_dim", usual.headDim ?? width / heads),
    hidden: read.number("intermediate_size", usual.hidden), activation: read.activation("hidden_act", "silu"), eps,
    rope: rope(read, path, usual.theta ?? 10000), tied: read.flag("tie_word_embeddings", false) || !has("lm_head.weight") || !has("embed_tokens.weight"),
    bias: {
      norm: false, qkv: has("layers.0.self_attn.q_proj.bias"), attentionOut: has("layers.0.self_attn.o_proj.bias"), ffn: has("layers.0.mlp.up_proj.bias"), head: has("lm_head.bias"),
    },
    experts: type === "mixtral" ? experts(read, layers) : undefined,
    qkNorm: type === "qwen3" ? { eps } : undefined, ...windows(type, read, layers, path),
  }, path, {
    vocab: "vocab_size", context: "max_position_embeddings", width: "hidden_size", layers: "num_hidden_layers", heads: "num_attention_heads", kvHeads: "num_key_value_heads",
    headDim: "head_dim", hidden: "intermediate_size",
  });
}

/** The library renormalises the weights of the chosen, whatever their number. */
function experts(read: Fields, layers: number): Experts {
  const count = read.number("num_local_experts", 8), top = read.number("num_experts_per_tok", 2);
  return { count, top, balance: balanceOf(read.number("router_aux_loss_coef", 0.001), top, layers) };
}

/**
 * Weight of the load-balancing loss. The library's counts a token's choices one by one (the shares add up to `top`) and takes all layers' tokens
 * together; here shares add up to 1 and every layer has its own. With the same load in every layer the two are equal.
 */
const balanceOf = (coefficient: number, top: number, layers: number): number => Number(((coefficient * top) / layers).toPrecision(6));
const coefficientOf = ({ balance, top }: Experts, layers: number): number => Number((((balance ?? 0) * layers) / top).toPrecision(6));

/** Mistral's layers all have a window, Qwen's those from `max_window_layers` on, where it is switched on; `layer_types` names them one by one. */
function windows(type: LlamaType, read: Fields, layers: number, path: string): Pick<Architecture, "window" | "pattern"> {
  if (type === "llama") return {};
  const inAll = type === "mistral" || type === "mixtral", window = read.nullable("sliding_window", type === "mixtral" ? undefined : 4096);
  if (window === undefined || (!inAll && !read.flag("use_sliding_window", false))) return {};
  const types = inAll ? undefined : read.list("layer_types"), from = inAll ? 0 : read.number("max_window_layers", 28);
  if (types && types.length !== layers) throw corruptFile(path, `layer_types names ${types.length} of ${layers} layers`);
  const kinds = Array.from({ length: layers }, (_, i): LayerKind => (types ? types[i] === "sliding_attention" : i >= from) ? "banded" : "dense");
  return kinds.includes("banded") ? { window, pattern: patternOf(kinds) } : {};
}

/** `rope_theta` and `rope_scaling`; since version 5 of the library both are in `rope_parameters`. */
function rope(read: Fields, path: string, otherwise: number): Architecture["rope"] {
  const newer = read.inner("rope_parameters"), scaling = read.inner("rope_scaling") ?? newer;
  const theta = (newer ?? read).number("rope_theta", read.number("rope_theta", otherwise));
  const type = scaling?.text("rope_type", scaling.text("type", "default")) ?? "default";
  if (!scaling || type === "default") return { theta };
  if (type !== "llama3") throw new SinterError("input", `${path}: rotary embeddings of type ${JSON.stringify(type)}`, "Plain ones and Llama 3's are read.");
  const found: RopeScaling = {
    factor: scaling.number("factor"), low: scaling.number("low_freq_factor"), high: scaling.number("high_freq_factor"), original: scaling.number("original_max_position_embeddings"),
  };
  return { theta, scaling: found };
}

/** A configuration's values, typed. null means left out. */
class Fields {
  readonly #config: ReadonlyMap<string, Json>;
  readonly #path: string;
  constructor(config: ReadonlyMap<string, Json>, path: string) {
    this.#config = config;
    this.#path = path;
  }

  #wrong(key: string, what: string): never {
    throw corruptFile(this.#path, `${key} is ${JSON.stringify(this.#config.get(key))?.slice(0, 60)}; ${what} was expected`, "Use the config.json that was published with the weights.");
  }
  #value(key: string): Json | undefined {
    return this.#config.get(key) ?? undefined;
  }

  number(key: string, otherwise?: number): number {
    const found = this.#value(key) ?? otherwise;
    return typeof found === "number" && Number.isFinite(found) ? found : this.#wrong(key, "a number");
  }
  flag(key: string, otherwise: boolean): boolean {
    const found = this.#value(key) ?? otherwise;
    return typeof found === "boolean" ? found : this.#wrong(key, "true or false");
  }
  text(key: string, otherwise: string): string {
    const found = this.#value(key) ?? otherwise;
    return typeof found === "string" ? found : this.#wrong(key, "a text");
  }
  activation(key: string, otherwise: string): Activation {
    const word = this.text(key, otherwise);
    if (Object.hasOwn(activationWords, word)) return activationWords[word]!;
    throw new SinterError("input", `${this.#path}: the activation ${JSON.stringify(word)}`, `These are read: ${Object.keys(activationWords).join(", ")}.`);
  }
  /** Settings that have one value here. */
  only(key: string, wanted: boolean): void {
    if (this.flag(key, wanted) !== wanted) throw new SinterError("input", `${this.#path}: ${key} is ${!wanted}, which Sinter can not do`);
  }
  /** null says none, where what is left out means `otherwise`. */
  nullable(key: string, otherwise: number | undefined): number | undefined {
    return this.#config.get(key) === null || (otherwise === undefined && !this.#config.has(key)) ? undefined : this.number(key, otherwise);
  }
  list(key: string): readonly Json[] | undefined {
    const found = this.#value(key);
    return found === undefined || Array.isArray(found) ? found as readonly Json[] | undefined : this.#wrong(key, "a list");
  }
  inner(key: string): Fields | undefined {
    const found = this.#value(key);
    return found === undefined ? undefined : isRecord(found) ? new Fields(found, this.#path) : this.#wrong(key, "an object");
  }
}

const torchNames: Readonly<Partial<Record<FloatFormat, string>>> = { F32: "float32", F16: "float16", BF16: "bfloat16" };

/** config.json for a model that goes out as `type`, with matrices in `dtype`. Ids: of the tokenizer's special tokens, where it has them. */
export function configOf(a: Architecture, type: string, dtype: FloatFormat, ids: { readonly bos: number | undefined; readonly eos: number | undefined }): Readonly<Record<string, unknown>> {
  const { title } = huggingFaceClasses.find((c) => c.type === type)!;
  const common = {
    architectures: [title], model_type: type,
    vocab_size: a.vocab, tie_word_embeddings: a.tied, bos_token_id: ids.bos ?? null, eos_token_id: ids.eos ?? null, torch_dtype: torchNames[dtype], use_cache: true,
  };
  if (a.family === "gpt2")
    return {
      ...common, n_positions: a.context, n_embd: a.width, n_layer: a.layers, n_head: a.heads, n_inner: a.hidden,
      activation_function: activationNames[a.activation], layer_norm_epsilon: a.eps, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0,
    };
  const { theta, scaling } = a.rope!;
  return {
    ...common, max_position_embeddings: a.context, hidden_size: a.width, num_hidden_layers: a.layers,
    num_attention_heads: a.heads, num_key_value_heads: a.kvHeads, head_dim: a.headDim, intermediate_size: a.hidden, hidden_act: activationNames[a.activation], rms_norm_eps: a.eps,
    rope_theta: theta, attention_dropout: 0, ...ownKeys(a, type),
    rope_scaling: scaling ? { rope_type: "llama3", factor: scaling.factor, low_freq_factor: scaling.low, high_freq_factor: scaling.high, original_max_position_embeddings: scaling.original } : null,
  };
}

/** Keys that some of Llama's relatives have. */
function ownKeys(a: Architecture, type: string): Readonly<Record<string, unknown>> {
  const kinds = layerKindsOf(a), banded = kinds.includes("banded");
  const switched = {
    use_sliding_window: banded, sliding_window: a.window ?? null, max_window_layers: banded && !a.pattern ? 0 : a.layers,
    ...(a.pattern ? { layer_types: kinds.map((kind) => (kind === "banded" ? "sliding_attention" : "full_attention")) } : {}),
  };
  switch (type) {
    case "mistral": return { sliding_window: a.window ?? null };
    case "mixtral": return {
      sliding_window: a.window ?? null, num_local_experts: a.experts!.count, num_experts_per_tok: a.experts!.top,
      router_aux_loss_coef: coefficientOf(a.experts!, a.layers), router_jitter_noise: 0, output_router_logits: false,
    };
    case "qwen2": return switched;
    case "qwen3": return { ...switched, attention_bias: a.bias.qkv };
    default: return { attention_bias: a.bias.qkv, mlp_bias: a.bias.ffn };
  }
}

/**
 * config.json of Hugging Face folders, both ways (huggingface.co/docs/transformers: GPT2Config, LlamaConfig,
 * MistralConfig, MixtralConfig, Qwen2Config, Qwen3Config). What a configuration leaves out has that class's
 * default; what it says and Sinter can not do is refused, and what is not known is named:
 * keys/config-json.ts.
 */
import { SinterError } from "../errors.ts";
import type { Activation, LayerKind } from "../../compiler/2-check/model.ts";
import {
  checkSizes, layerKindsOf, modelName, patternOf, type Architecture, type Biases, type Experts,
} from "./architecture.ts";
import { Fields } from "./fields.ts";
import { ropeOfConfig, ropeScalingOf, type FoundRope } from "./huggingface-rope.ts";
import { isRecord, type Json } from "./json.ts";
import {
  gpt2Keys, isLlamaType, llamaTypeKeys, type Gpt2Key, type LlamaKey, type LlamaType,
} from "./keys/config-json.ts";
import { ignoredKeysNote, shownValue } from "./keys/known-keys.ts";
import type { FloatFormat } from "./numbers.ts";
import { huggingFaceClasses, typesOf } from "./published-classes.ts";
import { corruptFile } from "./weights.ts";

export const CONFIG_FILE = "config.json";
export const MAX_CONFIG_BYTES = 1 << 20;

/** Their word → ours. "gelu_new" and its like are the tanh form. */
const activationWords: Readonly<Record<string, Activation>> = {
  gelu_new: "gelu_tanh", gelu_pytorch_tanh: "gelu_tanh", gelu_python_tanh: "gelu_tanh",
  gelu_fast: "gelu_tanh", gelu_accurate: "gelu_tanh",
  gelu: "gelu", gelu_python: "gelu", relu: "relu", relu2: "relu2", silu: "silu", swish: "silu",
};
const activationNames: Readonly<Record<Activation, string>> =
  { gelu_tanh: "gelu_new", gelu: "gelu", relu: "relu", relu2: "relu2", silu: "silu" };

/** Families whose layers look like Llama's and are not. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^gemma/, "Gemma's norms multiply by 1 + weight, and its embedding by √width"],
  [/^phi3?$/, "Phi's queries, keys and values, or its gates, are one matrix, and a head is turned in part"],
];

/** Whether the weights have a tensor of this name, without an optional prefix. */
type Has = (name: string) => boolean;

export interface ReadConfig {
  readonly architecture: Architecture;
  /** For the user, a line each. */
  readonly notes: readonly string[];
}

/** `has` decides about biases and heads of their own, where the class leaves it open. */
export function architectureOfConfig(config: Json, path: string, folder: string, has: Has): ReadConfig {
  if (!isRecord(config)) throw corruptFile(path, "it is no object");
  const type = typeOf(config, path);
  if (type === "gpt2" || type.startsWith("gpt-"))
    return gpt2(new Fields(config, gpt2Keys, path), type, folder, has);
  if (isLlamaType(type))
    return llama(type, new Fields<LlamaKey>(config, llamaTypeKeys[type], path), folder, has);
  const why = others.find(([pattern]) => pattern.test(type))?.[1];
  throw new SinterError("input", `${path}: model_type is ${shownValue(type)}`,
    `${why ? `${why}. ` : ""}These are read: ${typesOf(huggingFaceClasses)}.`);
}

/** It says which table the other keys are in. */
function typeOf(config: ReadonlyMap<string, Json>, path: string): string {
  const type = config.get("model_type");
  if (typeof type === "string") return type;
  if (type !== undefined)
    throw corruptFile(path, `model_type is ${shownValue(type)}; a text was expected`,
      "Use the config.json that was published with the weights.");
  throw new SinterError("input", `${path} does not say model_type`,
    `These are read: ${typesOf(huggingFaceClasses)}.`);
}

function gpt2(read: Fields<Gpt2Key>, type: string, folder: string, has: Has): ReadConfig {
  const widthKey = read.oneOf(["n_embd", "hidden_size"]);
  const layersKey = read.oneOf(["n_layer", "num_hidden_layers"]);
  const headsKey = read.oneOf(["n_head", "num_attention_heads"]), contextKey = contextKeyOf(read);
  const width = read.number(widthKey, 768), heads = read.number(headsKey, 12);
  const usual = type === "gpt2" ? true : undefined;
  const { tied, note } = tiedOf(read.flag("tie_word_embeddings"), usual, has, "wte.weight", read.path);
  const architecture = checkSizes({
    family: "gpt2", name: modelName(folder), vocab: read.number("vocab_size", 50257),
    context: read.number(contextKey, 1024),
    width, layers: read.number(layersKey, 12), heads, kvHeads: heads, headDim: width / heads,
    hidden: read.numberOrNull("n_inner", 4 * width, 4 * width),
    activation: activationOf(read, "activation_function", "gelu_new"),
    eps: read.number("layer_norm_epsilon", 1e-5), rope: undefined, tied,
    bias: {
      norm: has("ln_f.bias"), qkv: has("h.0.attn.c_attn.bias"), attentionOut: has("h.0.attn.c_proj.bias"),
      ffn: has("h.0.mlp.c_fc.bias"),
      head: type === "gpt2" ? headBias(type, read.path, has) : has("lm_head.bias"),
    },
  }, read.path, {
    vocab: "vocab_size", context: contextKey, width: widthKey, layers: layersKey, heads: headsKey,
    headDim: `${widthKey} / ${headsKey}`,
    hidden: "n_inner",
  });
  return { architecture, notes: notesOf(note, ignoredKeysNote(CONFIG_FILE, read.unknown())) };
}

/** n_ctx and block_size count where the library's own key is left out: older files, and minGPT's. */
function contextKeyOf(read: Fields<Gpt2Key>): Gpt2Key {
  const key = read.oneOf(["n_positions", "max_position_embeddings"]);
  return read.has(key) ? key : read.has("n_ctx") ? "n_ctx" : read.has("block_size") ? "block_size" : key;
}

const notesOf = (...notes: readonly (string | undefined)[]): string[] =>
  notes.filter((note) => note !== undefined);

interface Tied {
  readonly tied: boolean;
  readonly note?: string;
}

/**
 * Whether the output's matrix is the token embedding. `usual`: what the class means where nothing is said;
 * undefined: what the weights have. Where it is said to be another matrix, that one has to be there.
 */
function tiedOf(
  said: boolean | undefined, usual: boolean | undefined, has: Has, token: string, path: string,
): Tied {
  const both = has("lm_head.weight") && has(token);
  if (said ?? usual) return { tied: true };
  if (both) return { tied: false };
  const missing = has(token) ? "lm_head.weight" : token;
  if (said === false)
    throw new SinterError("input",
      `${path}: tie_word_embeddings is false, and the weights have no ${missing}`,
      'Set "tie_word_embeddings": true if output and token embedding are one matrix; weights without an output make no text.');
  const note = `the weights have no ${missing}: output and token embedding are one matrix`;
  return { tied: true, ...(usual === false ? { note } : {}) };
}

function activationOf<K extends string>(read: Fields<K>, key: K, otherwise: string): Activation {
  const word = read.text(key) ?? otherwise;
  if (Object.hasOwn(activationWords, word)) return activationWords[word]!;
  throw new SinterError("input", `${read.path}: ${key} is ${shownValue(word)}`,
    `These are read: ${Object.keys(activationWords).join(", ")}.`);
}

interface Defaults {
  readonly vocab: number;
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** undefined: as many as heads. null means that in all classes. */
  readonly kvHeads: number | undefined;
  /** undefined: width / heads. null means that in all classes. */
  readonly headDim: number | undefined;
  readonly context: number;
  readonly eps: number;
  readonly theta: number;
  /** undefined: none. */
  readonly window: number | undefined;
}

/**
 * What configurations of these classes leave out. In all of them the gate is silu and the output is not tied.
 */
const llamaDefaults: Readonly<Record<LlamaType, Defaults>> = {
  llama: {
    vocab: 32000, width: 4096, hidden: 11008, layers: 32, heads: 32, kvHeads: undefined, headDim: undefined,
    context: 2048,
    eps: 1e-6, theta: 10000, window: undefined,
  },
  mistral: {
    vocab: 32000, width: 4096, hidden: 14336, layers: 32, heads: 32, kvHeads: 8, headDim: undefined,
    context: 131_072,
    eps: 1e-6, theta: 10000, window: 4096,
  },
  mixtral: {
    vocab: 32000, width: 4096, hidden: 14336, layers: 32, heads: 32, kvHeads: 8, headDim: undefined,
    context: 131_072,
    eps: 1e-5, theta: 1e6, window: undefined,
  },
  qwen2: {
    vocab: 151_936, width: 4096, hidden: 22016, layers: 32, heads: 32, kvHeads: 32, headDim: undefined,
    context: 32768,
    eps: 1e-6, theta: 10000, window: 4096,
  },
  qwen3: {
    vocab: 151_936, width: 4096, hidden: 22016, layers: 32, heads: 32, kvHeads: 32, headDim: 128,
    context: 32768,
    eps: 1e-6, theta: 10000, window: 4096,
  },
};

function llama(type: LlamaType, read: Fields<LlamaKey>, folder: string, has: Has): ReadConfig {
  const usual = llamaDefaults[type], { path } = read;
  const width = read.number("hidden_size", usual.width);
  const heads = read.number("num_attention_heads", usual.heads);
  const layers = read.number("num_hidden_layers", usual.layers), eps = read.number("rms_norm_eps", usual.eps);
  const { tied, note } = tiedOf(read.flag("tie_word_embeddings"), false, has, "embed_tokens.weight", path);
  const windowed = windows(type, read, layers);
  const { rope, unknown } = ropeOf(read, new Set(layerKindsOf({ ...windowed, layers })), usual.theta);
  const architecture = checkSizes({
    family: "llama", name: modelName(folder), vocab: read.number("vocab_size", usual.vocab),
    context: read.number("max_position_embeddings", usual.context), width, layers, heads,
    kvHeads: read.numberOrNull("num_key_value_heads", usual.kvHeads ?? heads, heads),
    headDim: read.numberOrNull("head_dim", usual.headDim ?? width / heads, width / heads),
    hidden: read.number("intermediate_size", usual.hidden),
    activation: activationOf(read, "hidden_act", "silu"), eps, rope, tied,
    bias: biasesOf(type, read, has), experts: type === "mixtral" ? experts(read, layers) : undefined,
    qkNorm: type === "qwen3" ? { eps } : undefined, ...windowed,
  }, path, {
    vocab: "vocab_size", context: "max_position_embeddings", width: "hidden_size",
    layers: "num_hidden_layers", heads: "num_attention_heads",
    kvHeads: "num_key_value_heads", headDim: "head_dim", hidden: "intermediate_size",
  });
  const ignored = ignoredKeysNote(CONFIG_FILE, [...read.unknown(), ...unknown]);
  return { architecture, notes: notesOf(note, ignored) };
}

const ropeOf = (read: Fields<LlamaKey>, kinds: ReadonlySet<LayerKind>, usualTheta: number): FoundRope =>
  ropeOfConfig({
    path: read.path, theta: read.numberOrNull("rope_theta", undefined, undefined),
    scaling: read.record("rope_scaling"),
    parameters: read.record("rope_parameters"), kinds, usualTheta,
  });

/**
 * Classes whose configurations say which biases there are; the others have those of queries, keys and values,
 * or none.
 */
interface SaysBiases {
  /** Keys that say it. */
  readonly attention?: LlamaKey;
  readonly ffn?: LlamaKey;
  readonly qkv: boolean;
}
const saysBiases: Readonly<Record<LlamaType, SaysBiases>> = {
  llama: { attention: "attention_bias", ffn: "mlp_bias", qkv: false },
  qwen3: { attention: "attention_bias", qkv: false },
  qwen2: { qkv: true },
  mistral: { qkv: false },
  mixtral: { qkv: false },
};

/**
 * The library has the biases that the class says, and leaves out what else the weights have: here the two
 * have to agree.
 */
function biasesOf(type: LlamaType, read: Fields<LlamaKey>, has: Has): Biases {
  const { attention, ffn, qkv } = saysBiases[type];
  const tensors = {
    qkv: "layers.0.self_attn.q_proj.bias", attentionOut: "layers.0.self_attn.o_proj.bias", ffn: "layers.0.mlp.up_proj.bias",
  };
  const agree = (tensor: string, key: LlamaKey | undefined, may: boolean): boolean => {
    const wanted = key === undefined ? undefined : read.flag(key) ?? false, found = has(tensor);
    if (wanted === undefined ? !found || may : wanted === found) return found;
    const says = key === undefined ? `models of type ${type} have none like it` : `${key} is ${wanted}`;
    throw new SinterError("input",
      `${read.path}: ${says}, and the weights have ${found ? "" : "no "}${tensor}`,
      key === undefined
        ? "Is model_type right? llama is read with biases."
        : `Set "${key}": ${found} if the weights are right.`);
  };
  return {
    norm: false, head: headBias(type, read.path, has), qkv: agree(tensors.qkv, attention, qkv),
    attentionOut: agree(tensors.attentionOut, attention, false),
    ffn: agree(tensors.ffn, ffn, false),
  };
}

/** The library leaves such a bias out of all these classes. */
function headBias(type: string, path: string, has: Has): boolean {
  if (!has("lm_head.bias")) return false;
  throw new SinterError("input",
    `${path}: models of type ${type} have no bias of the output, and the weights have lm_head.bias`,
    "Is model_type right?");
}

/** The library renormalises the weights of the chosen, whatever their number. */
function experts(read: Fields<LlamaKey>, layers: number): Experts {
  const count = read.number(read.oneOf(["num_local_experts", "num_experts"]), 8);
  const top = read.number("num_experts_per_tok", 2);
  return { count, top, balance: balanceOf(read.number("router_aux_loss_coef", 0.001), top, layers) };
}

/**
 * Weight of the load-balancing loss. The library's counts a token's choices one by one (the shares add up to
 * `top`) and takes all layers' tokens together; here shares add up to 1 and every layer has its own. With the
 * same load in every layer the two are equal.
 */
const balanceOf = (coefficient: number, top: number, layers: number): number =>
  Number(((coefficient * top) / layers).toPrecision(6));
const coefficientOf = ({ balance, top }: Experts, layers: number): number =>
  Number((((balance ?? 0) * layers) / top).toPrecision(6));

type Windows = Pick<Architecture, "window" | "pattern">;

/**
 * Mistral's and Mixtral's layers are all alike; of Qwen's, those from `max_window_layers` on have a window,
 * or `layer_types` names them.
 */
function windows(type: LlamaType, read: Fields<LlamaKey>, layers: number): Windows {
  const named = kindsNamed(read, layers);
  const window = type === "llama"
    ? undefined
    : read.numberOrNull("sliding_window", llamaDefaults[type].window, undefined);
  const switched = type === "qwen2" || type === "qwen3";
  const on = window !== undefined && (!switched || (read.flag("use_sliding_window") ?? false));
  const from = switched && on && !named ? read.number("max_window_layers", 28) : 0;
  if (!(Number.isInteger(from) && from >= 0)) read.wrong("max_window_layers", "a number of layers");
  const kinds = on
    ? Array.from({ length: layers },
      (_, i): LayerKind => (switched && named ? named[i]! : i >= from ? "banded" : "dense"))
    : [];
  if (named?.some((kind, i) => kind !== (kinds[i] ?? "dense"))) {
    const kind = named.includes("banded") ? "sliding_attention" : "full_attention";
    const where = `${switched ? "use_sliding_window is true and " : ""}sliding_window is a number`;
    throw new SinterError("input", `${read.path}: layer_types names layers of kind ${kind}, and the rest of it says otherwise`,
      on ? `All layers of type ${type} have a window: set sliding_window to null if they have none.` : `Layers have a window where ${where}.`);
  }
  return kinds.includes("banded") ? { window, pattern: patternOf(kinds) } : {};
}

/** `layer_types`, one for each layer. */
function kindsNamed(read: Fields<LlamaKey>, layers: number): readonly LayerKind[] | undefined {
  const types = read.list("layer_types");
  if (!types) return undefined;
  if (types.length !== layers)
    throw corruptFile(read.path, `layer_types names ${types.length} of ${layers} layers`);
  return types.map((type) => {
    if (type === "full_attention") return "dense";
    if (type === "sliding_attention") return "banded";
    throw new SinterError("input", `${read.path}: layer_types has a layer of kind ${shownValue(type)}`,
      "These are read: full_attention, sliding_attention.");
  });
}

const torchNames: Readonly<Partial<Record<FloatFormat, string>>> = { F32: "float32", F16: "float16", BF16: "bfloat16" };

/** Ids of the tokenizer's special tokens, where it has them. */
interface SpecialIds {
  readonly bos: number | undefined;
  readonly eos: number | readonly number[] | undefined;
}

/** config.json for a model that goes out as `type`, with matrices in `dtype`. */
export function configOf(a: Architecture, type: string, dtype: FloatFormat, ids: SpecialIds): Readonly<Record<string, unknown>> {
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
  return {
    ...common, max_position_embeddings: a.context, hidden_size: a.width, num_hidden_layers: a.layers,
    num_attention_heads: a.heads, num_key_value_heads: a.kvHeads, head_dim: a.headDim, intermediate_size: a.hidden, hidden_act: activationNames[a.activation], rms_norm_eps: a.eps,
    rope_theta: a.rope!.theta, rope_scaling: ropeScalingOf(a.rope!), attention_dropout: 0, ...ownKeys(a, type),
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

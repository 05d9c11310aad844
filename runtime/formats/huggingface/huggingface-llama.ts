/**
 * Reads config.json of Llama and its relatives (LlamaConfig, MistralConfig, MixtralConfig, Qwen2Config,
 * Qwen3Config).
 */
import type { LayerKind } from "../../contract/model.ts";
import { SinterError } from "../../base/errors.ts";
import {
  checkSize,
  checkSizes,
  layerKindsOf,
  modelName,
  patternOf,
  type Architecture,
  type Biases,
  type Experts,
} from "../architecture/architecture.ts";
import type { Fields } from "../kit/fields.ts";
import {
  activationOf,
  CONFIG_FILE,
  headBias,
  notesOf,
  tiedOf,
  type Has,
  type ReadConfig,
} from "./huggingface-common.ts";
import { ropeOfConfig, type FoundRope } from "./huggingface-rope.ts";
import type { LlamaKey, LlamaType } from "../keys/config-json.ts";
import { ignoredKeysNote, shownValue } from "../../base/known-keys.ts";
import { corruptFile } from "../kit/weights.ts";

interface Defaults {
  readonly vocab: number;
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** Undefined: as many as heads. In all classes null means that. */
  readonly kvHeads: number | undefined;
  /** Undefined: width / heads. In all classes null means that. */
  readonly headDim: number | undefined;
  readonly context: number;
  readonly eps: number;
  readonly theta: number;
  /** Undefined: no window. */
  readonly window: number | undefined;
}

/**
 * The defaults of these classes for what a configuration leaves out. All of them have silu as the gate's
 * activation and an output that is not tied.
 */
const llamaDefaults: Readonly<Record<LlamaType, Defaults>> = {
  llama: {
    vocab: 32000,
    width: 4096,
    hidden: 11008,
    layers: 32,
    heads: 32,
    kvHeads: undefined,
    headDim: undefined,
    context: 2048,
    eps: 1e-6,
    theta: 10000,
    window: undefined,
  },
  mistral: {
    vocab: 32000,
    width: 4096,
    hidden: 14336,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    headDim: undefined,
    context: 131_072,
    eps: 1e-6,
    theta: 10000,
    window: 4096,
  },
  mixtral: {
    vocab: 32000,
    width: 4096,
    hidden: 14336,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    headDim: undefined,
    context: 131_072,
    eps: 1e-5,
    theta: 1e6,
    window: undefined,
  },
  qwen2: {
    vocab: 151_936,
    width: 4096,
    hidden: 22016,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headDim: undefined,
    context: 32768,
    eps: 1e-6,
    theta: 10000,
    window: 4096,
  },
  qwen3: {
    vocab: 151_936,
    width: 4096,
    hidden: 22016,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headDim: 128,
    context: 32768,
    eps: 1e-6,
    theta: 10000,
    window: 4096,
  },
};

export function llama(type: LlamaType, read: Fields<LlamaKey>, folder: string, has: Has): ReadConfig {
  const usual = llamaDefaults[type];
  const { path } = read;
  const width = read.number("hidden_size", usual.width);
  const heads = read.number("num_attention_heads", usual.heads);
  const layers = read.number("num_hidden_layers", usual.layers);
  const eps = read.number("rms_norm_eps", usual.eps);
  const { tied, note } = tiedOf(read.flag("tie_word_embeddings"), false, has, "embed_tokens.weight", path);
  checkSize("layers", layers, path, "num_hidden_layers"); // checked before a list of this length is made
  const windowed = windows(type, read, layers);
  const { rope, unknown } = ropeOf(read, new Set(layerKindsOf({ ...windowed, layers })), usual.theta);
  const architecture = checkSizes(
    {
      family: "llama",
      name: modelName(folder),
      vocab: read.number("vocab_size", usual.vocab),
      context: read.number("max_position_embeddings", usual.context),
      width,
      layers,
      heads,
      kvHeads: read.numberOrNull("num_key_value_heads", usual.kvHeads ?? heads, heads),
      headDim: read.numberOrNull("head_dim", usual.headDim ?? width / heads, width / heads),
      hidden: read.number("intermediate_size", usual.hidden),
      activation: activationOf(read, "hidden_act", "silu"),
      eps,
      rope,
      tied,
      bias: biasesOf(type, read, has),
      experts: type === "mixtral" ? experts(read, layers) : undefined,
      qkNorm: type === "qwen3" ? { eps } : undefined,
      ...windowed,
    },
    path,
    {
      vocab: "vocab_size",
      context: "max_position_embeddings",
      width: "hidden_size",
      layers: "num_hidden_layers",
      heads: "num_attention_heads",
      kvHeads: "num_key_value_heads",
      headDim: "head_dim",
      hidden: "intermediate_size",
    },
  );
  const ignored = ignoredKeysNote(CONFIG_FILE, [...read.unknown(), ...unknown]);
  return { architecture, notes: notesOf(note, ignored) };
}

const ropeOf = (read: Fields<LlamaKey>, kinds: ReadonlySet<LayerKind>, usualTheta: number): FoundRope =>
  ropeOfConfig({
    path: read.path,
    theta: read.numberOrNull("rope_theta", undefined, undefined),
    scaling: read.record("rope_scaling"),
    parameters: read.record("rope_parameters"),
    kinds,
    usualTheta,
  });

/**
 * How a class says which biases there are. Without a key, `qkv` says whether queries, keys and values may
 * have biases; nothing else has any.
 */
interface SaysBiases {
  /** Keys of the configuration that say it. */
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
 * The library has the biases that the configuration or the class says, and ignores all others that the
 * weights have. Here configuration and weights have to agree.
 */
function biasesOf(type: LlamaType, read: Fields<LlamaKey>, has: Has): Biases {
  const { attention, ffn, qkv } = saysBiases[type];
  const tensors = {
    qkv: "layers.0.self_attn.q_proj.bias",
    attentionOut: "layers.0.self_attn.o_proj.bias",
    ffn: "layers.0.mlp.up_proj.bias",
  };
  const agree = (tensor: string, key: LlamaKey | undefined, may: boolean): boolean => {
    const wanted = key === undefined ? undefined : (read.flag(key) ?? false);
    const found = has(tensor);
    if (wanted === undefined ? !found || may : wanted === found) return found;
    const says = key === undefined ? `models of type ${type} have none like it` : `${key} is ${wanted}`;
    throw new SinterError(
      "input",
      `${read.path}: ${says}, and the weights have ${found ? "" : "no "}${tensor}`,
      key === undefined
        ? "Is model_type right? llama is read with biases."
        : `Set "${key}": ${found} if the weights are right.`,
    );
  };
  return {
    norm: false,
    head: headBias(type, read.path, has),
    qkv: agree(tensors.qkv, attention, qkv),
    attentionOut: agree(tensors.attentionOut, attention, false),
    ffn: agree(tensors.ffn, ffn, false),
  };
}

/** The experts. Whatever their number, the library makes the weights of the chosen ones add up to 1. */
function experts(read: Fields<LlamaKey>, layers: number): Experts {
  const count = read.number(read.oneOf(["num_local_experts", "num_experts"]), 8);
  const top = read.number("num_experts_per_tok", 2);
  return { count, top, balance: balanceOf(read.number("router_aux_loss_coef", 0.001), top, layers) };
}

/**
 * The weight of the load-balancing loss in the units of Sinter's language. In the library a token counts once
 * for each of its experts, so that the shares add up to `top`, and all layers' tokens count together. In
 * Sinter the shares add up to 1 and every layer has a loss of its own. With the same load in every layer both
 * are the same.
 */
const balanceOf = (coefficient: number, top: number, layers: number): number =>
  Number(((coefficient * top) / layers).toPrecision(6));
export const coefficientOf = ({ balance, top }: Experts, layers: number): number =>
  Number((((balance ?? 0) * layers) / top).toPrecision(6));

type Windows = Pick<Architecture, "window" | "pattern">;

/**
 * The window, and which layers have it. In Mistral and Mixtral all layers are alike. In Qwen the layers from
 * `max_window_layers` on have a window, or `layer_types` names them.
 */
function windows(type: LlamaType, read: Fields<LlamaKey>, layers: number): Windows {
  const named = kindsNamed(read, layers);
  const window =
    type === "llama" ? undefined : read.numberOrNull("sliding_window", llamaDefaults[type].window, undefined);
  const switched = type === "qwen2" || type === "qwen3";
  const on = window !== undefined && (!switched || (read.flag("use_sliding_window") ?? false));
  const from = switched && on && !named ? read.number("max_window_layers", 28) : 0;
  if (!(Number.isInteger(from) && from >= 0)) read.wrong("max_window_layers", "a number of layers");
  const kinds = on
    ? Array.from({ length: layers }, (_, i): LayerKind =>
        switched && named ? named[i]! : i >= from ? "banded" : "dense",
      )
    : [];
  if (named?.some((kind, i) => kind !== (kinds[i] ?? "dense"))) {
    const kind = named.includes("banded") ? "sliding_attention" : "full_attention";
    const where = `${switched ? "use_sliding_window is true and " : ""}sliding_window is a number`;
    throw new SinterError(
      "input",
      `${read.path}: layer_types names layers of kind ${kind}, and the rest of it says otherwise`,
      on
        ? `All layers of type ${type} have a window: set sliding_window to null if they have none.`
        : `Layers have a window where ${where}.`,
    );
  }
  return kinds.includes("banded") ? { window, pattern: patternOf(kinds) } : {};
}

/** The kinds that `layer_types` names, one for each layer. */
function kindsNamed(read: Fields<LlamaKey>, layers: number): readonly LayerKind[] | undefined {
  const types = read.list("layer_types");
  if (!types) return undefined;
  if (types.length !== layers)
    throw corruptFile(read.path, `layer_types names ${types.length} of ${layers} layers`);
  return types.map((type) => {
    if (type === "full_attention") return "dense";
    if (type === "sliding_attention") return "banded";
    throw new SinterError(
      "input",
      `${read.path}: layer_types has a layer of kind ${shownValue(type)}`,
      "These are read: full_attention, sliding_attention.",
    );
  });
}

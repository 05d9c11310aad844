/** Writes config.json of models that go out. Every key that the readers take into account is written. */
import { layerKindsOf, type Architecture } from "../architecture/architecture.ts";
import { activationName } from "./huggingface-common.ts";
import { coefficientOf } from "./huggingface-llama.ts";
import { ropeScalingOf } from "./huggingface-rope.ts";
import type { FloatFormat } from "../../contract/number-formats.ts";
import { huggingFaceClasses } from "../architecture/published-classes.ts";

const torchNames: Readonly<Partial<Record<FloatFormat, string>>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/** Ids of special tokens, for tokenizers that have them. */
interface SpecialIds {
  readonly bos: number | undefined;
  readonly eos: number | readonly number[] | undefined;
}

/** What transformers (5) refuses without a point, where it is a whole number. */
const WHOLE = /("(?:router_\w+|rms_norm_eps|layer_norm_epsilon)": \d+)(?=,?$)/gm;

/** config.json of a model that goes out as class `type`, with matrices in `dtype`. */
export const configText = (...of: Parameters<typeof configOf>): string =>
  `${JSON.stringify(configOf(...of), null, 2)}\n`.replaceAll(WHOLE, "$1.0");

/** The same as an object. */
export function configOf(
  a: Architecture,
  type: string,
  dtype: FloatFormat,
  ids: SpecialIds,
): Readonly<Record<string, unknown>> {
  const { title } = huggingFaceClasses.find((c) => c.type === type)!;
  const common = {
    architectures: [title],
    model_type: type,
    vocab_size: a.vocab,
    tie_word_embeddings: a.tied,
    bos_token_id: ids.bos ?? null,
    eos_token_id: ids.eos ?? null,
    torch_dtype: torchNames[dtype],
    use_cache: true,
  };
  if (a.family === "gpt2")
    return {
      ...common,
      n_positions: a.context,
      n_embd: a.width,
      n_layer: a.layers,
      n_head: a.heads,
      n_inner: a.hidden,
      activation_function: activationName(a.activation),
      layer_norm_epsilon: a.eps,
      resid_pdrop: 0,
      embd_pdrop: 0,
      attn_pdrop: 0,
    };
  return {
    ...common,
    max_position_embeddings: a.context,
    hidden_size: a.width,
    num_hidden_layers: a.layers,
    num_attention_heads: a.heads,
    num_key_value_heads: a.kvHeads,
    head_dim: a.headDim,
    intermediate_size: a.hidden,
    hidden_act: activationName(a.activation),
    rms_norm_eps: a.eps,
    rope_theta: a.rope!.theta,
    rope_scaling: ropeScalingOf(a.rope!),
    attention_dropout: 0,
    ...ownKeys(a, type),
  };
}

/** Keys that only some of Llama's relatives have. */
function ownKeys(a: Architecture, type: string): Readonly<Record<string, unknown>> {
  const kinds = layerKindsOf(a);
  const banded = kinds.includes("banded");
  const switched = {
    use_sliding_window: banded,
    sliding_window: a.window ?? null,
    max_window_layers: banded && !a.pattern ? 0 : a.layers,
    ...(a.pattern
      ? { layer_types: kinds.map((kind) => (kind === "banded" ? "sliding_attention" : "full_attention")) }
      : {}),
  };
  switch (type) {
    case "mistral":
      return { sliding_window: a.window ?? null };
    case "mixtral":
      return {
        sliding_window: a.window ?? null,
        num_local_experts: a.experts!.count,
        num_experts_per_tok: a.experts!.top,
        router_aux_loss_coef: coefficientOf(a.experts!, a.layers),
        router_jitter_noise: 0,
        output_router_logits: false,
      };
    case "qwen2":
      return switched;
    case "qwen3":
      return { ...switched, attention_bias: a.bias.qkv };
    default:
      return { attention_bias: a.bias.qkv, mlp_bias: a.bias.ffn };
  }
}

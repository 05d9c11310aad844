/** Reads config.json of GPT-2 (GPT2Config), and of minGPT, which calls itself gpt-mini and the like. */
import { checkSizes, modelName } from "../architecture/architecture.ts";
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
import type { Gpt2Key } from "../keys/config-json.ts";
import { ignoredKeysNote } from "../../base/known-keys.ts";

export function gpt2(read: Fields<Gpt2Key>, type: string, folder: string, has: Has): ReadConfig {
  const widthKey = read.oneOf(["n_embd", "hidden_size"]);
  const layersKey = read.oneOf(["n_layer", "num_hidden_layers"]);
  const headsKey = read.oneOf(["n_head", "num_attention_heads"]);
  const contextKey = contextKeyOf(read);
  const width = read.number(widthKey, 768);
  const heads = read.number(headsKey, 12);
  const usual = type === "gpt2" ? true : undefined;
  const { tied, note } = tiedOf(read.flag("tie_word_embeddings"), usual, has, "wte.weight", read.path);
  const architecture = checkSizes(
    {
      family: "gpt2",
      name: modelName(folder),
      vocab: read.number("vocab_size", 50257),
      context: read.number(contextKey, 1024),
      width,
      layers: read.number(layersKey, 12),
      heads,
      kvHeads: heads,
      headDim: width / heads,
      hidden: read.numberOrNull("n_inner", 4 * width, 4 * width),
      activation: activationOf(read, "activation_function", "gelu_new"),
      eps: read.number("layer_norm_epsilon", 1e-5),
      rope: undefined,
      tied,
      bias: {
        norm: has("ln_f.bias"),
        qkv: has("h.0.attn.c_attn.bias"),
        attentionOut: has("h.0.attn.c_proj.bias"),
        ffn: has("h.0.mlp.c_fc.bias"),
        head: type === "gpt2" ? headBias(type, read.path, has) : has("lm_head.bias"),
      },
    },
    read.path,
    {
      vocab: "vocab_size",
      context: contextKey,
      width: widthKey,
      layers: layersKey,
      heads: headsKey,
      headDim: `${widthKey} / ${headsKey}`,
      hidden: "n_inner",
    },
  );
  return { architecture, notes: notesOf(note, ignoredKeysNote(CONFIG_FILE, read.unknown())) };
}

/**
 * The key that holds the context. Older files have n_ctx instead of the library's key, and minGPT's have
 * block_size.
 */
function contextKeyOf(read: Fields<Gpt2Key>): Gpt2Key {
  const key = read.oneOf(["n_positions", "max_position_embeddings"]);
  const candidates = [key, "n_ctx", "block_size"] as const;
  return candidates.find((each) => read.has(each)) ?? key;
}

/**
 * Feeds every key of config.json's tables to the reader: it counts, is refused by name, or changes nothing,
 * as its table says.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Activation } from "../../../runtime/contract/model.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Architecture } from "../../../runtime/formats/architecture/architecture.ts";
import type { ReadConfig } from "../../../runtime/formats/huggingface/huggingface-common.ts";
import { configOf } from "../../../runtime/formats/huggingface/huggingface-out.ts";
import { architectureOfConfig } from "../../../runtime/formats/huggingface/huggingface.ts";
import { parseJson } from "../../../runtime/formats/kit/json.ts";
import {
  gpt2Keys,
  llamaTypeKeys,
  ropeKeys,
  type LlamaType,
} from "../../../runtime/formats/keys/config-json.ts";
import { isHarmless, type KeyTable } from "../../../runtime/base/known-keys.ts";
import { tinyHuggingFace } from "../../support/small-models.ts";

type Config = Readonly<Record<string, unknown>>;

const gpt2 = { model_type: "gpt2", vocab_size: 6, n_embd: 24, n_layer: 2, n_head: 2, n_positions: 4 };
const llama = {
  model_type: "llama",
  vocab_size: 6,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 24,
  max_position_embeddings: 32,
  rms_norm_eps: 1e-5,
  hidden_act: "silu",
  tie_word_embeddings: false,
};
const windowed = { use_sliding_window: true, sliding_window: 5, max_window_layers: 1 };
const bases: Readonly<Record<"gpt2" | LlamaType, Config>> = {
  gpt2,
  llama,
  mistral: { ...llama, model_type: "mistral", sliding_window: 5 },
  mixtral: { ...llama, model_type: "mixtral", num_local_experts: 4, num_experts_per_tok: 2 },
  qwen2: { ...llama, model_type: "qwen2", ...windowed },
  qwen3: { ...llama, model_type: "qwen3", head_dim: 4, ...windowed },
};
const tables: Readonly<Record<keyof typeof bases, KeyTable>> = { gpt2: gpt2Keys, ...llamaTypeKeys };
const types = Object.keys(bases) as (keyof typeof bases)[];

/** Keys that count only where another one is missing. */
const insteadOf: Readonly<Record<string, string>> = {
  n_ctx: "n_positions",
  block_size: "n_positions",
  num_experts: "num_local_experts",
  type: "rope_type",
};
const gpt2InsteadOf: Readonly<Record<string, string>> = {
  hidden_size: "n_embd",
  num_hidden_layers: "n_layer",
  num_attention_heads: "n_head",
  max_position_embeddings: "n_positions",
};

const tensors = new Set(["wte.weight", "embed_tokens.weight", "lm_head.weight"]);
const readText = (text: string, has: (name: string) => boolean = (name) => tensors.has(name)): ReadConfig =>
  architectureOfConfig(parseJson(new TextEncoder().encode(text), "m/config.json"), "m/config.json", "m", has);
const open = (config: Config, has?: (name: string) => boolean): ReadConfig =>
  readText(JSON.stringify(config), has);

/** The architecture, or the error that says why there is none. */
function outcome(config: Config): Architecture | SinterError {
  try {
    return open(config).architecture;
  } catch (error) {
    expect(error).toBeInstanceOf(SinterError);
    return error as SinterError;
  }
}

const without = (config: Config, key: string | undefined): Config =>
  Object.fromEntries(Object.entries(config).filter(([name]) => name !== key));

const odd = [true, false, null, 0, 7, -1, 1e300, "x", [], [1], {}, { a: 1 }];
const named = (pattern: string): string => pattern.replaceAll("*", "7");

describe.each(types)("config.json of %s", (type) => {
  const base = bases[type];
  const table = tables[type];
  const entries = Object.entries(table);

  it("is read, and nothing of it is unknown", () => {
    const { architecture, notes } = open(base);
    expect(notes).toEqual([]);
    expect(architecture.layers).toBe(2);
  });

  const readKeys = entries.flatMap(([key, known]) =>
    known.effect === "read" ? [[key, known.another] as const] : [],
  );
  it.each(readKeys)("%s counts", (key, another) => {
    const plain = without(base, insteadOf[key] ?? (type === "gpt2" ? gpt2InsteadOf[key] : undefined));
    const before = outcome(plain);
    const after = outcome({ ...plain, [key]: another });
    expect(before).not.toBeInstanceOf(SinterError);
    expect(after).not.toEqual(before);
    if (after instanceof SinterError) expect(after.message).toContain(key);
  });

  const refusedKeys = entries.flatMap(([key, known]) =>
    known.effect === "refused" ? [[key, known] as const] : [],
  );
  it.each(refusedKeys)("%s is refused by name, but where it changes nothing", (key, known) => {
    const refusal = outcome({ ...base, [key]: known.another });
    expect(refusal).toMatchObject({
      kind: "input",
      message: expect.stringContaining(`${key} is `) as unknown,
      hint: known.help,
    });
    expect(refusal).toMatchObject({ message: expect.stringContaining(known.why) as unknown });
    const harmless = [null, ...(Array.isArray(known.harmless) ? (known.harmless as unknown[]) : [])];
    for (const value of harmless) expect(outcome({ ...base, [key]: value })).toEqual(outcome(base));
    for (const value of odd)
      if (!isHarmless(known, value) && !(value instanceof Object))
        expect(outcome({ ...base, [key]: value })).toBeInstanceOf(SinterError);
  });

  it("the others change nothing, and are not called unknown", () => {
    const idle = entries.filter(([, known]) => known.effect === "none").map(([key]) => named(key));
    const before = open(base);
    for (const key of idle)
      for (const value of odd) expect(open({ ...base, [key]: value }), key).toEqual(before);
    expect(idle.length).toBeGreaterThan(50);
  });

  it("what is in no list is named in one line", () => {
    expect(open({ ...base, surprise: 1, another_one: {} }).notes).toEqual([
      "config.json has keys that are not known here, and are ignored: surprise, another_one",
    ]);
    expect(readText(`{"__proto__": 1, ${JSON.stringify(base).slice(1)}`).notes[0]).toMatch(
      /is ignored: __proto__$/,
    );
  });

  it("wrong types are refused by name, whatever they would be taken for", () => {
    for (const [key] of readKeys) {
      if (
        key === "model_type" ||
        key.startsWith("rope_") ||
        key === "layer_types" ||
        typeof base[key] !== "number"
      )
        continue;
      for (const value of ["8", true, [8], { n: 8 }, -8])
        expect(outcome({ ...base, [key]: value }), `${key} ${JSON.stringify(value)}`).toBeInstanceOf(
          SinterError,
        );
      expect(() => readText(`{"${key}":1e400, ${JSON.stringify(without(base, key)).slice(1)}`), key).toThrow(
        /Infinity/,
      );
    }
  });
});

describe("changed at random", () => {
  const inner = fc.dictionary(
    fc.constantFrom(...Object.keys(ropeKeys), "full_attention", "__proto__"),
    fc.jsonValue({ maxDepth: 1 }),
    { maxKeys: 4 },
  );
  const number = fc.oneof(
    fc.integer({ min: -3, max: 70 }),
    fc.double(),
    fc.constantFrom(1e9, 2 ** 31, 2 ** 53, 1e300),
  );
  it.each(types)("%s: an architecture, or a reason", (type) => {
    const value = fc.oneof(
      number,
      fc.boolean(),
      fc.constantFrom(null, "linear", "silu", "full_attention"),
      inner,
      fc.jsonValue({ maxDepth: 2 }),
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...Object.keys(tables[type]).map(named)), value, { maxKeys: 5 }),
        (changes) => void outcome({ ...bases[type], ...changes }),
      ),
      { numRuns: 1500 },
    );
  });
});

describe("inside rope_scaling and rope_parameters", () => {
  const llama3 = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 16,
  };
  const within = (place: string, inner: Config): Architecture | SinterError =>
    outcome({ ...llama, [place]: inner });

  describe.each(["rope_scaling", "rope_parameters"])("%s", (place) => {
    it.each(Object.entries(ropeKeys))("%s", (key, known) => {
      const inner = without(llama3, insteadOf[key]);
      const plain = key === "type" ? { ...inner, type: "llama3" } : inner;
      const before = within(place, plain);
      expect(before).toMatchObject({
        rope: { theta: 10000, scaling: { factor: 8, low: 1, high: 4, original: 16 } },
      });
      if (known.effect === "none")
        for (const value of odd) expect(within(place, { ...plain, [key]: value })).toEqual(before);
      else expect(within(place, { ...plain, [key]: known.another })).not.toEqual(before);
      if (known.effect === "refused")
        expect(within(place, { ...plain, [key]: known.another })).toMatchObject({
          message: expect.stringContaining(`in ${place}: ${key} is`) as unknown,
        });
    });
    it("unknown keys are named with their place", () =>
      expect(open({ ...llama, [place]: { ...llama3, surprise: 1 } }).notes).toEqual([
        `config.json has a key that is not known here, and is ignored: ${place}.surprise`,
      ]));
  });

  const rope = (config: Config): unknown => {
    const found = outcome({ ...llama, ...config });
    return found instanceof SinterError ? found.message : found.rope;
  };
  it("linear scaling and Llama 3's; a factor of 1 is none", () => {
    expect(rope({ rope_scaling: { type: "linear", factor: 4 } })).toEqual({ theta: 10000, linear: 4 });
    expect(rope({ rope_scaling: { rope_type: "linear", factor: 1 }, rope_theta: 300 })).toEqual({
      theta: 300,
    });
    expect(rope({ rope_scaling: { ...llama3, factor: 1 } })).toEqual({ theta: 10000 });
    expect(rope({ rope_scaling: { rope_type: "linear" } })).toMatch(
      /rope_scaling.factor is undefined; a number was expected/,
    );
    expect(rope({ rope_scaling: { rope_type: "linear", factor: 0.5 } })).toMatch(
      /rope_scaling.factor is 0.5; a number from 1 on/,
    );
    expect(rope({ rope_scaling: { ...llama3, low_freq_factor: 4 } })).toMatch(
      /low_freq_factor is 4; a number above 0 and below/,
    );
    for (const type of ["yarn", "dynamic", "longrope", "su", "ntk"])
      expect(rope({ rope_scaling: { rope_type: type, factor: 4 } })).toContain(`scaled by type "${type}"`);
    expect(rope({ rope_scaling: { rope_type: "default", type: "mrope", mrope_section: [2, 1, 1] } })).toMatch(
      /mrope_section is \[2,1,1\]/,
    );
  });

  it("several places have to say the same", () => {
    const newer = { rope_type: "default", rope_theta: 500 };
    expect(rope({ rope_parameters: newer })).toEqual({ theta: 500 });
    expect(rope({ rope_parameters: newer, rope_theta: 500, rope_scaling: null })).toEqual({ theta: 500 });
    expect(rope({ rope_parameters: newer, rope_scaling: { type: "default" } })).toEqual({ theta: 500 });
    expect(rope({ rope_parameters: newer, rope_theta: 10000 })).toMatch(
      /rope_theta is 10000 in one place and 500 in another/,
    );
    expect(
      rope({
        rope_parameters: { rope_type: "yarn", factor: 4, rope_theta: 500 },
        rope_scaling: { rope_type: "default" },
      }),
    ).toMatch(/scaled by type "yarn"/);
    expect(
      rope({ rope_parameters: { rope_type: "linear", factor: 4 }, rope_scaling: { rope_type: "default" } }),
    ).toMatch(/rope's scaling is \{\} in one place and \{"linear":4\}/);
  });

  it("by kind of layer: those that there are, which have to agree", () => {
    const kinds = (full: unknown, banded: unknown): Config => ({
      rope_parameters: { full_attention: full, sliding_attention: banded },
    });
    const a = { rope_type: "default", rope_theta: 500 };
    const b = { rope_type: "default", rope_theta: 700 };
    const full = { layer_types: ["full_attention", "full_attention"] };
    expect(rope({ ...full, ...kinds(a, b) })).toEqual({ theta: 500 });
    expect(rope({ ...full, rope_parameters: { full_attention: a } })).toEqual({ theta: 500 });
    expect(rope({ ...bases.mistral, ...kinds(a, b) })).toEqual({ theta: 700 });
    expect(rope({ ...bases.qwen2, ...kinds(a, a) })).toEqual({ theta: 500 });
    expect(rope({ ...bases.qwen2, ...kinds(a, b) })).toMatch(
      /rope_theta is 500 in one place and 700 in another/,
    );
    expect(rope({ ...bases.qwen2, rope_parameters: { full_attention: a } })).toMatch(
      /rope_parameters has nothing for layers of kind sliding_attention/,
    );
  });
});

describe("what is left out", () => {
  const bare = (type: string, more: Config = {}): Architecture => {
    const found = outcome({ model_type: type, ...more });
    if (found instanceof SinterError) throw found;
    return found;
  };
  /** After huggingface.co/docs/transformers, each class's own page. */
  it("has each class's default", () => {
    expect(bare("gpt2")).toMatchObject({
      vocab: 50257,
      context: 1024,
      width: 768,
      layers: 12,
      heads: 12,
      hidden: 3072,
      activation: "gelu_tanh",
      eps: 1e-5,
      tied: true,
    });
    const all = { activation: "silu", tied: false, layers: 32, heads: 32, headDim: 128, width: 4096 };
    expect(bare("llama")).toMatchObject({
      ...all,
      vocab: 32000,
      hidden: 11008,
      kvHeads: 32,
      context: 2048,
      eps: 1e-6,
      rope: { theta: 10000 },
    });
    expect(bare("mistral")).toMatchObject({
      ...all,
      vocab: 32000,
      hidden: 14336,
      kvHeads: 8,
      context: 131_072,
      eps: 1e-6,
      rope: { theta: 10000 },
      window: 4096,
    });
    expect(bare("mixtral")).toMatchObject({
      ...all,
      vocab: 32000,
      hidden: 14336,
      kvHeads: 8,
      context: 131_072,
      eps: 1e-5,
      rope: { theta: 1e6 },
      experts: { count: 8, top: 2 },
    });
    expect(bare("mixtral").window).toBeUndefined();
    for (const type of ["qwen2", "qwen3"]) {
      expect(bare(type)).toMatchObject({
        ...all,
        vocab: 151_936,
        hidden: 22016,
        kvHeads: 32,
        context: 32768,
        eps: 1e-6,
        rope: { theta: 10000 },
      });
      expect(bare(type).window).toBeUndefined();
      expect(bare(type, { use_sliding_window: true })).toMatchObject({
        window: 4096,
        pattern: [...Array<string>(28).fill("dense"), ...Array<string>(4).fill("banded")],
      });
    }
  });
  it("null is not the default where the class says so", () => {
    for (const type of ["llama", "mistral", "mixtral", "qwen2", "qwen3"] as const) {
      expect(bare(type, { num_attention_heads: 64, num_key_value_heads: null, head_dim: 64 })).toMatchObject({
        kvHeads: 64,
      });
      expect(bare(type, { num_attention_heads: 64, head_dim: null })).toMatchObject({ headDim: 64 });
      expect(bare(type, { sliding_window: null, use_sliding_window: true }).window, type).toBeUndefined();
    }
    expect(bare("qwen3", { num_attention_heads: 64 })).toMatchObject({ headDim: 128, kvHeads: 32 });
    expect(bare("gpt2", { n_inner: null, n_embd: 24 })).toMatchObject({ hidden: 96 });
    expect(outcome({ model_type: "llama", rms_norm_eps: null })).toMatchObject({
      message: expect.stringContaining("rms_norm_eps is null") as unknown,
    });
  });
});

describe("published configurations", () => {
  const base = {
    architectures: ["LlamaForCausalLM"],
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: 1,
    eos_token_id: 2,
    initializer_range: 0.02,
    torch_dtype: "bfloat16",
    transformers_version: "4.43.4",
    use_cache: true,
  };
  const size = {
    vocab_size: 6,
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 24,
    hidden_act: "silu",
    tie_word_embeddings: false,
  };
  /** Configurations with the keys of published files, in small sizes. */
  const published: Readonly<Record<string, Config>> = {
    gpt2: {
      activation_function: "gelu_new",
      architectures: ["GPT2LMHeadModel"],
      attn_pdrop: 0.1,
      bos_token_id: 50256,
      embd_pdrop: 0.1,
      eos_token_id: 50256,
      initializer_range: 0.02,
      layer_norm_epsilon: 1e-5,
      model_type: "gpt2",
      n_ctx: 4,
      n_embd: 24,
      n_head: 2,
      n_layer: 2,
      n_positions: 4,
      resid_pdrop: 0.1,
      summary_activation: null,
      summary_first_dropout: 0.1,
      summary_proj_to_labels: true,
      summary_type: "cls_index",
      summary_use_proj: true,
      task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } },
      vocab_size: 6,
      _num_labels: 1,
      id2label: { 0: "LABEL_0" },
      label2id: { LABEL_0: 0 },
    },
    "Llama 2": {
      ...base,
      ...size,
      _name_or_path: "meta-llama/Llama-2-7b-hf",
      model_type: "llama",
      max_position_embeddings: 32,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_scaling: null,
      max_length: 4096,
      pad_token_id: 0,
      max_sequence_length: 32,
    },
    "Llama 3.2": {
      ...base,
      ...size,
      model_type: "llama",
      head_dim: 4,
      mlp_bias: false,
      max_position_embeddings: 32,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_theta: 500000,
      eos_token_id: [128001, 128008],
      rope_scaling: {
        factor: 32,
        high_freq_factor: 4,
        low_freq_factor: 1,
        original_max_position_embeddings: 8192,
        rope_type: "llama3",
      },
    },
    SmolLM2: {
      ...base,
      ...size,
      model_type: "llama",
      is_llama_config: true,
      max_position_embeddings: 32,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_interleaved: false,
      rope_scaling: null,
      rope_theta: 100000,
      "transformers.js_config": { dtype: "q4" },
    },
    "Mistral 0.3": {
      ...size,
      architectures: ["MistralForCausalLM"],
      attention_dropout: 0,
      bos_token_id: 1,
      eos_token_id: 2,
      initializer_range: 0.02,
      model_type: "mistral",
      max_position_embeddings: 32,
      rms_norm_eps: 1e-5,
      rope_theta: 1e6,
      sliding_window: null,
      torch_dtype: "bfloat16",
      use_cache: true,
    },
    Mixtral: {
      ...size,
      architectures: ["MixtralForCausalLM"],
      attention_dropout: 0,
      model_type: "mixtral",
      max_position_embeddings: 32,
      num_experts_per_tok: 2,
      num_local_experts: 4,
      output_router_logits: false,
      rms_norm_eps: 1e-5,
      rope_theta: 1e6,
      router_aux_loss_coef: 0.02,
      sliding_window: null,
    },
    "Qwen 2.5": {
      ...size,
      architectures: ["Qwen2ForCausalLM"],
      attention_dropout: 0,
      model_type: "qwen2",
      max_position_embeddings: 32,
      max_window_layers: 24,
      rms_norm_eps: 1e-6,
      rope_theta: 1e6,
      sliding_window: 32768,
      use_mrope: false,
      use_sliding_window: false,
    },
    "Qwen 3": {
      ...base,
      ...size,
      architectures: ["Qwen3ForCausalLM"],
      model_type: "qwen3",
      head_dim: 8,
      max_position_embeddings: 32,
      max_window_layers: 28,
      rms_norm_eps: 1e-6,
      rope_scaling: null,
      rope_theta: 1e6,
      sliding_window: null,
      use_sliding_window: false,
    },
    "version 5": {
      ...size,
      architectures: ["Qwen3ForCausalLM"],
      model_type: "qwen3",
      head_dim: 8,
      dtype: "bfloat16",
      attention_bias: false,
      layer_types: ["full_attention", "full_attention"],
      max_position_embeddings: 32,
      max_window_layers: 28,
      rms_norm_eps: 1e-6,
      rope_parameters: { rope_theta: 1e6, rope_type: "default" },
      sliding_window: null,
      use_sliding_window: false,
      pad_token_id: null,
    },
    "by mlx": {
      ...size,
      model_type: "llama",
      rms_norm_eps: 1e-5,
      rope_traditional: false,
      max_position_embeddings: 32,
    },
  };
  it.each(Object.entries(published))("%s: nothing of it is unknown", (_, config) => {
    expect(open(config)).toMatchObject({ architecture: { layers: 2 }, notes: [] });
  });
});

describe("what the weights have to agree with", () => {
  const withTensors =
    (...names: readonly string[]) =>
    (name: string): boolean =>
      tensors.has(name) || names.includes(name);
  const q = "layers.0.self_attn.q_proj.bias";
  const o = "layers.0.self_attn.o_proj.bias";
  const up = "layers.0.mlp.up_proj.bias";

  it("biases, where the class says which there are", () => {
    expect(
      open({ ...llama, attention_bias: true, mlp_bias: true }, withTensors(q, o, up)).architecture.bias,
    ).toMatchObject({ qkv: true, attentionOut: true, ffn: true });
    expect(() => open(llama, withTensors(q, o))).toThrow(
      /attention_bias is false, and the weights have layers.0.self_attn.q_proj.bias/,
    );
    expect(() => open({ ...llama, attention_bias: true }, withTensors(q))).toThrow(
      /attention_bias is true, and the weights have no layers.0.self_attn.o_proj.bias/,
    );
    expect(() => open({ ...llama, mlp_bias: true })).toThrow(
      /mlp_bias is true, and the weights have no layers.0.mlp.up_proj.bias/,
    );
    expect(open(bases.qwen2, withTensors(q)).architecture.bias).toMatchObject({
      qkv: true,
      attentionOut: false,
    });
    expect(() => open(bases.qwen2, withTensors(q, o))).toThrow(
      /models of type qwen2 have none like it, and the weights have layers.0.self_attn.o_proj.bias/,
    );
    expect(() => open(bases.mistral, withTensors(q))).toThrow(/models of type mistral have none like it/);
    for (const type of types)
      expect(() => open(bases[type], withTensors("lm_head.bias"))).toThrow(
        /have no bias of the output, and the weights have lm_head.bias/,
      );
    expect(
      open({ ...gpt2, model_type: "gpt-nano" }, withTensors("lm_head.bias")).architecture.bias.head,
    ).toBe(true);
  });
  it("an output of its own", () => {
    const hidden = (name: string): boolean => name === "embed_tokens.weight";
    expect(() => open(llama, hidden)).toThrow(
      /tie_word_embeddings is false, and the weights have no lm_head.weight/,
    );
    expect(open(without(llama, "tie_word_embeddings"), hidden)).toMatchObject({
      architecture: { tied: true },
      notes: ["the weights have no lm_head.weight: output and token embedding are one matrix"],
    });
    expect(open({ ...llama, tie_word_embeddings: true }, hidden)).toMatchObject({
      architecture: { tied: true },
      notes: [],
    });
  });
  it("layer_types and windows", () => {
    const kinds = (type: LlamaType, ...names: readonly string[]): Architecture | SinterError =>
      outcome({ ...bases[type], layer_types: names });
    const full = "full_attention";
    const sliding = "sliding_attention";
    expect(kinds("llama", full, full)).toEqual(outcome(llama));
    expect(kinds("llama", full, sliding)).toMatchObject({
      message: expect.stringContaining("layer_types names layers of kind sliding_attention") as unknown,
    });
    expect(kinds("mistral", sliding, sliding)).toEqual(outcome(bases.mistral));
    expect(kinds("mistral", full, full)).toMatchObject({
      message: expect.stringContaining("layer_types names layers of kind full_attention") as unknown,
    });
    expect(kinds("qwen2", sliding, full)).toMatchObject({ window: 5, pattern: ["banded", "dense"] });
    expect(kinds("qwen2", full, full)).not.toHaveProperty("window", 5);
    expect(kinds("qwen2", full, "linear_attention")).toMatchObject({
      message: expect.stringContaining('of kind "linear_attention"') as unknown,
    });
    expect(
      outcome({ ...bases.qwen2, use_sliding_window: false, layer_types: [full, sliding] }),
    ).toBeInstanceOf(SinterError);
  });
});

describe("what goes out", () => {
  /** Other names of keys that are written, and keys that say the same as one that is. */
  const spared = new Set([
    ...Object.keys(insteadOf),
    ...Object.keys(gpt2InsteadOf),
    "rope_parameters",
    "layer_types",
  ]);

  it.each(Object.entries(tinyHuggingFace))(
    "%s comes back as the same architecture, and leans on no default",
    (_, [type, was]) => {
      const has = (name: string): boolean =>
        name === "lm_head.weight"
          ? !was.tied
          : name.endsWith(".bias")
            ? (/q_proj|c_attn/.test(name) && was.bias.qkv) ||
              (/o_proj|attn.c_proj/.test(name) && was.bias.attentionOut) ||
              (/up_proj|c_fc/.test(name) && was.bias.ffn) ||
              (name === "ln_f.bias" && was.bias.norm)
            : true;
      const config = configOf(was, type, "F32", { bos: 1, eos: 2 });
      const { architecture, notes } = open(config, has);
      expect(JSON.parse(JSON.stringify(architecture))).toEqual(JSON.parse(JSON.stringify(was)));
      expect(notes).toEqual([]);
      const written = new Set(Object.keys(config));
      const names = Object.entries(tables[type as keyof typeof tables]);
      expect(
        names
          .filter(([key, known]) => known.effect === "read" && !spared.has(key) && !written.has(key))
          .map(([key]) => key),
      ).toEqual([]);
    },
  );

  it("an activation that Hugging Face has no name for does not go out", () => {
    const named = { ...tinyHuggingFace["gpt2"]![1], activation: "gelu_tanh" as const };
    expect(configOf(named, "gpt2", "F32", { bos: 1, eos: 2 })).toMatchObject({
      activation_function: "gelu_new",
    });
    const odd = { ...named, activation: "softplus" as Activation };
    expect(() => configOf(odd, "gpt2", "F32", { bos: 1, eos: 2 })).toThrow(/softplus, for which .* no name/);
  });
});

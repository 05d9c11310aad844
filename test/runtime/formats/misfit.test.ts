/**
 * Weights and configurations that do not fit, and folders that are not what they claim: the errors name the
 * tensor, the shape or the key.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Stems } from "../../../runtime/formats/architecture/naming.ts";
import type { TensorIndex } from "../../../runtime/formats/architecture/fit.ts";
import { gather } from "../../../runtime/formats/architecture/gather.ts";
import type { Link } from "../../../runtime/formats/architecture/links.ts";
import { fittedLinks, openPublished, type Published } from "../../../runtime/formats/published.ts";
import { allFloats } from "../../../runtime/formats/kit/weights.ts";
import { writeHeader } from "../../../runtime/store/safetensors.ts";
import { memoryFiles } from "../../support/memory-files.ts";

/** The numbers of one of Sinter's tensors, dense. */
async function importTensor(link: Link, index: TensorIndex): Promise<Float32Array> {
  const out = new Float32Array(link.shape.reduce((a, b) => a * b, 1));
  for (const piece of link.pieces) gather(link, piece, await allFloats(index.get(piece.name)!), out);
  return out;
}

const width = 8;
const vocab = 6;
const context = 4;
const hidden = 32;
const config = {
  model_type: "gpt2",
  n_embd: width,
  n_layer: 1,
  n_head: 2,
  n_positions: context,
  vocab_size: vocab,
  activation_function: "gelu_new",
};
type Shapes = Record<string, readonly number[]>;
const shapes: Shapes = {
  "wte.weight": [vocab, width],
  "wpe.weight": [context, width],
  "h.0.ln_1.weight": [width],
  "h.0.ln_1.bias": [width],
  "h.0.attn.c_attn.weight": [width, 3 * width],
  "h.0.attn.c_attn.bias": [3 * width],
  "h.0.attn.c_proj.weight": [width, width],
  "h.0.attn.c_proj.bias": [width],
  "h.0.ln_2.weight": [width],
  "h.0.ln_2.bias": [width],
  "h.0.mlp.c_fc.weight": [width, hidden],
  "h.0.mlp.c_fc.bias": [hidden],
  "h.0.mlp.c_proj.weight": [hidden, width],
  "h.0.mlp.c_proj.bias": [width],
  "ln_f.weight": [width],
  "ln_f.bias": [width],
};
const stems: Stems = {
  token: "token_embedding",
  position: "position_embedding",
  attentionNorm: "layers.a",
  qkv: "layers.b.qkv",
  attentionOut: "layers.b.out",
  ffnNorm: "layers.c",
  up: "layers.d.up",
  down: "layers.d.down",
  norm: "output.e",
  head: "output.f",
};

function weights(
  list: Shapes,
  fill: (name: string, i: number) => number = (name, i) => name.length + i / 8,
): Uint8Array {
  const names = Object.entries(list);
  const header = writeHeader(
    names.map(([name, shape]) => ({ name, dtype: "F32", shape })),
    {},
  );
  const data = names.map(
    ([name, shape]) =>
      new Uint8Array(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => fill(name, i)).buffer,
      ),
  );
  return new Uint8Array(Buffer.concat([header, ...data]));
}

const without = (name: string): Shapes =>
  Object.fromEntries(Object.entries(shapes).filter(([key]) => key !== name));
const open = (
  list: Shapes | Uint8Array,
  settings: unknown = config,
  more: Record<string, string | Uint8Array> = {},
): Promise<Published> =>
  openPublished(
    memoryFiles({
      "m/config.json": typeof settings === "string" ? settings : JSON.stringify(settings),
      "m/model.safetensors": list instanceof Uint8Array ? list : weights(list),
      ...more,
    }),
    "m/model.safetensors",
  );
const why = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "",
    (error: unknown) => {
      expect(error).toBeInstanceOf(SinterError);
      return (error as SinterError).message;
    },
  );
const fit = async (list: Shapes, settings: unknown = config): Promise<unknown> =>
  fittedLinks(await open(list, settings), stems);

describe("a checkpoint that does not fit says", () => {
  it("which tensor is missing", async () =>
    expect(await why(fit(without("h.0.mlp.c_fc.weight")))).toMatch(
      /tensor "h.0.mlp.c_fc.weight" \[8,32\] is missing/,
    ));
  it("which shape was expected and found", async () => {
    expect(await why(fit({ ...shapes, "h.0.ln_2.weight": [9] }))).toMatch(
      /tensor "h.0.ln_2.weight" is \[9\]; the model has \[8\]/,
    );
    expect(await why(fit(shapes, { ...config, vocab_size: 7 }))).toMatch(
      /tensor "wte.weight" is \[6,8\]; the model has \[7,8\]/,
    );
    expect(await why(fit(shapes, { ...config, n_inner: 33 }))).toMatch(
      /"h.0.mlp.c_fc.weight" is \[8,32\]; the model has \[8,33\]/,
    );
  });
  it("what is left over, and what the rest is", async () => {
    expect(await why(fit({ ...shapes, "h.1.ln_1.weight": [width] }))).toMatch(
      /tensor "h.1.ln_1.weight" \[8\] has no place in the model/,
    );
    expect(await why(fit(shapes, { ...config, n_layer: 9 }))).toMatch(/is missing.*and \d+ more/);
  });
  it("that two names are one tensor, that two heads differ", async () => {
    expect(await why(open({ ...shapes, "transformer.wte.weight": [vocab, width] }))).toMatch(
      /"wte.weight" and "transformer.wte.weight" are one and the same/,
    );
    expect(
      await why(
        open({ ...shapes, "lm_head.weight": [vocab, width] }, { ...config, tie_word_embeddings: true }),
      ),
    ).toMatch(/lm_head.weight differs from wte.weight/);
  });
});

describe("heads and buffers", () => {
  it("an output that is absent, doubled, or alone is the token embedding; another is its own", async () => {
    expect((await open(shapes)).architecture.tied).toBe(true);
    const doubled = await open(
      weights({ ...shapes, "lm_head.weight": [vocab, width] }, (_, i) => i),
      { ...config, tie_word_embeddings: true },
    );
    expect(doubled.architecture.tied).toBe(true);
    expect(doubled.notes).toEqual(["lm_head.weight equals wte.weight"]);
    expect(
      (await open({ ...without("wte.weight"), "lm_head.weight": [vocab, width] })).architecture.tied,
    ).toBe(true);
    const two = { ...shapes, "lm_head.weight": [vocab, width] };
    // GPT2Config means tied where it says nothing
    expect(await why(open(two))).toMatch(/lm_head.weight differs from wte.weight/);
    // minGPT's configuration says nothing about it
    expect((await open(two, { ...config, model_type: "gpt-nano" })).architecture.tied).toBe(false);
    const own = await open(two, { ...config, tie_word_embeddings: false });
    expect(own.architecture.tied).toBe(false);
    const head = fittedLinks(own, stems).find(({ name }) => name === "output.f.weight")!;
    expect(head.shape).toEqual([width, vocab]);
    // row 0, column 1: the first number of the second token
    expect((await importTensor(head, own.index))[1]).toBe("lm_head.weight".length + width / 8);
  });
  it("attn.bias and attn.masked_bias are no weights; the prefix may be there", async () => {
    const prefixed = Object.fromEntries(
      [
        ...Object.entries(shapes),
        ["h.0.attn.bias", [1, 1, 4, 4]] as const,
        ["h.0.attn.masked_bias", [1]] as const,
      ].map(([name, shape]) => [`transformer.${name}`, shape]),
    );
    expect(fittedLinks(await open(prefixed), stems).length).toBe(Object.keys(shapes).length);
  });
});

describe("metadata of safetensors", () => {
  const named = (metadata: Record<string, string>, more: Shapes = {}): Uint8Array => {
    const names = Object.entries({ ...shapes, ...more });
    const header = writeHeader(
      names.map(([name, shape]) => ({ name, dtype: "F32", shape })),
      metadata,
    );
    return new Uint8Array(
      Buffer.concat([
        header,
        ...names.map(([, shape]) => new Uint8Array(4 * shape.reduce((a, b) => a * b, 1))),
      ]),
    );
  };
  it("of PyTorch and MLX is read, of others refused, and a run's checkpoint is told what it is", async () => {
    for (const format of ["pt", "mlx", "np"]) expect((await open(named({ format }))).notes).toEqual([]);
    for (const format of ["tf", "flax", "gptq"])
      expect(await why(open(named({ format })))).toMatch(
        `format is "${format}": these weights are named and turned as that program has them`,
      );
    expect((await open(named({ format: "pt", "lm_head.weight": "transformer.wte.weight" }))).notes).toEqual(
      [],
    ); // as safetensors.torch.save_model writes it
    expect(await why(open(named({ sinter: "{}", sinter_sha256: "" })))).toMatch(
      /sinter is "\{\}": it is a checkpoint of a run/,
    );
  });
  it("that is not known is named", async () => {
    expect((await open(named({ format: "pt", total_size: "7", surprise: "x" }))).notes).toEqual([
      "__metadata__ of model.safetensors has a key that is not known here, and is ignored: surprise",
    ]);
  });
  it("of several files counts for all of them", async () => {
    const half = (names: readonly string[], format: string): Uint8Array => {
      const list = names.map((name) => ({ name, dtype: "F32" as const, shape: shapes[name]! }));
      return new Uint8Array(
        Buffer.concat([
          writeHeader(list, { format }),
          ...list.map(({ shape }) => new Uint8Array(4 * shape.reduce((a, b) => a * b, 1))),
        ]),
      );
    };
    const names = Object.keys(shapes);
    const [a, b] = [names.slice(0, 5), names.slice(5)];
    const folder = (format: string): Promise<Published> =>
      openPublished(
        memoryFiles({
          "m/config.json": JSON.stringify(config),
          "m/a.safetensors": half(a, "pt"),
          "m/b.safetensors": half(b, format),
          "m/model.safetensors.index.json": JSON.stringify({
            metadata: {},
            weight_map: Object.fromEntries([
              ...a.map((n) => [n, "a.safetensors"]),
              ...b.map((n) => [n, "b.safetensors"]),
            ]),
          }),
        }),
        "m",
      );
    expect((await folder("pt")).architecture.layers).toBe(1);
    const twice = memoryFiles({
      "m/config.json": JSON.stringify(config),
      "m/a.safetensors": half(names, "pt"),
      "m/model.safetensors.index.json":
        '{"weight_map":{"wte.weight":"a.safetensors","wte.weight":"b.safetensors"}}',
    });
    expect(await why(openPublished(twice, "m"))).toMatch(
      /index.json: the key "wte.weight" stands there twice/,
    );
    expect(await why(folder("tf"))).toMatch(/format is "pt; tf"/);
  });
});

describe("configurations", () => {
  const bad: Record<string, readonly [unknown, RegExp]> = {
    "not JSON": ["{", /config.json: /],
    "not an object": ["[]", /no object/],
    "another model": [{ model_type: "bert" }, /model_type is "bert"/],
    "no type": [{}, /does not say model_type/],
    "nested without end": ["[".repeat(5000) + "]".repeat(5000), /nested/],
    "a width that is a text": [{ ...config, n_embd: "8" }, /n_embd is "8"; a number/],
    "negative layers": [{ ...config, n_layer: -1 }, /n_layer is -1/],
    "half a layer": [{ ...config, n_layer: 0.5 }, /n_layer is 0.5/],
    "1e300 layers": [{ ...config, n_layer: 1e300 }, /n_layer is 1e\+300/],
    "no heads": [{ ...config, n_head: 0 }, /n_head is 0|Infinity/],
    "heads that do not divide": [{ ...config, n_head: 3 }, /n_embd \/ n_head is 2.66/],
    "an epsilon of 0": [{ ...config, layer_norm_epsilon: 0 }, /epsilon is 0/],
    "an unknown activation": [{ ...config, activation_function: "mish" }, /activation_function is "mish"/],
    "scores by layer": [
      { ...config, scale_attn_by_inverse_layer_idx: true },
      /scale_attn_by_inverse_layer_idx is true/,
    ],
    "an activation from the prototype": [
      { ...config, activation_function: "constructor" },
      /activation_function is "constructor"/,
    ],
    "rope of another kind": [
      { model_type: "llama", rope_scaling: { rope_type: "yarn", factor: 4 } },
      /rotary embedding is scaled by type "yarn"/,
    ],
    "kv heads that do not divide": [
      { model_type: "llama", num_attention_heads: 4, num_key_value_heads: 3, hidden_size: 8 },
      /do not divide into 3/,
    ],
    "no numbers": [{ ...config, n_layer: null }, /n_layer is null; a number/],
    "a number that is true": [{ ...config, n_layer: true }, /n_layer is true; a number/],
    "a number beyond all": [`{"model_type":"gpt2","n_layer":1e400}`, /n_layer is Infinity; a number/],
    "a key twice": [
      `{"model_type":"gpt2","n_layer":1,"n_embd":8,"n_\\u006cayer":2}`,
      /config.json: the key "n_layer" stands there twice/,
    ],
    "a key twice inside": [
      `{"model_type":"llama","rope_scaling":{"factor":1,"type":"linear","factor":2}}`,
      /the key "factor" stands there twice/,
    ],
    "an output that is not there": [
      { ...config, tie_word_embeddings: false },
      /tie_word_embeddings is false, and the weights have no lm_head.weight/,
    ],
    "two names that disagree": [
      { ...config, hidden_size: 16 },
      /n_embd is 8, and hidden_size is 16: the two are one setting/,
    ],
    "too long": [`{"model_type":"gpt2","x":"${"a".repeat(1 << 20)}"}`, /at most 1048576/],
  };
  it.each(Object.entries(bad))("%s", async (_, [settings, message]) =>
    expect(await why(open(shapes, settings))).toMatch(message),
  );
  it("changed at random: an error, or a model", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          fc.constantFrom(
            ...Object.keys(config),
            "tie_word_embeddings",
            "rope_scaling",
            "layer_norm_epsilon",
            "__proto__",
          ),
          fc.jsonValue({ maxDepth: 2 }),
        ),
        async (changes) => {
          await why(
            open(shapes, { ...config, ...changes }).then((published) => fittedLinks(published, stems)),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("a mixture", () => {
  const settings = {
    model_type: "mixtral",
    hidden_size: 8,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    vocab_size: 6,
    max_position_embeddings: 4,
    num_local_experts: 3,
  };
  const attention: Shapes = {
    "self_attn.q_proj": [8, 8],
    "self_attn.k_proj": [4, 8],
    "self_attn.v_proj": [4, 8],
    "self_attn.o_proj": [8, 8],
    input_layernorm: [8],
    post_attention_layernorm: [8],
  };
  const experts: Shapes = Object.fromEntries(
    [0, 1, 2].flatMap((e) =>
      [
        ["w1", [16, 8]],
        ["w2", [8, 16]],
        ["w3", [16, 8]],
      ].map(([n, shape]) => [`block_sparse_moe.experts.${e}.${n as string}`, shape as number[]]),
    ),
  );
  const layer = { ...attention, ...experts, "block_sparse_moe.gate": [3, 8] };
  const all: Shapes = {
    "model.embed_tokens.weight": [6, 8],
    "model.norm.weight": [8],
    "lm_head.weight": [6, 8],
    ...Object.fromEntries(
      Object.entries(layer).map(([name, shape]) => [`model.layers.0.${name}.weight`, shape]),
    ),
  };
  const places: Stems = { ...stems, router: "layers.d.router", gate: "layers.d.gate" };
  const links = async (list: Shapes, more: object = {}): Promise<Published> => {
    const published = await open(list, { ...settings, ...more });
    fittedLinks(published, places);
    return published;
  };
  it("is read: its form, its defaults, its experts in their order", async () => {
    const published = await links(all);
    const { architecture } = published;
    expect(architecture).toMatchObject({
      family: "llama",
      hidden: 16,
      eps: 1e-5,
      rope: { theta: 1e6 },
      tied: false,
      experts: { count: 3, top: 2, balance: 0.002 },
    });
    expect((await links(all, { sliding_window: 2 })).architecture).toMatchObject({
      window: 2,
      experts: { count: 3 },
    });
    const down = fittedLinks(published, places).find((link) => link.name === "layers.0.d.down.weight")!;
    const values = await importTensor(down, published.index);
    expect(down.shape).toEqual([3, 16, 8]);
    for (const e of [0, 1, 2]) {
      const stored = await published.index
        .get(`layers.0.block_sparse_moe.experts.${e}.w2.weight`)!
        .floats(0, 128);
      for (let i = 0; i < 16; i++)
        for (let o = 0; o < 8; o++) expect(values[(e * 16 + i) * 8 + o]).toBe(stored[o * 16 + i]);
    }
  });
  it.each([
    [
      "an expert lacks a matrix",
      { "model.layers.0.block_sparse_moe.experts.1.w2.weight": undefined },
      {},
      /experts\.1\.w2\.weight" \[8,16\] is missing/,
    ],
    [
      "an expert too many",
      { "model.layers.0.block_sparse_moe.experts.3.w2.weight": [8, 16] },
      {},
      /experts\.3\.w2\.weight" \[8,16\] has no place/,
    ],
    [
      "more experts per token than there are",
      {},
      { num_experts_per_tok: 4 },
      /a token goes to 4 of 3 experts/,
    ],
    [
      "more matrices than any model has",
      {},
      { num_local_experts: 4096, num_hidden_layers: 10000 },
      /10000 layers of 4096 experts/,
    ],
    ["experts that are no number", {}, { num_local_experts: 1e300 }, /it has 1e\+300 experts/],
    ["a window of none", {}, { sliding_window: 0 }, /the window of its attention is 0/],
    ["a balance below zero", {}, { router_aux_loss_coef: -1 }, /the load-balancing loss has the weight/],
  ])("%s: said", async (_, changes, more, message) => {
    const list = Object.fromEntries(
      Object.entries({ ...all, ...changes }).filter(([, shape]) => shape),
    ) as Shapes;
    expect(await why(links(list, more))).toMatch(message);
  });
});

describe("shards", () => {
  const index = (map: unknown): Record<string, string | Uint8Array> => ({
    "m/config.json": JSON.stringify(config),
    "m/model.safetensors.index.json": JSON.stringify({ weight_map: map }),
  });
  const names = Object.keys(shapes);
  const half = names.length / 2;
  const [first, second] = [names.slice(0, half), names.slice(half)].map((part) =>
    weights(Object.fromEntries(part.map((name) => [name, shapes[name]!]))),
  );
  const whole = Object.fromEntries(
    names.map((name, i) => [name, i < half ? "model-1.safetensors" : "model-2.safetensors"]),
  );
  const parts = { "m/model-1.safetensors": first!, "m/model-2.safetensors": second! };
  const openAll = (map: unknown, files = parts as Record<string, Uint8Array>): Promise<Published> =>
    openPublished(memoryFiles({ ...index(map), ...files }), "m");

  it("are read as one", async () =>
    expect(fittedLinks(await openAll(whole), stems).length).toBe(names.length));
  it.each([
    ["a shard outside of the folder", { ...whole, "wte.weight": "../other.safetensors" }, /no plain name/],
    ["an absolute path", { ...whole, "wte.weight": "/etc/passwd" }, /no plain name/],
    ["a shard that is a number", { ...whole, "wte.weight": 1 }, /no plain name/],
    [
      "a tensor that is in another shard",
      { ...whole, "wte.weight": "model-2.safetensors" },
      /said to be in model-2.safetensors, and is not/,
    ],
    ["a tensor that is nowhere", { ...whole, x: "model-2.safetensors" }, /"x" is said to be in/],
    [
      "a tensor that is not listed",
      Object.fromEntries(Object.entries(whole).slice(1)),
      /"wte.weight" of m\/model-1.safetensors is not in the index/,
    ],
    ["no map", undefined, /weight_map is no object/],
    ["a shard that is missing", { ...whole, x: "model-3.safetensors" }, /model-3.safetensors/],
  ])("%s", async (_, map, message) => expect(await why(openAll(map))).toMatch(message));
});

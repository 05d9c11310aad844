/**
 * THE tables of settings: the model's sizes, its training, its sampling. Name, range, default, meaning. A
 * default may use the rows above it.
 */
import { real, realAbove, whole, word, type Fields } from "./fields.ts";
import type { TokenizerName, TrainSettings } from "../../runtime/contract/model.ts";

const TWO_24 = 16_777_216;
const TWO_20 = 1_048_576;
const MANY = 1_000_000_000;

export const sizeFields = {
  vocab: whole("Number of tokens; rows of the token embedding, and of the output.", 1, TWO_24, [
    "the tokenizer's: 256 for bytes, 50257 for gpt2",
    ({ tokenizer_vocab }) => tokenizer_vocab!,
  ]),
  context: whole("Longest sequence, in tokens; rows of the position embedding.", 1, TWO_24),
  width: whole("Numbers per token between the layers (d_model, n_embd).", 1, TWO_20),
  layers: whole(
    "How many times the layer is repeated, each time with parameters of its own. `layers 12 alternate " +
      "dense, banded`: kinds of layers, over and over.",
    1,
    10_000,
  ),
  heads: whole("Attention heads.", 1, 65_536),
  kv_heads: whole("Heads of keys and values; fewer than heads: grouped-query attention.", 1, 65_536, [
    "heads",
    ({ heads }) => heads!,
  ]),
  head_dim: whole("Width of a head.", 1, 65_536, ["width / heads", ({ width, heads }) => width! / heads!]),
  band: whole(
    "Positions that attention sees, its own included; with a pattern of layers: in the `banded` ones.",
    1,
    TWO_24,
    ["all", () => 0],
  ),
} satisfies Fields;

/** What a row of a batch holds. */
export const rowKinds = ["text", "documents"] as const;

const schedules: readonly TrainSettings["schedule"][] = ["cosine", "linear", "constant", "wsd"];

export const trainFields = {
  batch: whole("Sequences per micro-batch.", 1, TWO_20, 8),
  context: whole("Tokens per sequence, at most the model's context.", 1, TWO_24, [
    "the model's context, at most 256",
    ({ model_context }) => Math.min(model_context!, 256),
  ]),
  steps: whole("Updates.", 0, MANY, 1000),
  rows: word(
    "What a sequence is: a window of the running text; or one document, from its beginning to its end, " +
      "the rest of the row not counted. Documents are what stands between `<|endoftext|>`, or lines where " +
      "the text has none.",
    rowKinds,
    "text",
  ),
  accumulate: whole("Micro-batches whose gradients are summed before an update.", 1, TWO_20, 1),
  lr: realAbove("Peak learning rate.", 0, 10, 6e-4),
  min_lr: real("Learning rate at the end of the schedule; 0 is possible.", 0, 10, [
    "lr / 10",
    ({ lr }) => lr! / 10,
  ]),
  warmup: whole("Steps in which the learning rate rises from 0 to lr.", 0, MANY, [
    "steps / 10, at most 100",
    ({ steps }) => Math.min(100, Math.floor(steps! / 10)),
  ]),
  schedule: word(
    "How the learning rate falls after the warm-up: along a cosine, along a line over all steps, not at " +
      "all, or late along a line (warm-up, stable, decay).",
    schedules,
    "cosine",
  ),
  beta1: real("AdamW: memory of the gradient's mean.", 0, 0.999999, 0.9),
  beta2: real("AdamW: memory of the gradient's square.", 0, 0.999999, 0.95),
  eps: realAbove("AdamW: added to the root of the square.", 0, 1, 1e-8),
  decay: real("AdamW: weight decay, on matrices only.", 0, 10, 0.1),
  clip: real("Global gradient norm above which gradients are scaled down; 0: never.", 0, 1e9, 1),
  seed: whole("Seed of initial weights and of the order of the data.", 0, 4_294_967_295, 1337),
  held_out: real(
    "Share of the data kept for validation: from its end; of documents, spread evenly over all of them.",
    0,
    0.9,
    0.1,
  ),
  eval_every: whole("Steps between evaluations; 0: only at the end.", 0, MANY, 250),
  sample_every: whole("Steps between samples; 0: only at the end.", 0, MANY, 0),
  save_every: whole("Steps between checkpoints; 0: only at the end.", 0, MANY, 500),
} satisfies Fields;

export const sampleFields = {
  temperature: real("Divides the logits; 0: always the most likely token.", 0, 100, 0.8),
  top_k: whole("Keep the k most likely tokens; 0: all.", 0, TWO_24, 40),
  top_p: real("Keep the most likely tokens that together have probability p; 1: all.", 0, 1, 0.95),
  min_p: real("Keep tokens at least min_p times as likely as the most likely one; 0: all.", 0, 1, 0.05),
  repeat_penalty: realAbove("Divides the logits of tokens that were just used; 1: not at all.", 0, 100, 1),
  tokens: whole("How many tokens to write.", 1, MANY, 200),
  seed: whole("Seed of the draws.", 0, 4_294_967_295, 0),
} satisfies Fields;

export const sectionFields = { train: trainFields, sample: sampleFields } satisfies Record<
  "train" | "sample",
  Fields
>;

/**
 * Tokenizers that get one more token where rows are documents, which begins and ends them; and one that has
 * none.
 */
const growing: readonly TokenizerName[] = ["bytes", "characters"];
export const endless: readonly TokenizerName[] = ["ids"];

/** The least vocab that a tokenizer needs. */
export const leastVocab = (tokenizer: TokenizerName, rows: TrainSettings["rows"]): number =>
  tokenizers[tokenizer].vocab + (rows === "documents" && growing.includes(tokenizer) ? 1 : 0);

/**
 * vocab: the least that the tokenizer needs, and the default where it is fixed. `counted`: what vocab is,
 * where it must be given.
 */
export const tokenizers = {
  bytes: {
    vocab: 256,
    fixed: true,
    counted: "",
    doc:
      "One token per byte of UTF-8; with `train { rows documents }` one more, which begins and ends a " +
      "document.",
  },
  characters: {
    vocab: 1,
    fixed: false,
    counted: "the number of different characters in the data",
    doc:
      "One token per character of the training data; vocab must be given, and is checked against the " +
      "data. With `train { rows documents }`: the characters of the documents, and one token more, which " +
      "begins and ends a document.",
  },
  gpt2: {
    vocab: 50257,
    fixed: true,
    counted: "",
    doc: "GPT-2's byte-level BPE: `encoder.json` and `vocab.bpe`, as they were published.",
  },
  llama2: {
    vocab: 32000,
    fixed: true,
    counted: "",
    doc: "Llama 2's sentencepiece BPE: `tokenizer.model`, or llama2.c's `tokenizer.bin`.",
  },
  llama3: {
    vocab: 128256,
    fixed: true,
    counted: "",
    doc: "Llama 3's byte-level BPE: `tokenizer.model` with 128,000 ranks, and 256 special tokens.",
  },
  sentencepiece: {
    vocab: 1,
    fixed: false,
    counted: "the number of pieces in its file",
    doc: "Another sentencepiece BPE: `tokenizer.model` or `tokenizer.bin`.",
  },
  json: {
    vocab: 1,
    fixed: false,
    counted: "the number of tokens in its file",
    doc: "A `tokenizer.json`, published or written by `sinter tokenizer train`.",
  },
  ids: {
    vocab: 1,
    fixed: false,
    counted: "the number of ids",
    doc: "None: the text is ids, written as numbers. For models that came without a tokenizer.",
  },
} as const satisfies Record<
  TokenizerName,
  { readonly vocab: number; readonly fixed: boolean; readonly counted: string; readonly doc: string }
>;

/** Words of other tools and later versions: what to say to someone who writes them. */
export const laterSettings: Readonly<Record<string, string>> = {
  dropout: "leave it out: training runs without dropout",
  weights: "leave it out",
  optimizer: "leave it out: AdamW is the optimizer",
  objective: "leave it out: the objective is the next token",
  precision: "leave it out: everything is f32",
};

/** Names that other tools use for our settings. */
export const otherNames: Readonly<Record<string, string>> = {
  dim: "width",
  d_model: "width",
  n_embd: "width",
  hidden_size: "width",
  sliding_window: "band",
  window_size: "band",
  embed_dim: "width",
  n_layer: "layers",
  n_layers: "layers",
  depth: "layers",
  num_layers: "layers",
  layer_count: "layers",
  n_head: "heads",
  n_heads: "heads",
  num_heads: "heads",
  num_attention_heads: "heads",
  n_kv_heads: "kv_heads",
  num_key_value_heads: "kv_heads",
  block_size: "context",
  seq_len: "context",
  n_ctx: "context",
  max_seq_len: "context",
  vocab_size: "vocab",
  n_vocab: "vocab",
  learning_rate: "lr",
  batch_size: "batch",
  max_iters: "steps",
  max_steps: "steps",
  iterations: "steps",
  weight_decay: "decay",
  grad_clip: "clip",
  warmup_steps: "warmup",
  warmup_iters: "warmup",
  gradient_accumulation_steps: "accumulate",
  temp: "temperature",
  repetition_penalty: "repeat_penalty",
  max_tokens: "tokens",
  eval_interval: "eval_every",
};

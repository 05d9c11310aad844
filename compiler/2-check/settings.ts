/**
 * THE tables of settings: the model's sizes, its training, its sampling. Name, range, default, meaning. A
 * default may use the rows above it.
 */
import { number, word, type Fields } from "./fields.ts";
import { sampleDefaults } from "../../runtime/contract/defaults.ts";
import { sampleRanges, sizeRanges, trainRanges } from "../../runtime/contract/limits.ts";
import {
  optimizers,
  schedules,
  type TokenizerName,
  type TrainSettings,
} from "../../runtime/contract/model.ts";

export const sizeFields = {
  vocab: number("Number of tokens; rows of the token embedding, and of the output.", sizeRanges.vocab, [
    "the tokenizer's: 256 for bytes, 50257 for gpt2",
    ({ tokenizer_vocab }) => tokenizer_vocab!,
  ]),
  context: number("Longest sequence, in tokens; rows of the position embedding.", sizeRanges.context),
  width: number("Numbers per token between the layers (d_model, n_embd).", sizeRanges.width),
  layers: number(
    "How many times the layer is repeated, each time with parameters of its own. `layers 12 alternate " +
      "dense, banded`: kinds of layers, over and over.",
    sizeRanges.layers,
  ),
  heads: number("Attention heads.", sizeRanges.heads),
  kv_heads: number(
    "Heads of keys and values; fewer than heads: grouped-query attention.",
    sizeRanges.kvHeads,
    ["heads", ({ heads }) => heads!],
  ),
  head_dim: number("Width of a head.", sizeRanges.headDim, [
    "width / heads",
    ({ width, heads }) => width! / heads!,
  ]),
  band: number(
    "Positions that attention sees, its own included; with a pattern of layers: in the `banded` ones.",
    sizeRanges.window,
    ["all", () => 0],
  ),
} satisfies Fields;

/** Of training, and of stages. */
export const optimizerDoc =
  "AdamW, whose two moments take 8 bytes for each number that is trained; or `adamw8`, which keeps those " +
  "of large matrices in 8 bits: 2.03 bytes.";
/** Optimizers of other tools, and what to use. */
export const laterOptimizers: Readonly<Record<string, string>> = {
  adam: "use `adamw` with `decay 0`",
  adamw8bit: "use `adamw8`",
  adamw_8bit: "use `adamw8`",
  adam8bit: "use `adamw8` with `decay 0`",
};

/** What a row of a batch holds. */
export const rowKinds = ["text", "documents"] as const;

/** What the backward computes again. */
export const recomputeWords = ["none", "layers"] as const;

export const trainFields = {
  batch: number("Sequences per micro-batch.", trainRanges.batch, 8),
  context: number("Tokens per sequence, at most the model's context.", trainRanges.context, [
    "the model's context, at most 256",
    ({ model_context }) => Math.min(model_context!, 256),
  ]),
  steps: number("Updates.", trainRanges.steps, 1000),
  rows: word(
    "What a sequence is: a window of the running text; or one document, from its beginning to its end, " +
      "the rest of the row not counted. Documents are what stands between `<|endoftext|>`, or lines where " +
      "the text has none.",
    rowKinds,
    "text",
  ),
  accumulate: number("Micro-batches whose gradients are summed before an update.", trainRanges.accumulate, 1),
  recompute: word(
    "What the backward computes again instead of reading what the forward kept: nothing, or all that is " +
      "inside of the layers. With `layers` each layer keeps its input alone; a step takes longer and has " +
      "the same bits.",
    recomputeWords,
    "none",
  ),
  lr: number("Peak learning rate.", trainRanges.lr, 6e-4),
  min_lr: number("Learning rate at the end of the schedule; 0 is possible.", trainRanges.minLr, [
    "lr / 10",
    ({ lr }) => lr! / 10,
  ]),
  warmup: number("Steps in which the learning rate rises from 0 to lr.", trainRanges.warmup, [
    "steps / 10, at most 100",
    ({ steps }) => Math.min(100, Math.floor(steps! / 10)),
  ]),
  schedule: word(
    "How the learning rate falls after the warm-up: along a cosine, along a line over all steps, not at " +
      "all, or late along a line (warm-up, stable, decay).",
    schedules,
    "cosine",
  ),
  optimizer: word(optimizerDoc, optimizers, "adamw", laterOptimizers),
  beta1: number("AdamW: memory of the gradient's mean.", trainRanges.beta1, 0.9),
  beta2: number("AdamW: memory of the gradient's square.", trainRanges.beta2, 0.95),
  eps: number("AdamW: added to the root of the square.", trainRanges.eps, 1e-8),
  decay: number("AdamW: weight decay, on matrices only.", trainRanges.decay, 0.1),
  clip: number("Global gradient norm above which gradients are scaled down; 0: never.", trainRanges.clip, 1),
  seed: number("Seed of initial weights and of the order of the data.", trainRanges.seed, 1337),
  held_out: number(
    "Share of the data kept for validation: from its end; of documents, spread evenly over all of them.",
    trainRanges.heldOut,
    0.1,
  ),
  eval_every: number("Steps between evaluations; 0: only at the end.", trainRanges.evalEvery, 250),
  sample_every: number("Steps between samples; 0: only at the end.", trainRanges.sampleEvery, 0),
  save_every: number("Steps between checkpoints; 0: only at the end.", trainRanges.saveEvery, 500),
} satisfies Fields;

export const sampleFields = {
  temperature: number(
    "Divides the logits; 0: always the most likely token.",
    sampleRanges.temperature,
    sampleDefaults.temperature,
  ),
  top_k: number("Keep the k most likely tokens; 0: all.", sampleRanges.topK, sampleDefaults.topK),
  top_p: number(
    "Keep the most likely tokens that together have probability p; 1: all.",
    sampleRanges.topP,
    sampleDefaults.topP,
  ),
  min_p: number(
    "Keep tokens at least min_p times as likely as the most likely one; 0: all.",
    sampleRanges.minP,
    sampleDefaults.minP,
  ),
  repeat_penalty: number(
    "Divides the logits of tokens that were just used; 1: not at all.",
    sampleRanges.repeatPenalty,
    sampleDefaults.repeatPenalty,
  ),
  tokens: number("How many tokens to write.", sampleRanges.tokens, 200),
  seed: number("Seed of the draws.", sampleRanges.seed, 0),
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

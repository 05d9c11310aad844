/**
 * A published model that counts: after token t it says next(t); and a byte-level tokenizer for it, of three
 * special tokens, 256 bytes, and what a test adds.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  list,
  ggufHeader,
  paddingAfter,
  tensorBytes,
  f32,
  text,
  u32,
  type PairToWrite,
} from "../../runtime/formats/gguf/gguf-write.ts";
import { randomFrom } from "../../runtime/base/random.ts";
import { writeHeader } from "../../runtime/store/safetensors.ts";
import { byteCharacters } from "../../runtime/tokenizers/base/byte-level.ts";

const WIDTH = 64;
const HIDDEN = 32;
const HEADS = 2;
const CONTEXT = 64;

interface Weight {
  readonly name: string;
  readonly gguf: string;
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/**
 * The model's tensors. Attention and feed-forward are zeros. The output's row of a token holds the embeddings
 * of the tokens that it follows, so that its logit is the largest after those.
 */
function weights(vocab: number, next: (t: number) => number): readonly Weight[] {
  const random = randomFrom([1, 2, 3, 4]);
  const embed = Float32Array.from({ length: vocab * WIDTH }, () => random.unit() * 2 - 1);
  const head = new Float32Array(vocab * WIDTH);
  for (let t = 0; t < vocab; t++)
    for (let d = 0; d < WIDTH; d++) head[next(t) * WIDTH + d]! += embed[t * WIDTH + d]!;
  const zeros = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
  const ones = { shape: [WIDTH], data: new Float32Array(WIDTH).fill(1) };
  const layer = "model.layers.0.";
  return [
    { name: "model.embed_tokens.weight", gguf: "token_embd.weight", shape: [vocab, WIDTH], data: embed },
    { name: `${layer}input_layernorm.weight`, gguf: "blk.0.attn_norm.weight", ...ones },
    ...["q", "k", "v", "o"].map((part) => ({
      name: `${layer}self_attn.${part}_proj.weight`,
      gguf: `blk.0.attn_${part === "o" ? "output" : part}.weight`,
      ...zeros(WIDTH, WIDTH),
    })),
    { name: `${layer}post_attention_layernorm.weight`, gguf: "blk.0.ffn_norm.weight", ...ones },
    { name: `${layer}mlp.gate_proj.weight`, gguf: "blk.0.ffn_gate.weight", ...zeros(HIDDEN, WIDTH) },
    { name: `${layer}mlp.up_proj.weight`, gguf: "blk.0.ffn_up.weight", ...zeros(HIDDEN, WIDTH) },
    { name: `${layer}mlp.down_proj.weight`, gguf: "blk.0.ffn_down.weight", ...zeros(WIDTH, HIDDEN) },
    { name: "model.norm.weight", gguf: "output_norm.weight", ...ones },
    { name: "lm_head.weight", gguf: "output.weight", shape: [vocab, WIDTH], data: head },
  ];
}

export interface Counting {
  readonly vocab: number;
  readonly next: (t: number) => number;
}

/** A Hugging Face folder; `files` are written as JSON, or as they are. */
export function writeFolder(
  folder: string,
  { vocab, next }: Counting,
  files: Readonly<Record<string, unknown>>,
): string {
  const tensors = weights(vocab, next);
  const config = {
    model_type: "llama",
    vocab_size: vocab,
    hidden_size: WIDTH,
    num_attention_heads: HEADS,
    num_key_value_heads: HEADS,
    num_hidden_layers: 1,
    intermediate_size: HIDDEN,
    max_position_embeddings: CONTEXT,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    eos_token_id: 2,
  };
  mkdirSync(folder, { recursive: true });
  const header = writeHeader(
    tensors.map(({ name, shape }) => ({ name, dtype: "F32", shape })),
    { format: "pt" },
  );
  writeFileSync(
    join(folder, "model.safetensors"),
    Buffer.concat([header, ...tensors.map(({ data }) => new Uint8Array(data.buffer))]),
  );
  for (const [name, value] of Object.entries({ "config.json": config, ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(
      join(folder, name),
      typeof value === "string" || value instanceof Uint8Array ? value : JSON.stringify(value),
    );
  }
  return folder;
}

/** A GGUF file of type llama with these pairs. */
export function writeGguf(path: string, { vocab, next }: Counting, pairs: readonly PairToWrite[]): string {
  const tensors = weights(vocab, next).map(({ gguf, shape, data }) => ({
    name: gguf,
    type: "F32" as const,
    shape,
    data,
  }));
  const sizes = {
    context_length: CONTEXT,
    embedding_length: WIDTH,
    block_count: 1,
    feed_forward_length: HIDDEN,
    "attention.head_count": HEADS,
    "attention.head_count_kv": HEADS,
  };
  const model = [
    text("general.architecture", "llama"),
    ...Object.entries(sizes).map(([key, value]) => u32(`llama.${key}`, value)),
    f32("llama.attention.layer_norm_rms_epsilon", 1e-5),
  ];
  const data = tensors.flatMap((t) => [
    new Uint8Array(t.data.buffer),
    new Uint8Array(paddingAfter(tensorBytes(t))),
  ]);
  writeFileSync(path, Buffer.concat([ggufHeader([...model, ...pairs], tensors), ...data]));
  return path;
}

const FIRST = ["<unk>", "<s>", "</s>"];
/** Id of a byte of the tokenizers below. */
export const byteId = (character: string): number => FIRST.length + character.charCodeAt(0);

export interface Added {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

/** tokenizer.json of single bytes behind three special tokens, which begin no text. */
export function byteTokenizerJson(added: readonly Added[] = []): Readonly<Record<string, unknown>> {
  const vocab = Object.fromEntries([...FIRST, ...byteCharacters].map((name, id) => [name, id]));
  const tokens = [...FIRST.map((content, id): Added => ({ id, content })), ...added].map((t) => ({
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    ...t,
  }));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    added_tokens: tokens,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: { type: "BPE", vocab, merges: [] },
  };
}

/** The same in GGUF metadata. */
export const byteTokenizerPairs = (added: readonly Added[] = [], pre = "gpt-2"): PairToWrite[] => [
  text("tokenizer.ggml.model", "gpt2"),
  text("tokenizer.ggml.pre", pre),
  list("tokenizer.ggml.tokens", "string", [
    ...FIRST,
    ...byteCharacters,
    ...added.map(({ content }) => content),
  ]),
  list("tokenizer.ggml.token_type", "i32", [
    3,
    3,
    3,
    ...byteCharacters.map(() => 1),
    ...added.map(({ special = true }) => (special ? 3 : 4)),
  ]),
  list("tokenizer.ggml.merges", "string", []),
];

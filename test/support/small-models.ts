/**
 * Small models of each published class, for tests that read them, write them and compare the two. A class
 * that is added gets its model here.
 */
import type { Architecture } from "../../runtime/formats/architecture/architecture.ts";

const noBiases = { norm: false, qkv: false, attentionOut: false, ffn: false, head: false };
const allBiases = { norm: true, qkv: true, attentionOut: true, ffn: true, head: false };

/** A Llama so small that every tensor can be written out. Its epsilon and its theta are nobody's defaults. */
export const tinyLlama = {
  family: "llama",
  name: "m",
  vocab: 6,
  context: 32,
  width: 16,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 4,
  hidden: 24,
  activation: "silu",
  eps: 1e-3,
  rope: { theta: 300 },
  tied: false,
  bias: noBiases,
} as const satisfies Architecture;

/** GPT-2's layer in the same sizes. */
export const tinyGpt2 = {
  ...tinyLlama,
  family: "gpt2",
  kvHeads: tinyLlama.heads,
  activation: "gelu_tanh",
  rope: undefined,
} as const satisfies Architecture;

type Classes = Readonly<Record<string, readonly [type: string, Architecture]>>;

/** Each class of Hugging Face's, with the options that it alone has: model_type and architecture. */
export const tinyHuggingFace: Classes = {
  gpt2: ["gpt2", { ...tinyGpt2, activation: "relu", bias: allBiases }],
  llama: ["llama", tinyLlama],
  tied: ["llama", { ...tinyLlama, tied: true }],
  gelu: ["llama", { ...tinyLlama, activation: "gelu_tanh" }],
  linear: ["llama", { ...tinyLlama, rope: { theta: 300, linear: 4 } }],
  llama3: [
    "llama",
    { ...tinyLlama, rope: { theta: 300, scaling: { factor: 8, low: 1.5, high: 5, original: 16 } } },
  ],
  biased: ["llama", { ...tinyLlama, headDim: 6, bias: { ...allBiases, norm: false } }],
  mistral: ["mistral", { ...tinyLlama, window: 5 }],
  mixtral: ["mixtral", { ...tinyLlama, experts: { count: 4, top: 2, balance: 0.02 } }],
  qwen2: [
    "qwen2",
    { ...tinyLlama, bias: { ...noBiases, qkv: true }, window: 5, pattern: ["banded", "dense"] },
  ],
  qwen3: ["qwen3", { ...tinyLlama, headDim: 8, qkNorm: { eps: 1e-3 }, window: 5 }],
};

/** Heads that together are wider than the model, and a tied output: metadata have to say the one of them. */
const tinyWide = { ...tinyLlama, headDim: 8, tied: true } as const satisfies Architecture;

/** Each of llama.cpp's architectures: general.architecture and architecture. */
export const tinyGguf: Classes = {
  gpt2: ["gpt2", { ...tinyGpt2, tied: true }],
  llama: ["llama", tinyWide],
  linear: ["llama", { ...tinyWide, rope: { theta: 300, linear: 4.5 } }],
  mixture: ["llama", { ...tinyWide, experts: { count: 4, top: 3 } }],
  qwen2: ["qwen2", tinyWide],
  qwen3: ["qwen3", { ...tinyWide, rope: { theta: 300, linear: 2 } }],
  window: ["granite_swa", { ...tinyWide, window: 5 }],
  alternating: ["granite_swa", { ...tinyWide, window: 5, pattern: ["banded", "dense"] }],
};

/** A Llama whose rows are long enough for blocks of 256, with nobody's tokenizer. */
export const smallLlama: Architecture = {
  ...tinyLlama,
  name: "small",
  vocab: 320,
  context: 64,
  width: 256,
  headDim: 64,
  hidden: 512,
  eps: 1e-5,
  rope: { theta: 10000 },
};

/** Llama 3's scaling of the rotary embedding, as a spec says it: 8 in Llama 3.1, 32 in 3.2. */
export const llama3Rope = (factor: 8 | 32): string =>
  `rope: rope(theta: 500000, factor: ${factor}, low: 1, high: 4, original: 8192)`;

/** Llama's layer in a spec. `rope` is the option of its attention. */
export const llamaLayer = (rope: string, hidden: number): string =>
  `layer { x += attention(rmsnorm(x), ${rope})  x += swiglu(rmsnorm(x), hidden: ${hidden}) }`;

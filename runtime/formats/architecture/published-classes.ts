/**
 * The classes of models that other programs know, and which of them a model belongs to. They are Hugging
 * Face's (huggingface.co/docs/transformers: the configurations of GPT2, Llama, Mistral, Mixtral, Qwen2,
 * Qwen3) and llama.cpp's architectures (github.com/ggml-org/llama.cpp, src/models).
 *
 *   Llama's layer with                         Hugging Face         GGUF
 *   nothing more                               llama                llama
 *   biases of queries, keys and values         qwen2                qwen2 (with Llama 3's scaling: llama)
 *   other biases                               llama                llama
 *   normalised queries and keys                qwen3                qwen3
 *   experts, whose weights add up to 1         mixtral              llama
 *   a window in all layers                     mistral              granite_swa
 *   a window in some layers                    qwen2 (layer_types)  granite_swa
 *
 * Files of granite_swa go out with scales of 1 and with sinks that take no attention.
 */
import { SinterError } from "../../base/errors.ts";
import { isWindowed, type Architecture, type Biases, type Family } from "./architecture.ts";
import { namings, type Naming } from "./naming.ts";

export interface PublishedClass {
  /** model_type of config.json, or general.architecture of GGUF. */
  readonly type: string;
  readonly family: Family;
  readonly naming: Naming;
  /**
   * Why a model is not of this class: it has something that the class lacks, or lacks something that the
   * class always has. Undefined: it is of the class.
   */
  cannot(a: Architecture): string | undefined;
  /** The biases that the class has. Those that the model lacks are written as zeros. */
  biases(a: Architecture): Biases;
}

export interface HuggingFaceClass extends PublishedClass {
  /** For example "LlamaForCausalLM". */
  readonly title: string;
}

const none: Biases = { norm: false, qkv: false, attentionOut: false, ffn: false, head: false };
const all: Biases = { norm: true, qkv: true, attentionOut: true, ffn: true, head: false };

/** The text of the first condition that is true. */
const reasons = (...list: readonly (readonly [boolean, string])[]): string | undefined =>
  list.find(([is]) => is)?.[1];
const has = {
  qkNorm: (a: Architecture) => [a.qkNorm !== undefined, "it normalises queries and keys"],
  experts: (a: Architecture) => [a.experts !== undefined, "it has experts"],
  noExperts: (a: Architecture) => [a.experts === undefined, "it has no experts"],
  noQkNorm: (a: Architecture) => [a.qkNorm === undefined, "it does not normalise queries and keys"],
  otherEps: (a: Architecture) => [
    a.qkNorm !== undefined && a.qkNorm.eps !== a.eps,
    `it normalises queries and keys with an epsilon of ${a.qkNorm?.eps}, and the rest with ${a.eps}`,
  ],
  window: (a: Architecture) => [isWindowed(a), `its attention sees ${a.window} positions of ${a.context}`],
  noWindow: (a: Architecture) => [!isWindowed(a), "its attention has no window"],
  pattern: (a: Architecture) => [
    a.pattern !== undefined,
    "some of its layers have a window, others have none",
  ],
  biases: (a: Architecture) => [a.bias.qkv || a.bias.attentionOut || a.bias.ffn, "it has biases"],
  outBias: (a: Architecture) => [a.bias.attentionOut, "its attention has a bias on the way out"],
  ffnBias: (a: Architecture) => [a.bias.ffn, "its feed-forward part has biases"],
  scaling: (a: Architecture) => [a.rope?.scaling !== undefined, "its rotary embedding is scaled"],
  odd: (a: Architecture) => [
    a.heads * a.headDim !== a.width,
    `its heads together are ${a.heads * a.headDim} wide, the model ${a.width}`,
  ],
  // Gemma's classes have such gates, but their norms differ too.
  gate: (a: Architecture) => [a.activation !== "silu", `its gate goes through ${a.activation}`],
} as const satisfies Record<string, (a: Architecture) => readonly [boolean, string]>;
type Has = keyof typeof has;
const lacking =
  (...keys: readonly Has[]) =>
  (a: Architecture): string | undefined =>
    reasons(...keys.map((key) => has[key](a)));

const halves: Naming = { ...namings.gguf, rope: "halves" };

/** In the order in which they are tried. */
export const huggingFaceClasses: readonly HuggingFaceClass[] = [
  {
    type: "gpt2",
    title: "GPT2LMHeadModel",
    family: "gpt2",
    naming: namings.gpt2,
    cannot: () => undefined,
    biases: () => all,
  },
  {
    type: "llama",
    title: "LlamaForCausalLM",
    family: "llama",
    naming: namings.llama,
    cannot: lacking("experts", "qkNorm", "window"),
    biases: bothOfAttention,
  },
  {
    type: "mistral",
    title: "MistralForCausalLM",
    family: "llama",
    naming: namings.llama,
    cannot: lacking("experts", "qkNorm", "pattern", "biases"),
    biases: () => none,
  },
  {
    type: "mixtral",
    title: "MixtralForCausalLM",
    family: "llama",
    naming: namings.llama,
    cannot: lacking("noExperts", "qkNorm", "pattern", "biases"),
    biases: () => none,
  },
  {
    type: "qwen2",
    title: "Qwen2ForCausalLM",
    family: "llama",
    naming: namings.llama,
    cannot: lacking("experts", "qkNorm", "outBias", "ffnBias"),
    biases: () => ({ ...none, qkv: true }),
  },
  {
    type: "qwen3",
    title: "Qwen3ForCausalLM",
    family: "llama",
    naming: namings.llama,
    cannot: lacking("experts", "noQkNorm", "otherEps", "ffnBias"),
    biases: bothOfAttention,
  },
];

export const ggufClasses: readonly PublishedClass[] = [
  {
    type: "gpt2",
    family: "gpt2",
    naming: namings.gguf,
    cannot: (a) => reasons([a.activation !== "gelu_tanh", `its activation is ${a.activation}`]),
    biases: () => all,
  },
  {
    type: "qwen2",
    family: "llama",
    naming: halves,
    cannot: lacking("gate", "experts", "qkNorm", "window", "scaling", "outBias", "ffnBias", "odd"),
    biases: () => ({ ...none, qkv: true }),
  },
  {
    type: "llama",
    family: "llama",
    naming: namings.gguf,
    cannot: lacking("gate", "qkNorm", "window"),
    biases: ({ bias }) => bias,
  },
  {
    type: "qwen3",
    family: "llama",
    naming: halves,
    cannot: lacking("gate", "experts", "noQkNorm", "otherEps", "window", "scaling", "biases"),
    biases: () => none,
  },
  {
    type: "granite_swa",
    family: "llama",
    naming: namings.gguf,
    cannot: lacking("gate", "experts", "qkNorm", "noWindow"),
    biases: ({ bias }) => bias,
  },
];

/** The class has one switch for the biases of all four projections of attention. */
function bothOfAttention({ bias }: Architecture): Biases {
  const attention = bias.qkv || bias.attentionOut;
  return { ...bias, qkv: attention, attentionOut: attention };
}

const sameBiases = (a: Biases, b: Biases): boolean =>
  (Object.keys(a) as (keyof Biases)[]).every((key) => a[key] === b[key]);

/**
 * The class that a model goes out as, if possible one that has exactly the model's biases. Throws `input`,
 * and says for each class why the model is not of it.
 */
export function classOf<C extends PublishedClass>(a: Architecture, classes: readonly C[], form: string): C {
  const refuse = (why: string, hint: string): never => {
    throw new SinterError("input", `${a.name}: ${why}`, hint);
  };
  if (a.bias.head) refuse("its output has a bias", `${form} has no place for it.`);
  if (a.family === "llama" && a.bias.norm)
    refuse("its norms have biases", `${form} has no place for them beside rmsnorm.`);
  const ofFamily = classes.filter(({ family }) => family === a.family);
  const able = ofFamily.filter((c) => c.cannot(a) === undefined);
  return (
    able.find((c) => sameBiases(c.biases(a), a.bias)) ??
    able[0] ??
    refuse(
      `no class of ${form} is like it`,
      `${ofFamily.map((c) => `${c.type}: ${c.cannot(a)}`).join("; ")}.`,
    )
  );
}

/** The names of all classes, for messages. */
export const typesOf = (classes: readonly PublishedClass[]): string =>
  classes.map(({ type }) => type).join(", ");

/**
 * The checked model: what a spec means, in plain numbers. Whoever has one may rely on it: sizes are positive
 * safe integers, the heads of keys and values divide the heads, names are unique, and every expression has a
 * shape. Of the spec's text only names are left: the model's (letters, digits, "-", "." and "_") and the
 * values'.
 */
import type { Objective } from "./objective.ts";

/** The sizes that every model has; their ranges are in limits.ts. */
export interface Sizes {
  readonly vocab: number;
  readonly context: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export const activations = ["relu", "relu2", "gelu", "gelu_tanh", "silu"] as const;
export type Activation = (typeof activations)[number];

/**
 * How Llama 3.1 stretches long wavelengths. Its configuration calls the four numbers factor, low_freq_factor,
 * high_freq_factor and original_max_position_embeddings.
 */
export interface RopeScaling {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  /** The context before it was stretched, in tokens. */
  readonly original: number;
}

/** Rotary positions (Su et al. 2021). */
export interface Rope {
  readonly theta: number;
  /** Positions are divided by this (Chen et al. 2023). Absent: by 1. It does not stand beside `scaling`. */
  readonly linear?: number;
  readonly scaling?: RopeScaling;
}

/**
 * A part of a layer, an embedding or an output: what an equation applies to rows. `name` is unique within its
 * section, and its parameters' names begin with it: "attention", "layernorm_2".
 */
export type Part =
  | {
      readonly part: "layernorm";
      readonly name: string;
      readonly width: number;
      readonly eps: number;
      readonly weight: boolean;
      readonly bias: boolean;
    }
  | {
      readonly part: "rmsnorm";
      readonly name: string;
      readonly width: number;
      readonly eps: number;
      readonly weight: boolean;
      readonly bias: boolean;
    }
  | {
      readonly part: "attention";
      readonly name: string;
      readonly width: number;
      readonly heads: number;
      readonly kvHeads: number;
      readonly headDim: number;
      readonly bias: boolean;
      readonly causal: boolean;
      /** Whether the projection back to the width has a bias, where that differs from `bias`. */
      readonly outBias?: boolean;
      readonly rope?: Rope;
      /** Queries and keys go through an RMSNorm, head by head, before they are rotated. */
      readonly qkNorm?: { readonly eps: number };
      /**
       * How many positions a query sees, its own included. Where the model has a pattern of layers, this
       * holds in the banded ones.
       */
      readonly window?: number;
    }
  | {
      readonly part: "mlp";
      readonly name: string;
      readonly width: number;
      readonly hidden: number;
      readonly activation: Activation;
      readonly bias: boolean;
    }
  /** A gated linear unit: (activation(x · gate) ∘ (x · up)) · down. */
  | {
      readonly part: "swiglu" | "geglu";
      readonly name: string;
      readonly width: number;
      readonly hidden: number;
      readonly activation: Activation;
      readonly bias: boolean;
    }
  /**
   * A mixture of experts: the router sends every row to `top` of `count` experts. Each is a gated linear
   * unit, or, without `gated`, two maps as in mlp. With `renormalise` the weights of the chosen experts add
   * up to 1. `balance` is the weight of the load-balancing loss in the objective.
   */
  | {
      readonly part: "experts";
      readonly name: string;
      readonly width: number;
      readonly count: number;
      readonly top: number;
      readonly hidden: number;
      readonly activation: Activation;
      readonly gated: boolean;
      readonly renormalise: boolean;
      readonly balance: number;
    }
  /** When it is `tied`, the token embedding [vocab, width] is its weight, and `out` is the vocabulary. */
  | {
      readonly part: "linear";
      readonly name: string;
      readonly width: number;
      readonly out: number;
      readonly bias: boolean;
      readonly tied: boolean;
    };

export type PartKind = Part["part"];

/** The parts that may also stand around an embedding. */
export const norms = ["layernorm", "rmsnorm"] as const;
export type Norm = Extract<Part, { readonly part: (typeof norms)[number] }>;
export const isNorm = (part: Part): part is Norm => norms.some((norm) => norm === part.part);

/**
 * An expression over values of shape [rows, width]; the linear map that ends the output gives [rows,
 * classes].
 */
export type Expression =
  | { readonly kind: "value"; readonly name: string }
  | { readonly kind: "add"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "apply"; readonly part: Part; readonly input: Expression };

/** `name = value`; `x += e` has become x = x + e. What a layer gives is the last `x`. */
export interface Assignment {
  readonly name: string;
  readonly value: Expression;
}

export interface Embed {
  readonly token: true;
  /** Whether learned positions [context, width] are added to the token embedding. */
  readonly position: boolean;
  /** A norm of the sum, once, before the first layer (BLOOM's word_embeddings_layernorm). */
  readonly norm?: Norm;
}

export type TokenizerName =
  | "bytes"
  | "characters"
  | "gpt2"
  | "llama2"
  | "llama3"
  | "sentencepiece"
  | "json"
  | "ids";

export const schedules = ["cosine", "linear", "constant", "wsd"] as const;

/** AdamW with its two moments in f32, or in 8 bits (moment-codes.ts). */
export const optimizers = ["adamw", "adamw8"] as const;
export type Optimizer = (typeof optimizers)[number];

export interface TrainSettings {
  readonly batch: number;
  /** The tokens of a training sequence, at most the model's context. */
  readonly context: number;
  /** Every row of a batch is one document. Absent: rows are windows of the running text. */
  readonly rows?: "documents";
  /** Absent: adamw. */
  readonly optimizer?: "adamw8";
  /** What the backward computes again from its layer's input. Absent: nothing, all that it reads is kept. */
  readonly recompute?: "layers";
  readonly steps: number;
  /** How many micro-batches there are to an update; their gradients are summed. */
  readonly accumulate: number;
  /** The learning rate at its peak, and at the end of the schedule. */
  readonly lr: number;
  readonly minLr: number;
  readonly warmup: number;
  readonly schedule: (typeof schedules)[number];
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly decay: number;
  /** The global gradient norm above which gradients are scaled down; 0: they never are. */
  readonly clip: number;
  readonly seed: number;
  /** The share of the data that is kept for validation, from its end. */
  readonly heldOut: number;
  /** Steps between two evaluations, samples and checkpoints; 0: there is one at the end. */
  readonly evalEvery: number;
  readonly sampleEvery: number;
  readonly saveEvery: number;
}

export interface SampleSettings {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repeatPenalty: number;
  readonly tokens: number;
  readonly seed: number;
}

/** What comes after pre-training, each begun from the weights of another run. */
export const stageNames = ["sft", "prefer", "reward", "rl"] as const;
export type StageName = (typeof stageNames)[number];

/** The linear maps that get an adapter: by the parts that they belong to. */
export const loraTargets = ["attention", "mlp", "linear", "all"] as const;

/** Two thin matrices beside a linear map, y = x W + (alpha / rank) · x A B (Hu et al. 2021). */
export interface Lora {
  readonly rank: number;
  readonly alpha: number;
  /** `mlp` has the gated ones too; `all` are all maps of the layers. */
  readonly on: readonly (typeof loraTargets)[number][];
}

/** How a dialogue is written: `auto` is the tokenizer's own way, and where it has none, `turns`. */
export const chatFormatWords = [
  "auto",
  "turns",
  "chatml",
  "llama3",
  "llama2",
  "alpaca",
  "none",
  "plain",
] as const;

/** What every stage says. */
export interface StageSettings {
  /** As for training from the beginning; `rows` is that of the model's own. */
  readonly train: TrainSettings;
  /** Ends after so many evaluations that bring nothing better; 0: never before the last step. */
  readonly patience: number;
  readonly chatFormat: (typeof chatFormatWords)[number];
  /** Absent: all parameters are trained. */
  readonly lora?: Lora;
}

/** Which answers of a dialogue are learnt: all of them, the last, or everything that anyone says. */
export const learntParts = ["answers", "last", "all"] as const;
/** Several examples in one row, each of which sees itself alone; or one in each. */
export const packings = ["best_fit", "none"] as const;

/** Supervised fine-tuning. */
export interface SftSettings extends StageSettings {
  readonly loss: (typeof learntParts)[number];
  readonly packing: (typeof packings)[number];
}

/** Learning from pairs of answers, or from answers that were judged. */
export interface PreferSettings extends StageSettings {
  /** With the block's numbers in its settings. */
  readonly objective: Objective;
}

/** A scalar head learns to score answers. */
export interface RewardSettings extends StageSettings {
  readonly objective: Objective;
}

/** What is expected of an answer, or, by a value head, of each token of it (`gae`). */
export const advantageWords = ["group", "mean", "leave_one_out", "batch", "whiten", "gae"] as const;

/** How the tokens of a step are summed, and what TRL's `loss_type` calls it. */
export const normalisations = {
  tokens: "dapo",
  answers: "grpo",
  micro_batches: "bnpo",
  longest: "dr_grpo",
} as const;

/** Where the divergence from the reference counts. */
export const klPlaces = ["reward", "loss"] as const;

/** What becomes of an answer that is as long as it may be, and has not ended. */
export const truncatedWords = ["keep", "mask", "penalty"] as const;

/** Rewards that take nothing; others are named on the command line. */
export const rewardWords = ["exact_answer", "gsm8k", "contains", "json"] as const;

/** Learning from answers of the model itself, and what they are worth. */
export interface RlSettings extends StageSettings {
  readonly objective: Objective;
  /** Prompts of a step, answers to each, and the most tokens of an answer. */
  readonly prompts: number;
  readonly group: number;
  readonly answer: number;
  /** Updates that are made of the same answers. */
  readonly updates: number;
  readonly normalise: keyof typeof normalisations;
  readonly advantage: (typeof advantageWords)[number];
  /** How much the divergence from the reference costs; 0: there is no reference. */
  readonly kl: number;
  readonly klIn: (typeof klPlaces)[number];
  readonly estimator: "k1" | "k2" | "k3";
  /** The divergence of an answer, in nats, that `kl` is moved towards; 0: it stays as it is. */
  readonly target: number;
  /** The answers that it takes to move it. */
  readonly horizon: number;
  /** Ends where held-out answers are further from the start, in nats per answer; 0: never. */
  readonly maxKl: number;
  readonly truncated: (typeof truncatedWords)[number];
  /** What is taken from the reward of an answer that has not ended, with `truncated penalty`. */
  readonly penalty: number;
  readonly reward: (typeof rewardWords)[number];
  /** Generalised advantage estimation (Schulman et al. 2016). */
  readonly gamma: number;
  readonly lambda: number;
}

/**
 * The kinds of layers, which differ in how far attention sees (Brown et al. 2020: "alternating dense and
 * locally banded sparse attention").
 */
export const layerKinds = ["dense", "banded"] as const;
export type LayerKind = (typeof layerKinds)[number];

/**
 * A scalar head: what it says of a row is one number, made of the rows that the output's linear map reads.
 * Its parameters, "head.NAME.weight" [width] and "head.NAME.bias" [1], begin at 0.
 */
export interface Head {
  readonly name: string;
  readonly bias: boolean;
}

export interface Model {
  readonly name: string;
  readonly sizes: Sizes;
  /** The kinds of layers, repeated from the first layer to the last. Absent: all layers are alike. */
  readonly pattern?: readonly LayerKind[];
  readonly embed: Embed;
  readonly layer: readonly Assignment[];
  /** What is made of the last layer's `x`; it ends in a linear map to [rows, classes]. */
  readonly output: Expression;
  /** For reward models and value functions. */
  readonly head?: Head;
  /** Those that the spec writes down itself. */
  readonly objectives?: readonly Objective[];
  readonly tokenizer: TokenizerName;
  readonly train: TrainSettings;
  readonly sample: SampleSettings;
  /** What the spec says of the stages after pre-training; a stage that it does not name is absent. */
  readonly sft?: SftSettings;
  readonly prefer?: PreferSettings;
  readonly reward?: RewardSettings;
  readonly rl?: RlSettings;
}

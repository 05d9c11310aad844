/**
 * The checked model: what a spec means, in plain numbers. Everything after this stage may rely on it: sizes
 * are positive safe integers, heads divide, names are unique, every expression is well-typed. No text of the
 * spec survives here except `name` (letters, digits, "-", "." and "_" only) and the values' names.
 */

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
 * Llama 3.1's stretching of long wavelengths; in its configuration factor, low_freq_factor, high_freq_factor,
 * original_max_position_embeddings.
 */
export interface RopeScaling {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  /** The original context, in tokens. */
  readonly original: number;
}

/** Rotary positions (Su et al. 2021). */
export interface Rope {
  readonly theta: number;
  /** Positions are divided by this (Chen et al. 2023); absent: 1. Not beside `scaling`. */
  readonly linear?: number;
  readonly scaling?: RopeScaling;
}

/**
 * A block with parameters. `name` is unique within its section and is the stem of its parameters' names:
 * "attention", "layernorm_2".
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
      /** Bias of the projection back to the width, where it differs from `bias`. */
      readonly outBias?: boolean;
      readonly rope?: Rope;
      /** RMSNorm of every head's queries and keys, before rope. */
      readonly qkNorm?: { readonly eps: number };
      /**
       * Positions that a query sees, itself included: in the banded layers of a pattern, or without a pattern
       * in all.
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
  /** activation(x·gate) ∘ (x·up), then down. */
  | {
      readonly part: "swiglu" | "geglu";
      readonly name: string;
      readonly width: number;
      readonly hidden: number;
      readonly activation: Activation;
      readonly bias: boolean;
    }
  /**
   * A mixture: the router sends every row to `top` of `count` experts, each a gated linear unit (or, without
   * `gated`, two maps as in mlp). `renormalise`: the chosen experts' weights add up to 1. `balance`: weight
   * of the load-balancing loss in the objective.
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
  /** `tied`: the token embedding [vocab, width] is used as the weight; `out` is then the vocabulary. */
  | {
      readonly part: "linear";
      readonly name: string;
      readonly width: number;
      readonly out: number;
      readonly bias: boolean;
      readonly tied: boolean;
    };

export type PartKind = Part["part"];
export type Norm = Extract<Part, { readonly part: "layernorm" | "rmsnorm" }>;

/** An expression over values of shape [rows, width] (the output's linear: [rows, vocab]). */
export type Expression =
  | { readonly kind: "value"; readonly name: string }
  | { readonly kind: "add"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "apply"; readonly part: Part; readonly input: Expression };

/** `name = value`. `x += e` arrives here as x = x + e. The layer's result is the last `x`. */
export interface Assignment {
  readonly name: string;
  readonly value: Expression;
}

export interface Embed {
  readonly token: true;
  /** Learned positions [context, width], added to the token embedding. */
  readonly position: boolean;
  /** Of the sum, once, before the first layer (BLOOM's word_embeddings_layernorm). */
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

export interface TrainSettings {
  readonly batch: number;
  /** Tokens per training sequence, at most the model's context. */
  readonly context: number;
  /** Every row is one document. Absent: rows are windows of the running text. */
  readonly rows?: "documents";
  readonly steps: number;
  /** Micro-batches whose gradients are summed before one update. */
  readonly accumulate: number;
  /** Peak learning rate; `minLr` is where the schedule ends. */
  readonly lr: number;
  readonly minLr: number;
  readonly warmup: number;
  readonly schedule: (typeof schedules)[number];
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly decay: number;
  /** Global gradient norm above which gradients are scaled down; 0 = never. */
  readonly clip: number;
  readonly seed: number;
  /** Share of the data kept for validation, from its end. */
  readonly heldOut: number;
  /** Steps between evaluations, samples and checkpoints; 0 = only at the end. */
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

/**
 * Kinds of layers, which differ in how far attention sees (Brown et al. 2020: "alternating dense and locally
 * banded sparse attention").
 */
export const layerKinds = ["dense", "banded"] as const;
export type LayerKind = (typeof layerKinds)[number];

export interface Model {
  readonly name: string;
  readonly sizes: Sizes;
  /** Over and over, from the first layer to the last. Absent: all layers are alike. */
  readonly pattern?: readonly LayerKind[];
  readonly embed: Embed;
  readonly layer: readonly Assignment[];
  /** Ends in a linear to [rows, vocab]. Its free value is `x`. */
  readonly output: Expression;
  readonly tokenizer: TokenizerName;
  readonly train: TrainSettings;
  readonly sample: SampleSettings;
}

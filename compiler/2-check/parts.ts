/**
 * THE table of parts: what equations are made of. Options with their defaults; `build` makes the checked
 * part. CONTRIBUTING.md ("Add a part") says how to add one.
 */
import { flag, group, number, word, type Fields, type Options, type ValuesOf } from "./fields.ts";
import { NORM_EPS, QK_NORM_EPS } from "../../runtime/contract/defaults.ts";
import { epsRange, expertRanges, ropeRanges, sizeRanges } from "../../runtime/contract/limits.ts";
import {
  activations,
  type Activation,
  type Part,
  type PartKind,
  type Rope,
} from "../../runtime/contract/model.ts";

export interface PartSpec {
  readonly doc: string;
  /** The equation, in the field's words. */
  readonly equation: string;
  /** After which paper. */
  readonly source: string;
  readonly options: Options;
  readonly sections: readonly Section[];
  /** Options that will mean something later, and what to do now. */
  readonly later: Readonly<Record<string, string>>;
  build(values: Readonly<Record<string, OptionValue>>, at: PartPlace): Part;
  /** Width of the result. */
  outWidth(part: Part): number;
}

/** undefined: a group that is not given. */
export type OptionValue =
  | number
  | boolean
  | string
  | readonly string[]
  | Readonly<Record<string, number | boolean | string | readonly string[]>>
  | undefined;

export type Section = "embed" | "layer" | "output";
export interface PartPlace {
  readonly name: string;
  /** Width of the input. */
  readonly width: number;
}

function definePart<F extends Options>(
  spec: Omit<PartSpec, "options" | "build" | "outWidth" | "later"> & {
    readonly options: F;
    readonly later?: Readonly<Record<string, string>>;
    build(values: ValuesOf<F>, at: PartPlace): Part;
  },
): PartSpec {
  return {
    later: {},
    outWidth: (part) => (part.part === "linear" ? part.out : part.width),
    ...spec,
    build: (values, at) => spec.build(values as ValuesOf<F>, at),
  };
}

const everywhere: readonly Section[] = ["layer", "output"];
const aroundEmbeddings: readonly Section[] = ["embed", ...everywhere];

const ropeFields = {
  theta: number("Wavelengths reach from 2π to 2π · theta positions.", ropeRanges.theta, 10_000),
  linear: number("Positions are divided by this (Chen et al. 2023); 1: they are not.", ropeRanges.linear, 1),
  factor: number(
    "Llama 3.1's scaling: long wavelengths are stretched by this; 1: none. Needs `original`.",
    ropeRanges.factor,
    1,
  ),
  low: number("Wavelengths above original / low are stretched in full.", ropeRanges.low, 1),
  high: number(
    "Wavelengths below original / high stay as they are; between the two it is interpolated.",
    ropeRanges.high,
    4,
  ),
  original: number("The context before scaling.", ropeRanges.original, ["none", () => 1]),
} satisfies Fields;

const ropeOf = (given: ValuesOf<typeof ropeFields> | undefined): { rope?: Rope } => {
  if (!given) return {};
  const { theta, linear, ...scaling } = given;
  return {
    rope: { theta, ...(linear === 1 ? {} : { linear }), ...(scaling.factor === 1 ? {} : { scaling }) },
  };
};

/**
 * ⅔ of 4 · width, so that three matrices have as many parameters as an mlp's two, rounded up to a cache line
 * of floats.
 */
const gatedHidden = (width: number): number => Math.ceil((8 * width) / 3 / 16) * 16;

const gatedPart = <K extends "swiglu" | "geglu">(
  part: K,
  doc: string,
  words: readonly Activation[],
  activation: Activation,
): PartSpec =>
  definePart({
    doc,
    equation: "(activation(x G + b) ∘ (x U + b)) D + b",
    source: "Shazeer 2020",
    sections: everywhere,
    options: {
      hidden: number("Width between the maps.", sizeRanges.hidden, [
        "8/3 * width, rounded up to a multiple of 16",
        ({ input_width }) => gatedHidden(input_width!),
      ]),
      activation: word("What the gate goes through.", words, activation),
      bias: flag("Biases in all three maps.", false),
    },
    later: { dropout: "leave it out" },
    build: ({ hidden, activation: chosen, bias }, { name, width }) => ({
      part,
      name,
      width,
      hidden,
      activation: chosen,
      bias,
    }),
  });

/**
 * Defaults see the settings by name, options that were given as `<option>_here`, the input's width as
 * `input_width`, and `linear_out`.
 */
export const parts = {
  layernorm: definePart({
    doc: "Brings every row to mean 0 and variance 1.",
    equation: "weight · (x − mean) / √(variance + eps) + bias",
    source: "Ba, Kiros & Hinton 2016",
    sections: aroundEmbeddings,
    options: {
      eps: number("Added to the variance.", epsRange, NORM_EPS),
      weight: flag("A trained factor per column.", true),
      bias: flag("A trained term per column.", true),
    },
    build: ({ eps, weight, bias }, { name, width }) => ({
      part: "layernorm",
      name,
      width,
      eps,
      weight,
      bias,
    }),
  }),
  rmsnorm: definePart({
    doc: "Brings every row to a mean square of 1.",
    equation: "weight · x / √(mean(x²) + eps) + bias",
    source: "Zhang & Sennrich 2019",
    sections: aroundEmbeddings,
    options: {
      eps: number("Added to the mean square.", epsRange, NORM_EPS),
      weight: flag("A trained factor per column.", true),
      bias: flag("A trained term per column.", false),
    },
    build: ({ eps, weight, bias }, { name, width }) => ({ part: "rmsnorm", name, width, eps, weight, bias }),
  }),
  attention: definePart({
    doc:
      "Every token looks at the tokens before it. Projects to queries, keys and values, and back to the " +
      "width.",
    equation: "softmax(Q Kᵀ / √head_dim) V, per head, then a projection",
    source: "Vaswani et al. 2017; grouped queries: Ainslie et al. 2023",
    sections: ["layer"],
    options: {
      heads: number("Heads.", sizeRanges.heads, ["heads", ({ heads }) => heads!]),
      kv_heads: number("Heads of keys and values.", sizeRanges.kvHeads, [
        "kv_heads; heads where that is given here",
        ({ heads_here, kv_heads }) => heads_here ?? kv_heads!,
      ]),
      head_dim: number("Width of a head.", sizeRanges.headDim, [
        "head_dim; width / heads where that is given here",
        ({ heads_here, input_width, head_dim }) =>
          heads_here !== undefined ? input_width! / heads_here : head_dim!,
      ]),
      bias: flag(
        "Biases of the projections to queries, keys and values, and of the one back to the width.",
        false,
      ),
      out_bias: flag("The bias of the projection back to the width alone.", [
        "bias",
        ({ bias_here }) => Boolean(bias_here),
      ]),
      causal: flag("Only earlier tokens and itself are seen.", true),
      qk_norm: group(
        "Queries and keys are normalised per head, before rope, each with a trained factor per column " +
          "of a head (Henry et al. 2020).",
        "rmsnorm",
        { eps: number("Added to the mean square.", epsRange, QK_NORM_EPS) },
        "qk_norm: rmsnorm()",
      ),
      window: number(
        "Positions that a query sees, itself included; with a pattern of layers: in the `banded` ones.",
        sizeRanges.window,
        ["band", ({ band }) => band ?? 0],
      ),
      rope: group(
        "Queries and keys are turned by their positions (Su et al. 2021), in pairs of neighbouring columns.",
        "rope",
        ropeFields,
        "rope: rope(theta: 10000)",
      ),
    },
    later: {
      dropout: "leave it out",
    },
    build: (
      { heads, kv_heads, head_dim, bias, out_bias, causal, window, rope, qk_norm },
      { name, width },
    ) => ({
      part: "attention",
      name,
      width,
      heads,
      kvHeads: kv_heads,
      headDim: head_dim,
      bias,
      causal,
      ...(out_bias !== bias ? { outBias: out_bias } : {}),
      ...ropeOf(rope),
      ...(qk_norm ? { qkNorm: qk_norm } : {}),
      ...(window > 0 ? { window } : {}),
    }),
  }),
  mlp: definePart({
    doc: "Two linear maps with an activation between them.",
    equation: "activation(x W₁ + b₁) W₂ + b₂",
    source: "Vaswani et al. 2017",
    sections: everywhere,
    options: {
      hidden: number("Width between the two maps.", sizeRanges.hidden, [
        "4 * width",
        ({ input_width }) => 4 * input_width!,
      ]),
      activation: word(
        "gelu is the exact one (erf), gelu_tanh its approximation (Hendrycks & Gimpel 2016), relu2 the " +
          "square of relu (So et al. 2021).",
        activations,
        "gelu_tanh",
        { swish: "it is called `silu` here" },
      ),
      bias: flag("Biases in both maps.", false),
    },
    later: { dropout: "leave it out" },
    build: ({ hidden, activation, bias }, { name, width }) => ({
      part: "mlp",
      name,
      width,
      hidden,
      activation,
      bias,
    }),
  }),
  swiglu: gatedPart(
    "swiglu",
    "A gate and its content side by side, multiplied; the gate goes through silu.",
    ["silu"],
    "silu",
  ),
  geglu: gatedPart("geglu", "As swiglu, with gelu.", ["gelu", "gelu_tanh"], "gelu_tanh"),
  experts: definePart({
    doc:
      "A mixture of experts: a router sends every token to the best few of many blocks, which are mixed " +
      "with the router's weights.",
    equation:
      "Σ w[e] · expert[e](x) over the `top` largest of x R;  w = softmax of these (or of all);  " +
      "expert(x) = (activation(x G) ∘ (x U)) D",
    source: "Shazeer et al. 2017; load balancing: Fedus et al. 2021; renormalised weights: Jiang et al. 2024",
    sections: everywhere,
    options: {
      count: number("Experts.", expertRanges.count, 8),
      top: number("Experts per token.", expertRanges.top, [
        "2, at most count",
        ({ count_here }) => Math.min(2, count_here ?? 8),
      ]),
      hidden: number("Width inside of an expert.", sizeRanges.hidden, [
        "8/3 * width, rounded up to a multiple of 16; 4 * width without gates",
        ({ input_width, gated_here }) => (gated_here === 0 ? 4 * input_width! : gatedHidden(input_width!)),
      ]),
      gated: flag("Gated linear units, as in swiglu; false: two maps, as in mlp.", true),
      activation: word("What the gate, or the inner width, goes through.", activations, "silu"),
      renormalise: flag(
        "The weights of a token's experts add up to 1; false: they are its probabilities among all experts.",
        ["true, unless top is 1", ({ top_here, count_here }) => (top_here ?? 2) > 1 && count_here !== 1],
      ),
      balance: number(
        "Weight of the load-balancing loss, count · Σ (share of tokens · mean probability), in the " +
          "objective of training; over the tokens that count.",
        expertRanges.balance,
        0.01,
      ),
    },
    later: { dropout: "leave it out", bias: "leave it out: experts have no biases" },
    build: (values, { name, width }) => ({ part: "experts", name, width, ...values }),
  }),
  linear: definePart({
    doc: "A linear map. Outermost in the output: to the vocabulary.",
    equation: "x W + b",
    source: "tied: Press & Wolf 2017",
    sections: everywhere,
    options: {
      out: number("Width of the result.", sizeRanges.hidden, [
        "width; vocab for the outermost of the output",
        ({ linear_out }) => linear_out!,
      ]),
      bias: flag("A bias.", false),
      tied: flag("The token embedding is the weight; only for the outermost linear of the output.", false),
    },
    build: ({ out, bias, tied }, { name, width }) => ({ part: "linear", name, width, out, bias, tied }),
  }),
} satisfies Record<PartKind, PartSpec>;

export const partNames = Object.keys(parts) as readonly PartKind[];
export const isPart = (name: string): name is PartKind => Object.hasOwn(parts, name);

/** Parts and functions that are planned, and what to use now. */
export const laterParts: Readonly<Record<string, string>> = {
  dropout: "leave it out",
};

/** Words that belong to a part's options, and how they are written there. */
export const optionWords: Readonly<Record<string, string>> = {
  rope: "it is an option: `attention(x, rope: rope(theta: 10000))`",
};

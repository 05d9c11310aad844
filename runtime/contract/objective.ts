/**
 * What an objective of post-training is: an equation over a closed set of names, for one token, one answer or
 * one pair of answers. The objective of a step is the sum of it over all of these, each times its weight.
 *
 *   token    -advantage * logp                                              policy gradients, SFT
 *   answer   relu(label) * (1 - sigmoid(beta * (ratio - z))) + …            KTO
 *   pair     -logsigmoid(beta * (chosen.ratio - rejected.ratio))            DPO, reward models
 *
 * A sequence of a batch holds one answer: its counted rows, those whose target is not −1. Of a pair, sequence
 * 2i is the chosen answer and 2i + 1 the rejected one. What stands at rows that are not counted has no part
 * in anything, even if it is not a number.
 *
 * The equations of known objectives are written down in compiler/2-check/objectives.ts, in the language.
 */
import type { InputName } from "./entries.ts";

/** Numbers of a counted row. `input`: the tensor that the host writes; without one the model makes them. */
export const tokenNames = {
  logp: { doc: "ln p(target), by the model that is trained" },
  entropy: { doc: "the entropy of the model's prediction, in nats" },
  hit: { doc: "1 where the target is the model's likeliest token, else 0; it has no gradient" },
  value: { doc: "what the scalar head says at this row" },
  old: { doc: "ln p(target), by the model that wrote the answer", input: "old_logprobs" },
  ref: { doc: "ln p(target), by the reference", input: "reference_logprobs" },
  advantage: { doc: "how much better than expected the token was", input: "advantages" },
  return: { doc: "what the value head is to learn here", input: "returns" },
  old_value: { doc: "what the value head said when the answer was written", input: "old_values" },
} as const satisfies Record<string, { readonly doc: string; readonly input?: InputName }>;
export type TokenName = keyof typeof tokenNames;

/** Numbers of an answer. `ratio` and `score` are short for what stands in their `doc`. */
export const answerNames = {
  length: { doc: "how many rows are counted" },
  ratio: { doc: "sum(logp - ref)" },
  score: { doc: "last(value): what the scalar head says at the last counted row" },
  label: { doc: "1 for an answer that is wanted, −1 for one that is not", input: "labels" },
  margin: { doc: "by how much the scores of a pair should differ", input: "margins" },
} as const satisfies Record<string, { readonly doc: string; readonly input?: InputName }>;
export type AnswerName = keyof typeof answerNames;

/** What makes a number of an answer of a number of its rows. */
export const overRows = {
  sum: "over the counted rows",
  mean: "over the counted rows",
  last: "the last counted row's",
} as const;
export type OverRows = keyof typeof overRows;

/** Functions of numbers, and how many each takes. */
export const functions = {
  exp: { arguments: 1, doc: "e^x, of an x that is kept within −20 … 20" },
  log: { arguments: 1, doc: "ln x" },
  log1mexp: { arguments: 1, doc: "ln(1 − e^x) for x < 0, of an x that is kept below −1e-7" },
  sigmoid: { arguments: 1, doc: "1 / (1 + e^−x)" },
  logsigmoid: { arguments: 1, doc: "ln sigmoid(x)" },
  square: { arguments: 1, doc: "x²" },
  relu: { arguments: 1, doc: "max(x, 0)" },
  step: { arguments: 1, doc: "1 where x > 0, else 0; it has no gradient" },
  stop: { arguments: 1, doc: "x, without its gradient" },
  min: { arguments: 2, doc: "the smaller one" },
  max: { arguments: 2, doc: "the larger one" },
  clip: { arguments: 3, doc: "x, kept within its second and third argument" },
} as const satisfies Record<string, { readonly arguments: number; readonly doc: string }>;
export type FunctionName = keyof typeof functions;

/** Whose number it is: the answer's of a token or an answer; one of the two of a pair. */
export type Whose = "own" | "chosen" | "rejected";

/** A checked equation: it has one unit, and no sum over rows stands within another. */
export type Equation =
  | { readonly kind: "number"; readonly value: number }
  /** A number that the host says anew for each step. */
  | { readonly kind: "setting"; readonly name: string }
  | { readonly kind: "token"; readonly name: TokenName; readonly of: Whose }
  | { readonly kind: "answer"; readonly name: "length" | "label" | "margin"; readonly of: Whose }
  | { readonly kind: "over"; readonly how: OverRows; readonly of: Whose; readonly value: Equation }
  | { readonly kind: "call"; readonly name: FunctionName; readonly args: readonly Equation[] }
  | { readonly kind: "negate"; readonly value: Equation }
  | {
      readonly kind: "add" | "subtract" | "multiply" | "divide";
      readonly left: Equation;
      readonly right: Equation;
    };

/** What an equation is about: the objective is a sum over all of these in a step. */
export const units = ["token", "answer", "pair"] as const;
export type Unit = (typeof units)[number];

/** An objective as a module is compiled for it. */
export interface Objective {
  readonly name: string;
  readonly unit: Unit;
  /** The equation as text of the language, which the compiler reads. */
  readonly equation: string;
  /** Names of numbers that the host may set for each step, and their values where it does not. */
  readonly settings: Readonly<Record<string, number>>;
  /** What is logged, under the field's names. */
  readonly metrics: Readonly<Record<string, Metric>>;
}

/** A mean: the sum of one equation, divided by that of another; without one, by the number of units. */
export interface Metric {
  readonly sum: string;
  readonly per?: string;
}

/** How many settings an objective may have. Each takes two floats: the nearest f32, and what is left. */
export const MOST_SETTINGS = 16;

/**
 * What stands before the sums that are logged in the output `objective`: how many units there are, the sum of
 * their losses, and that of their losses times their weights.
 */
export const objectiveSums = ["units", "loss", "weighted"] as const;

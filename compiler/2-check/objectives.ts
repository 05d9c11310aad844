/**
 * THE table of objectives: equations in the language itself, with their settings, and what is logged under
 * the field's names. To add one, write its row; a spec's own (`objective NAME = …`) is made like them.
 */
import type { Value } from "../1-parse/ast.ts";
import { objectiveRanges } from "../../runtime/contract/limits.ts";
import type { Metric, Objective } from "../../runtime/contract/objective.ts";
import { number, type Fields } from "./fields.ts";
import { checkEquation, equationFrom, type Refuse } from "./objective-equations.ts";
import { printEquation, settingsIn } from "./print-equation.ts";

const { coefficient, positive, probability, clip } = objectiveRanges;

/** Numbers that equations may name. An objective may have defaults of its own for them. */
export const objectiveFields = {
  beta: number("How strongly the reference holds; the larger, the closer to it.", positive, 0.1),
  label_smoothing: number("Share of pairs whose answers are taken to be confused.", probability, 0),
  nll: number("Weight of the chosen answer's mean −ln p, added to the loss.", coefficient, 0),
  gamma: number("simpo: the margin, as it is: not divided by beta.", coefficient, 0.5),
  lambda: number("orpo: weight of the odds.", coefficient, 0.1),
  desirable: number("kto: weight of answers that are wanted.", coefficient, 1),
  undesirable: number("kto: weight of answers that are not wanted.", coefficient, 1),
  z: number("kto: the divergence that answers are compared with; the trainer measures it.", coefficient, 0),
  center: number("Reward models: weight of the squared sum of a pair's scores.", coefficient, 0),
  clip: number("How far below 1 the ratio to the old model has an effect.", clip, 0.2),
  clip_high: number("How far above 1 it has.", clip, 0.2),
  dual_clip: number("How many times a bad answer's advantage its loss may be.", clip, 3),
  kl: number("Weight of the estimated divergence from the reference, in the loss.", coefficient, 0),
  value_weight: number(
    "Weight of the value head's loss. 0.1 is for returns that differ by some 1; by s, it wants 0.1 / s².",
    coefficient,
    0.1,
  ),
  value_clip: number("How far the value may move from the old one with an effect.", clip, 0.2),
  entropy_weight: number("Weight of the entropy, which is made larger.", coefficient, 0),
} satisfies Fields;
export type ObjectiveSetting = keyof typeof objectiveFields;

interface Row {
  readonly doc: string;
  readonly source: string;
  readonly equation: string;
  /** Settings whose defaults are other than the table's. */
  readonly defaults?: Readonly<Partial<Record<ObjectiveSetting, number>>>;
  readonly metrics: Readonly<Record<string, Metric>>;
}

// ---- pairs

const ofPairs = (chosen: string, rejected: string): Readonly<Record<string, Metric>> => ({
  "rewards/chosen": { sum: chosen },
  "rewards/rejected": { sum: rejected },
  "rewards/accuracies": { sum: `step(${chosen} - ${rejected})` },
  "rewards/margins": { sum: `${chosen} - ${rejected}` },
  "logps/chosen": { sum: "sum(chosen.logp)" },
  "logps/rejected": { sum: "sum(rejected.logp)" },
});

const pair = (
  doc: string,
  source: string,
  equation: string,
  { chosen = "chosen.ratio", rejected = "rejected.ratio", defaults = {} }: PairOptions = {},
): Row => ({
  doc,
  source,
  equation: `${equation} + nll * nll(chosen)`,
  defaults,
  metrics: ofPairs(`beta * ${chosen}`, `beta * ${rejected}`),
});
interface PairOptions {
  /** What a reward is, before it is multiplied by beta. */
  readonly chosen?: string;
  readonly rejected?: string;
  readonly defaults?: Row["defaults"] & {};
}

const difference = "(chosen.ratio - rejected.ratio)";
const averaged = "(chosen.ratio / chosen.length - rejected.ratio / rejected.length)";
const means = { chosen: "mean(chosen.logp)", rejected: "mean(rejected.logp)" };
const sums = { chosen: "sum(chosen.logp)", rejected: "sum(rejected.logp)" };
const rafailov = "Rafailov et al. 2023";
const logOdds = (mean: string): string => `(${mean} - log1mexp(${mean}))`;

const pairs = {
  dpo: pair(
    "The chosen answer becomes likelier than the rejected one, beside the reference. With " +
      "`label_smoothing` some labels are taken to be wrong (cDPO).",
    rafailov,
    `-(1 - label_smoothing) * logsigmoid(beta * ${difference}) - ` +
      `label_smoothing * logsigmoid(-beta * ${difference})`,
  ),
  robust: pair(
    "As dpo with `label_smoothing`, without the bias that wrong labels bring.",
    "Chowdhury et al. 2024",
    `(label_smoothing * logsigmoid(-beta * ${difference}) - ` +
      `(1 - label_smoothing) * logsigmoid(beta * ${difference})) / (1 - 2 * label_smoothing)`,
  ),
  sigmoid_norm: pair(
    "dpo of averages over an answer's tokens.",
    "Lambert et al. 2024",
    `-logsigmoid(beta * ${averaged})`,
    { chosen: "chosen.ratio / chosen.length", rejected: "rejected.ratio / rejected.length" },
  ),
  ipo: pair(
    "The margin, averaged over an answer's tokens, becomes 1 / (2 · beta).",
    "Azar et al. 2023",
    `square(${averaged} - 1 / (2 * beta))`,
    { chosen: "chosen.ratio / chosen.length", rejected: "rejected.ratio / rejected.length" },
  ),
  ipo_sum: pair(
    "ipo of sums over an answer's tokens, as the paper has it.",
    "Azar et al. 2023",
    `square(${difference} - 1 / (2 * beta))`,
  ),
  hinge: pair("dpo whose loss ends at a margin of 1.", "Zhao et al. 2023", `relu(1 - beta * ${difference})`),
  bco_pair: pair(
    "Each answer is told good from bad by itself; the threshold is 0.",
    "Jung et al. 2024",
    "-logsigmoid(beta * chosen.ratio) - logsigmoid(-beta * rejected.ratio)",
  ),
  nca_pair: pair(
    "The chosen answer becomes likelier, and neither strays.",
    "Chen et al. 2024",
    "-logsigmoid(beta * chosen.ratio) - 0.5 * logsigmoid(-beta * chosen.ratio) - " +
      "0.5 * logsigmoid(-beta * rejected.ratio)",
  ),
  sppo_hard: pair(
    "Ratios become half the reciprocal of beta, and minus that.",
    "Wu et al. 2024",
    "square(chosen.ratio - 1 / (2 * beta)) + square(rejected.ratio + 1 / (2 * beta))",
  ),
  apo_zero: pair(
    "The chosen answer becomes likelier, the rejected one less likely.",
    "D'Oosterlinck et al. 2024",
    "1 - sigmoid(beta * chosen.ratio) + sigmoid(beta * rejected.ratio)",
  ),
  apo_down: pair(
    "Both become less likely, the rejected one more so.",
    "D'Oosterlinck et al. 2024",
    `sigmoid(beta * chosen.ratio) + 1 - sigmoid(beta * ${difference})`,
  ),
  simpo: pair(
    "Averages of log-probabilities, apart by a margin; no reference.",
    "Meng et al. 2024",
    `-logsigmoid(beta * (${means.chosen} - ${means.rejected}) - gamma)`,
    { ...means, defaults: { beta: 2 } },
  ),
  cpo: pair(
    "dpo without a reference, and the chosen answer is learnt.",
    "Xu et al. 2024",
    `-logsigmoid(beta * (${sums.chosen} - ${sums.rejected}))`,
    { ...sums, defaults: { nll: 1 } },
  ),
  orpo: {
    doc: "The chosen answer is learnt, and its odds grow over the rejected one's; no reference.",
    source: "Hong et al. 2024",
    equation: `nll(chosen) - lambda * logsigmoid(${logOdds(means.chosen)} - ` + `${logOdds(means.rejected)})`,
    metrics: {
      ...ofPairs(`lambda * ${means.chosen}`, `lambda * ${means.rejected}`),
      nll_loss: { sum: "nll(chosen)" },
      log_odds_chosen: { sum: `${logOdds(means.chosen)} - ${logOdds(means.rejected)}` },
      log_odds_ratio: { sum: `logsigmoid(${logOdds(means.chosen)} - ${logOdds(means.rejected)})` },
    },
  },
  reward: {
    doc: "The scalar head scores the chosen answer above the rejected one (Bradley & Terry 1952).",
    source: "Ouyang et al. 2022",
    equation: "-logsigmoid(chosen.score - rejected.score) + center * square(chosen.score + rejected.score)",
    metrics: scores(),
  },
  reward_margin: {
    doc: "As reward; each pair says by how much its scores should differ.",
    source: "Touvron et al. 2023",
    equation:
      "-logsigmoid(chosen.score - rejected.score - chosen.margin) + " +
      "center * square(chosen.score + rejected.score)",
    metrics: scores(),
  },
} satisfies Record<string, Row>;

function scores(): Row["metrics"] {
  return {
    accuracy: { sum: "step(chosen.score - rejected.score)" },
    margin: { sum: "chosen.score - rejected.score" },
    mean_reward: { sum: "0.5 * (chosen.score + rejected.score)" },
  };
}

// ---- answers

/** The ratio of a whole answer to the model that wrote it, clipped; its advantage is that of each token. */
const clippedAnswer = (ratio: string): string =>
  `-min(${ratio} * mean(advantage), clip(${ratio}, 1 - clip, 1 + clip_high) * mean(advantage))`;

const clippedBelow = (ratio: string, advantage: string): string =>
  `step(1 - clip - ${ratio}) * step(-${advantage})`;
const clippedAbove = (ratio: string, advantage: string): string =>
  `step(${ratio} - 1 - clip_high) * step(${advantage})`;
/** Clipped on either side. */
const clippedRegion = (ratio: string, advantage: string): string =>
  `${clippedBelow(ratio, advantage)} + ${clippedAbove(ratio, advantage)}`;

const clipsOf = (ratio: string, advantage: string): Row["metrics"] => ({
  ratio: { sum: ratio },
  "clip_ratio/low_mean": { sum: clippedBelow(ratio, advantage) },
  "clip_ratio/high_mean": { sum: clippedAbove(ratio, advantage) },
  "clip_ratio/region_mean": { sum: clippedRegion(ratio, advantage) },
});

const answers = {
  kto: {
    doc: "Answers that are wanted become likelier, others less; they need no partner.",
    source: "Ethayarajh et al. 2024",
    equation:
      "relu(label) * desirable * (1 - sigmoid(beta * (ratio - z))) + " +
      "relu(-label) * undesirable * (1 - sigmoid(beta * (z - ratio)))",
    metrics: {
      "rewards/chosen": { sum: "relu(label) * beta * ratio", per: "relu(label)" },
      "rewards/rejected": { sum: "relu(-label) * beta * ratio", per: "relu(-label)" },
      "logps/chosen": { sum: "relu(label) * sum(logp)", per: "relu(label)" },
      "logps/rejected": { sum: "relu(-label) * sum(logp)", per: "relu(-label)" },
    },
  },
  gspo: {
    doc: "grpo with one ratio for an answer: the geometric mean of its tokens'.",
    source: "Zheng et al. 2025",
    equation: clippedAnswer("exp(mean(logp - old))"),
    metrics: clipsOf("exp(mean(logp - old))", "mean(advantage)"),
  },
  rloo: {
    doc: "grpo with one ratio for an answer: the product of its tokens'.",
    source: "Ahmadian et al. 2024",
    equation: clippedAnswer("exp(sum(logp - old))"),
    metrics: clipsOf("exp(sum(logp - old))", "mean(advantage)"),
  },
} satisfies Record<string, Row>;

// ---- tokens

const ratio = "exp(logp - old)";
const clipped = `min(${ratio} * advantage, clip(${ratio}, 1 - clip, 1 + clip_high) * advantage)`;
const ofTokens: Row["metrics"] = {
  ...clipsOf(ratio, "advantage"),
  "policy/approxkl_avg": { sum: "0.5 * square(logp - old)" },
};

const valueLoss =
  "max(square(value - return), " +
  "square(clip(value, old_value - value_clip, old_value + value_clip) - return))";

const ofPredictions: Row["metrics"] = {
  entropy: { sum: "entropy" },
  mean_token_accuracy: { sum: "hit" },
};

const tokens = {
  sft: {
    doc: "The next token, as in training from the beginning.",
    source: "Radford et al. 2018",
    equation: "-logp",
    metrics: ofPredictions,
  },
  dft: {
    doc: "sft in which a token weighs what the model gives it.",
    source: "Wu et al. 2025",
    equation: "-stop(exp(logp)) * logp",
    metrics: ofPredictions,
  },
  reinforce: {
    doc: "Tokens become likelier by their advantage.",
    source: "Williams 1992",
    equation: "-advantage * logp",
    metrics: {},
  },
  grpo: {
    doc: "reinforce by the ratio to the model that wrote the answer, clipped on either side.",
    source: "Schulman et al. 2017; Shao et al. 2024",
    equation: `-${clipped}`,
    metrics: ofTokens,
  },
  grpo_dual: {
    doc: "grpo in which a bad answer's loss ends, too.",
    source: "Ye et al. 2020",
    equation:
      `-step(-advantage) * max(${clipped}, dual_clip * advantage) - ` + `(1 - step(-advantage)) * ${clipped}`,
    metrics: ofTokens,
  },
  cispo: {
    doc: "reinforce, weighed by the ratio, which is clipped above and has no gradient.",
    source: "MiniMax 2025",
    equation: `-stop(min(${ratio}, 1 + clip_high)) * advantage * logp`,
    metrics: ofTokens,
  },
  ppo: {
    doc: "grpo with a value head, whose loss is clipped too.",
    source: "Schulman et al. 2017",
    equation: `-${clipped} + value_weight * 0.5 * ${valueLoss}`,
    metrics: {
      ...ofTokens,
      "policy/clipfrac_avg": { sum: clippedRegion(ratio, "advantage") },
      "loss/policy_avg": { sum: `-${clipped}` },
      "val/ratio": { sum: ratio },
      "loss/value_avg": { sum: `0.5 * ${valueLoss}` },
      "val/clipfrac_avg": { sum: "step(square(value - old_value) - square(value_clip))" },
    },
  },
} satisfies Record<string, Row>;

export const objectives = { ...pairs, ...answers, ...tokens } satisfies Record<string, Row>;
export type ObjectiveName = keyof typeof objectives;

// ---- terms that are added

/**
 * Estimates of the divergence from the reference, by tokens that the model itself has drawn, as parts of a
 * loss. Their gradients, averaged: of k1 it is 0, of k2 that of KL(model ‖ reference), of k3 that of
 * KL(reference ‖ model). (k1, k2, k3: Schulman 2020.)
 */
export const klEstimators = {
  k1: "logp - ref",
  k2: "0.5 * square(logp - ref)",
  k3: "exp(ref - logp) - (ref - logp) - 1",
} as const;
export type KlEstimator = keyof typeof klEstimators;

export interface ObjectiveTerms {
  /** The divergence from the reference is in the loss, times the setting `kl`. */
  readonly kl?: KlEstimator;
  /** The entropy is made larger, times the setting `entropy_weight`. */
  readonly entropy?: boolean;
}

const fieldNames = Object.keys(objectiveFields);

/** An objective of the table. */
export function objectiveOf(name: ObjectiveName, terms: ObjectiveTerms = {}): Objective {
  const row: Row = objectives[name];
  return withTerms({ name, ...row, equation: row.equation }, terms, row.defaults);
}

/** A spec's own: `objective NAME = value`. Undefined where the equation is wrong. */
export function objectiveFrom(
  name: string,
  value: Value,
  refuse: Refuse,
  terms: ObjectiveTerms = {},
): Objective | undefined {
  const checked = checkEquation(value, fieldNames, refuse);
  if (!checked) return undefined;
  return withTerms({ name, equation: printEquation(checked.equation), metrics: {} }, terms);
}

function withTerms(
  { name, equation, metrics }: Pick<Objective, "name" | "equation" | "metrics">,
  { kl, entropy }: ObjectiveTerms,
  defaults: Row["defaults"] = {},
): Objective {
  const { unit } = equationFrom(equation, fieldNames);
  if (unit === "pair" && (kl !== undefined || entropy))
    throw new Error(`${name} is an objective of pairs: it takes no terms of tokens`);
  const ofUnit = (term: string): string => (unit === "token" ? `(${term})` : `mean(${term})`);
  const whole = [
    equation,
    ...(kl === undefined ? [] : [`kl * ${ofUnit(klEstimators[kl])}`]),
    ...(entropy ? [`entropy_weight * -${ofUnit("entropy")}`] : []),
  ].join(" + ");
  const logged: Objective["metrics"] = {
    ...metrics,
    ...(kl !== undefined && { kl: { sum: ofUnit(klEstimators.k1) } }),
    ...(entropy && { entropy: { sum: ofUnit("entropy") } }),
  };
  const used = [
    whole,
    ...Object.values(logged).flatMap(({ sum, per }) => (per === undefined ? [sum] : [sum, per])),
  ].flatMap((text) => settingsIn(equationFrom(text, fieldNames).equation));
  const settings = Object.fromEntries(
    [...new Set(used)].map((setting) => {
      const known = setting as ObjectiveSetting;
      return [setting, defaults[known] ?? objectiveFields[known].initial!({})];
    }),
  );
  return { name, unit, equation: whole, settings, metrics: logged };
}

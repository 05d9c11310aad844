/**
 * What a stage makes smaller: the objective that its block names, with the block's numbers in it, and what
 * can be seen to contradict each other.
 */
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import type { Objective, Unit } from "../../runtime/contract/objective.ts";
import { quoted } from "../diagnostics/messages/message.ts";
import { equationFrom } from "./objective-equations.ts";
import { objectiveFields, objectiveOf, type KlEstimator, type ObjectiveName } from "./objectives.ts";
import { tokensIn } from "./print-equation.ts";
import type { Scope } from "./scope.ts";

export const preferObjectives = [
  "dpo",
  "robust",
  "sigmoid_norm",
  "ipo",
  "ipo_sum",
  "hinge",
  "bco_pair",
  "nca_pair",
  "sppo_hard",
  "apo_zero",
  "apo_down",
  "simpo",
  "orpo",
  "cpo",
  "kto",
] as const satisfies readonly ObjectiveName[];

export const rewardObjectives = ["reward", "reward_margin"] as const satisfies readonly ObjectiveName[];

/** THE table of objectives of rl: equations of the other table, with the settings that make them so. */
export const rlObjectives = {
  grpo: {},
  dr_grpo: { equation: "grpo", advantage: "mean", normalise: "longest" },
  dapo: { equation: "grpo", clip_high: 0.28 },
  reinforce: { advantage: "mean" },
  rloo: { advantage: "leave_one_out" },
  gspo: {},
  cispo: {},
  grpo_dual: {},
  ppo: { advantage: "gae" },
} as const satisfies Record<string, RlObjective>;
interface RlObjective {
  readonly equation?: ObjectiveName;
  readonly advantage?: string;
  readonly normalise?: string;
  readonly clip_high?: number;
}

export const referenceWords = ["start", "none"] as const;

/** Stages whose objective is an equation that their block chooses. */
export type ObjectiveStage = "prefer" | "reward" | "rl";

/** What a model's own objective has to be about, and what it has to read, for a stage to take it. */
const own: Readonly<Record<ObjectiveStage, { readonly units: readonly Unit[]; readonly about: string }>> = {
  prefer: { units: ["pair"], about: "log-probabilities of pairs of answers" },
  reward: { units: ["pair"], about: "scores of pairs of answers" },
  rl: { units: ["token", "answer"], about: "tokens, or answers" },
};

const readsOf = ({ equation }: Objective): readonly string[] =>
  tokensIn(equationFrom(equation, Object.keys(objectiveFields)).equation);

const isOf = (stage: ObjectiveStage, objective: Objective): boolean =>
  own[stage].units.includes(objective.unit) &&
  (stage === "rl" || readsOf(objective).includes("value") === (stage === "reward"));

export interface StageObjective {
  readonly objective: Objective;
  /** Settings of the stage that the objective chooses, where the block does not. */
  readonly chosen: Readonly<Record<string, string>>;
}

export interface StageObjectiveOptions {
  readonly stage: ObjectiveStage;
  /** What the block says, its defaults included. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly scope: Scope;
  /** The model's own objectives. */
  readonly objectives: readonly Objective[];
  readonly report: Reporter;
}

type Refusal = (span: Span | undefined, what: string, help: string, instead?: string) => undefined;

/** Undefined where the block is wrong in it. */
export function stageObjective(o: StageObjectiveOptions): StageObjective | undefined {
  const name = o.values["objective"];
  if (typeof name !== "string") return undefined;
  const mine = o.objectives.find((one) => one.name === name);
  const { objective, chosen } = mine ? { objective: mine, chosen: {} } : ofTable(name, o);
  const refuse: Refusal = (span, what, help, instead) => {
    if (span) o.report("E0604", span, { what, help, ...(instead !== undefined && { instead }) });
    return undefined;
  };
  const given = (key: string): Span | undefined => o.scope.bindings.get(key)?.value?.span;
  if (mine && !isOf(o.stage, mine))
    return refuse(
      given("objective"),
      `${quoted(name)} is no objective for ${quoted(o.stage)}`,
      `one of the model's own is about ${own[o.stage].about} here`,
    );
  const averaged = inForm(objective, o);
  if (!averaged)
    return refuse(
      given("average"),
      `${quoted(name)} has one form, whether or not it averages`,
      "leave `average` out; dpo and ipo have both forms",
    );
  if (!referenceFits(averaged, o, refuse)) return undefined;
  warnOfIdle(averaged, o);
  return { objective: withNumbers(averaged, o), chosen };
}

function ofTable(name: string, { stage, values }: StageObjectiveOptions): StageObjective {
  if (stage !== "rl") return { objective: objectiveOf(name as ObjectiveName), chosen: {} };
  const row: RlObjective = rlObjectives[name as keyof typeof rlObjectives];
  const { equation = name as ObjectiveName, clip_high, ...chosen } = row;
  const inLoss = values["kl_in"] === "loss" && (values["kl"] as number) > 0;
  const objective = objectiveOf(equation, {
    ...(inLoss && { kl: values["estimator"] as KlEstimator }),
    ...((values["entropy_weight"] as number) > 0 && { entropy: true }),
  });
  const settings = { ...objective.settings, ...(clip_high !== undefined && { clip_high }) };
  return { objective: { ...objective, name, settings }, chosen: { ...chosen } };
}

const forms: Readonly<Record<string, Readonly<Record<"true" | "false", ObjectiveName>>>> = {
  dpo: { true: "sigmoid_norm", false: "dpo" },
  sigmoid_norm: { true: "sigmoid_norm", false: "dpo" },
  ipo: { true: "ipo", false: "ipo_sum" },
  ipo_sum: { true: "ipo", false: "ipo_sum" },
};

/** The objective with averages or sums, as the block asks. Undefined: it has one form. */
function inForm(objective: Objective, { values, scope }: StageObjectiveOptions): Objective | undefined {
  if (!scope.bindings.has("average")) return objective;
  const form = forms[objective.name]?.[`${values["average"] as boolean}`];
  return form && objectiveOf(form);
}

function referenceFits(
  objective: Objective,
  { stage, values, scope }: StageObjectiveOptions,
  refuse: Refusal,
): boolean {
  const binding = scope.bindings.get("reference");
  if (!binding) return true;
  const wanted =
    readsOf(objective).includes("ref") || (stage === "rl" && (values["kl"] as number) > 0) ? "start" : "none";
  if (values["reference"] === wanted) return true;
  const name = quoted(objective.name);
  refuse(
    binding.value?.span,
    wanted === "none" ? `${name} has no reference here` : `${name} is beside a reference`,
    `write \`reference ${wanted}\`, or leave it out`,
    wanted,
  );
  return false;
}

/** Numbers of the block that the equation does not name. */
function warnOfIdle(objective: Objective, { stage, scope, report }: StageObjectiveOptions): void {
  for (const [key, { key: word, value }] of scope.bindings)
    if (value && isNumberOf(stage, key) && !Object.hasOwn(objective.settings, key))
      report("W0606", word.span, {
        what: `\`${key}\` has no effect: ${objective.name} does not name it`,
        help: `its numbers are ${Object.keys(objective.settings).join(", ") || "none"}`,
      });
}

/** Settings of stages that share a name with a number of equations. */
const otherwiseNamed: Readonly<Record<ObjectiveStage, readonly string[]>> = {
  prefer: ["clip"],
  reward: ["clip"],
  rl: ["gamma", "lambda", "kl"],
};

/** Whether a setting of the stage is a number of equations. */
export const isNumberOf = (stage: ObjectiveStage, key: string): boolean =>
  Object.hasOwn(objectiveFields, key) && !otherwiseNamed[stage].includes(key);

/** The objective with the numbers that the block gives. */
function withNumbers(objective: Objective, { stage, values, scope }: StageObjectiveOptions): Objective {
  const isGiven = (key: string): boolean =>
    scope.bindings.has(key) && (isNumberOf(stage, key) || key === "kl") && typeof values[key] === "number";
  const settings = Object.fromEntries(
    Object.entries(objective.settings).map(([key, value]) => [
      key,
      isGiven(key) ? (values[key] as number) : value,
    ]),
  );
  return { ...objective, settings };
}

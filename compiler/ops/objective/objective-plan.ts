/**
 * What an objective's equations come to: which numbers are summed over rows, what a unit's loss is, and what
 * its slope is by each number that the model makes. From that follows how many passes an objective takes:
 *
 *   known      the slopes are made of inputs alone: they are there before the model runs     SFT, REINFORCE
 *   by row     a row's slope is made of this row's numbers: it is computed between the
 *              row's forward and its backward                                                GRPO, PPO
 *   by answer  slopes need sums over an answer's rows: the head runs a second time           DPO, KTO, ORPO
 */
import { equationFrom } from "../../2-check/objective-equations.ts";
import {
  answerNames,
  tokenNames,
  type Equation,
  type Objective,
  type OverRows,
  type TokenName,
  type Unit,
  type Whose,
} from "../../../runtime/contract/objective.ts";
import { inOrder, Scalars, variablesOf, type Scalar } from "./scalars.ts";

/** A number of an answer that is made of its rows: the variable `name` stands for it. */
export interface Over {
  readonly name: string;
  readonly of: Whose;
  readonly how: OverRows;
  /** Made of the row's numbers, which are variables of their own names. */
  readonly value: Scalar;
}

export interface ObjectivePlan {
  readonly unit: Unit;
  readonly overs: readonly Over[];
  readonly loss: Scalar;
  /** The sums that are logged, in their order. */
  readonly sums: readonly Scalar[];
  /** By what the model makes of a row (logp …): the slope of its own unit's loss; 0 is left out. */
  readonly rowSlopes: ReadonlyMap<ModelName, Scalar>;
  /** The same for rows of an answer: ∂loss/∂over of each sum, times ∂value/∂number of the row. */
  readonly overSlopes: readonly OverSlope[];
}

/** `outer`: by the sum, of a unit's numbers. `inner`: by the row's number, of the row's numbers. */
export interface OverSlope {
  readonly over: Over;
  readonly by: ModelName;
  readonly outer: Scalar;
  readonly inner: Scalar;
}

/** What the model makes of a row, and has a slope. */
export const modelNames = ["logp", "entropy", "value"] as const satisfies readonly TokenName[];
export type ModelName = (typeof modelNames)[number];
/** The same with what has none: it is there after the head too. */
export const madeNames = [...modelNames, "hit"] as const satisfies readonly TokenName[];
export type MadeName = (typeof madeNames)[number];

type Texts = Pick<Objective, "unit" | "equation"> & { readonly sums: readonly string[] };

/** The variable of an answer's number: `own.length`, `chosen.margin`. */
export const answerVariable = (of: Whose, name: string): string => `${of}.${name}`;

export function planObjective({ unit, equation, sums }: Texts, settings: readonly string[]): ObjectivePlan {
  const scalars = new Scalars();
  const overs = new Map<string, Over>();
  const read = (text: string): Scalar => scalarOf(scalars, overs, equationFrom(text, settings).equation);
  const loss = read(equation);
  const plan = { unit, loss, sums: sums.map(read), overs: [...overs.values()] };
  const zero = scalars.number(0);
  const byName = modelNames.map((name) => [name, scalars.variable(name)] as const);
  const rowSlopes = new Map(
    unit === "token"
      ? byName
          .map(([name, by]) => [name, scalars.derivative(loss, by)] as const)
          .filter(([, slope]) => slope !== zero)
      : [],
  );
  const overSlopes = plan.overs.flatMap((over) => {
    const outer = scalars.derivative(loss, scalars.variable(over.name));
    return byName.flatMap(([by, variable]): OverSlope[] => {
      const inner = scalars.derivative(over.value, variable);
      return outer === zero || inner === zero ? [] : [{ over, by, outer, inner }];
    });
  });
  return { ...plan, rowSlopes, overSlopes };
}

function scalarOf(scalars: Scalars, overs: Map<string, Over>, e: Equation): Scalar {
  const inner = (part: Equation): Scalar => scalarOf(scalars, overs, part);
  switch (e.kind) {
    case "number":
      return scalars.number(e.value);
    case "setting":
      return scalars.variable(settingVariable(e.name));
    case "token":
      return scalars.variable(e.name);
    case "answer":
      return scalars.variable(answerVariable(e.of, e.name));
    case "over": {
      const value = inner(e.value);
      const same = [...overs.values()].find(
        (over) => over.of === e.of && over.how === e.how && over.value === value,
      );
      const over = same ?? { name: `${e.how}_${overs.size}`, of: e.of, how: e.how, value };
      overs.set(over.name, over);
      return scalars.variable(over.name);
    }
    case "call":
      return scalars.call(e.name, ...e.args.map(inner));
    case "negate":
      return scalars.call("negate", inner(e.value));
    case "add":
    case "subtract":
    case "multiply":
    case "divide":
      return scalars.call(e.kind, inner(e.left), inner(e.right));
  }
}

/** Settings have a space of names of their own. */
export const settingVariable = (name: string): string => `setting ${name}`;

export type Passes = "known" | "by row" | "by answer";

/** How the slopes come about. */
export function passesOf({ unit, rowSlopes, overSlopes }: ObjectivePlan): Passes {
  const slopes = [...rowSlopes.values(), ...overSlopes.flatMap((s) => [s.outer, s.inner])];
  const used = [...variablesOf(slopes)];
  const made = used.some((name) => isMadeName(name) || /^(sum|mean|last)_\d+$/.test(name));
  return made ? (unit === "token" ? "by row" : "by answer") : "known";
}

const isMadeName = (name: string): boolean => madeNames.some((m) => m === name);

/** What the equations read of rows and answers, by the names of the language. */
export interface Reads {
  readonly tokens: ReadonlySet<TokenName>;
  readonly answers: ReadonlySet<"label" | "margin">;
}

/** `slopes`: of the slopes alone; else of the loss and what is logged. */
export function readsOf(plan: ObjectivePlan, of: "loss" | "slopes"): Reads {
  const { overs, loss, sums, rowSlopes, overSlopes } = plan;
  const outer = of === "loss" ? [loss, ...sums] : [...rowSlopes.values(), ...overSlopes.map((s) => s.outer)];
  const used = variablesOf(outer);
  const inner = [
    ...overs.filter(({ name }) => used.has(name)).map((over) => over.value),
    ...(of === "slopes" ? overSlopes.map((s) => s.inner) : []),
  ];
  const names = new Set([...used, ...variablesOf(inner)]);
  const answer = (name: string): boolean =>
    (["own", "chosen", "rejected"] as const).some((whose) => names.has(answerVariable(whose, name)));
  return {
    tokens: new Set((Object.keys(tokenNames) as TokenName[]).filter((name) => names.has(name))),
    answers: new Set(
      (["label", "margin"] as const satisfies readonly (keyof typeof answerNames)[]).filter(answer),
    ),
  };
}

/** Whether anything of these is left to compute: numbers and variables are there already. */
export const callsOf = (roots: readonly Scalar[]): readonly Extract<Scalar, { kind: "call" }>[] =>
  inOrder(roots).flatMap((x) => (x.kind === "call" ? [x] : []));

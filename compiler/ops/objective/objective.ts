/**
 * An objective's equation as an operation: from what the model makes of each row, and what the host knows of
 * it, to the loss, and to its slope by each number that the model makes. The slopes are the cotangents from
 * which differentiation goes on (Graph.objective).
 *
 * R rows in B sequences of equal length, U units (rows, sequences, or pairs of them), settings in two floats
 * each. Without `weights` a unit weighs hyper.scale; a unit that is an answer or a pair has the weight of its
 * (chosen) answer's last counted row.
 */
import {
  MOST_SETTINGS,
  objectiveSums,
  type Objective,
  type Unit,
} from "../../../runtime/contract/objective.ts";
import { defineOp, oneOf } from "../kit/op.ts";
import {
  objectives,
  objectiveOf,
  type ObjectiveName,
  type ObjectiveTerms,
} from "../../2-check/objectives.ts";
import { emitObjective, slopeTensor, tensorOf } from "./objective-kernel.ts";
import { planObjective, readsOf, type ObjectivePlan } from "./objective-plan.ts";
import { referenceObjective } from "./objective-reference.ts";

const attrs = {
  unit: oneOf<Unit>("token"),
  sequences: 1,
  equation: "-logp",
  /** Equations with ";" between them. */
  sums: "",
  /** Names with " " between them. */
  settings: "",
};
type ObjectiveAttrs = typeof attrs;

/** A text of several, which may be none. */
const listOf = (text: string, between: string): readonly string[] => (text === "" ? [] : text.split(between));

export const planOf = ({
  unit,
  equation,
  sums,
  settings,
}: Omit<ObjectiveAttrs, "sequences">): ObjectivePlan =>
  planObjective({ unit, equation, sums: listOf(sums, ";") }, listOf(settings, " "));

export const unitsOf = (unit: Unit, rows: number, sequences: number): number =>
  ({ token: rows, answer: sequences, pair: sequences / 2 })[unit];

export const objective = defineOp(
  "logprobs[R]? entropies[R]? hits[R]? values[R]? targets[R]:i32 weights[R]? old[R]? reference[R]? advantages[R]? returns[R]? old_values[R]? labels[B]? margins[B]? settings[S] hyper[H]? -> d_logprobs[R]? d_entropies[R]? d_values[R]? losses[U]? sums[M]?",
  {
    doc: "sums = Σ over units of [1, loss, weight · loss, what is logged …],  d_… = weight · ∂loss/∂…",
    attrs,
    flops: ({ R }) => 100 * R,
    accumulates: ["sums"],
    reference: (t, { R }, a, accumulate) =>
      referenceObjective(t, planOf(a), listOf(a.settings, " "), R, a.sequences, accumulate),
    tasks: () => 1,
    emit(w, at, { R, M }, { attrs: a }) {
      emitObjective(w, at, planOf(a), listOf(a.settings, " "), {
        rows: R,
        sequences: a.sequences,
        units: unitsOf(a.unit, R, a.sequences),
        sums: M,
      });
    },
    sample,
    get cases() {
      return (cases ??= allCases());
    },
  },
);

/** The attributes that say an objective, over so many sequences. */
export function objectiveAttrs(
  { unit, equation, settings, metrics }: Objective,
  sequences: number,
): ObjectiveAttrs {
  const sums = sumsOf(metrics).join(";");
  return { unit, sequences, equation, sums, settings: Object.keys(settings).join(" ") };
}

/** The sums that metrics are made of, each once. */
export function sumsOf(metrics: Objective["metrics"]): readonly string[] {
  const all = Object.values(metrics).flatMap(({ sum, per }) => (per === undefined ? [sum] : [sum, per]));
  return [...new Set(all)];
}

/** Made when they are asked for: all equations of the table are parsed for them. */
let cases: ReturnType<typeof allCases> | undefined;

const allCases = () => [
  ...(Object.keys(objectives) as ObjectiveName[]).map((name) => caseOf(name, {})),
  caseOf("grpo", { kl: "k3", entropy: true }),
  caseOf("gspo", { kl: "k2" }),
];

/** How an objective of the table is asked for: attributes, and the tensors that it needs. */
function caseOf(name: ObjectiveName, terms: ObjectiveTerms) {
  const of = objectiveOf(name, terms);
  const { unit } = of;
  const sequences = unit === "token" ? 1 : 6;
  const given = objectiveAttrs(of, sequences);
  const plan = planOf(given);
  const { tokens, answers } = readsOf(plan, "loss");
  const slopes = [...plan.rowSlopes.keys(), ...plan.overSlopes.map((s) => s.by)];
  const R = 61 * sequences;
  const all = {
    R,
    B: sequences,
    S: 2 * MOST_SETTINGS,
    H: 16,
    U: unitsOf(unit, R, sequences),
    M: objectiveSums.length + plan.sums.length,
  };
  return {
    d: all,
    attrs: given,
    with: [
      ...[...tokens].map((token) => tensorOf[token]),
      ...[...answers].map((answer) => `${answer}s` as const),
      ...[...new Set(slopes)].map((slope) => slopeTensor[slope]),
      ...(unit === "token" ? (["weights"] as const) : (["hyper"] as const)),
      ...(["losses", "sums"] as const),
    ],
  };
}

/** What a test may feed: log-probabilities of −4 … 0, one row in five not counted, positive settings. */
function sample(tensor: string, { R }: { readonly R: number }, noise: () => number, i: number): number {
  switch (tensor) {
    case "targets":
      return i % 5 === 2 || i === R - 1 ? -1 : i;
    case "logprobs":
    case "old":
    case "reference":
      return 2 * noise() - 2;
    case "settings":
      return i < MOST_SETTINGS ? 0.3 + 0.15 * noise() : 0;
    case "labels":
      return i % 2 === 0 ? 1 : -1;
    case "hyper":
      return 0.25;
    default:
      return noise();
  }
}

/**
 * Objectives of a compiled module (contract/objective.ts): what a batch has to bring for them, how many units
 * a step has, and what comes out, as means under the names that are logged.
 */
import type { TensorName } from "../contract/entries.ts";
import type { ObjectivePlace } from "../contract/manifest.ts";
import { MOST_SETTINGS, objectiveSums, type Unit } from "../contract/objective.ts";
import { SinterError } from "../base/errors.ts";
import type { Entries } from "./entries.ts";

/**
 * What the host knows of the rows [B·T] of a batch, and of its sequences [B]. A module takes what its
 * objective names, and no more.
 */
export interface KnownRows {
  /** ln p of each target, by the model that wrote the text, and by the reference. */
  readonly oldLogprobs?: Float32Array;
  readonly referenceLogprobs?: Float32Array;
  /** How much better than expected each token was. */
  readonly advantages?: Float32Array;
  /** What the value head is to learn at each row, and what it said when the text was written. */
  readonly returns?: Float32Array;
  readonly oldValues?: Float32Array;
  /** [B]: 1 for an answer that is wanted, −1 for one that is not. */
  readonly labels?: Float32Array;
  /** [B]: by how much a pair's scores should differ; that of the chosen answer's sequence. */
  readonly margins?: Float32Array;
}

const tensors = {
  oldLogprobs: "old_logprobs",
  referenceLogprobs: "reference_logprobs",
  advantages: "advantages",
  returns: "returns",
  oldValues: "old_values",
  labels: "labels",
  margins: "margins",
} as const satisfies Record<keyof KnownRows, TensorName>;

/** Writes what this module takes; throws where the batch lacks it. */
export function writeKnownRows(entries: Entries, batch: KnownRows): void {
  for (const [field, name] of Object.entries(tensors)) {
    const tensor = entries.findTensor(name);
    if (!tensor) continue;
    const values = batch[field as keyof KnownRows];
    if (!values)
      throw new SinterError(
        "input",
        `the objective of this module reads ${field} of a batch, and there are none`,
        `Give the batch \`${field}\`: ${tensor.elements} numbers.`,
      );
    tensor.write(values);
  }
}

/** Writes the numbers that the equation names: those that are given, the others as they were compiled. */
export function writeSettings(
  entries: Entries,
  { name, settings }: ObjectivePlace,
  given: Readonly<Record<string, number>> = {},
): void {
  for (const key of Object.keys(given))
    if (!settings.some((s) => s.name === key))
      throw new SinterError(
        "input",
        `the objective ${name} has no setting "${key}"`,
        `It has ${settings.map((s) => s.name).join(", ") || "none"}.`,
      );
  const values = entries.tensor("settings").padded();
  for (const [i, { name: key, value }] of settings.entries()) {
    const exact = given[key] ?? value;
    values[i] = exact;
    values[i + MOST_SETTINGS] = exact - Math.fround(exact);
  }
}

/** Tokens, answers or pairs that count: those that have a target, or whose answers have one each. */
export function countUnits(unit: Unit, targets: Int32Array, context: number): number {
  const isCounted = (from: number, to: number): boolean => targets.subarray(from, to).some((t) => t >= 0);
  const sequences = Array.from({ length: targets.length / context }, (_, b) =>
    isCounted(b * context, (b + 1) * context),
  );
  if (unit === "answer") return sequences.filter(Boolean).length;
  if (unit === "pair")
    return sequences.filter((counts, b) => b % 2 === 0 && counts && sequences[b + 1]).length;
  return targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0);
}

/** Sums over the units of one batch, or of several: those of the output `objective`. */
export type ObjectiveSums = readonly number[];

export const readSums = (entries: Entries): ObjectiveSums => [
  ...(entries.tensor("objective").dense() as Float32Array),
];
export const addSums = (a: ObjectiveSums, b: ObjectiveSums): ObjectiveSums => a.map((v, i) => v + b[i]!);

/** What an objective says of a step, or of what was evaluated. */
export interface ObjectiveMeans {
  /** How many tokens, answers or pairs there were. */
  readonly units: number;
  /** The mean of their losses. */
  readonly loss: number;
  /** The sum of their losses times their weights: what the step makes smaller. */
  readonly weighted: number;
  /** What is logged, under the field's names. NaN where there is nothing to take a mean of. */
  readonly metrics: Readonly<Record<string, number>>;
}

export function meansOf({ metrics }: ObjectivePlace, sums: ObjectiveSums): ObjectiveMeans {
  const sum = (name: (typeof objectiveSums)[number]): number => sums[objectiveSums.indexOf(name)]!;
  return {
    units: sum("units"),
    loss: sum("loss") / sum("units"),
    weighted: sum("weighted"),
    metrics: Object.fromEntries(metrics.map(({ name, sum: of, per }) => [name, sums[of]! / sums[per]!])),
  };
}

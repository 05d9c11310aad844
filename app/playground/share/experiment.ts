/**
 * What is tried on the page, beside the spec: the data, the seed, how many steps, and the sliders that were
 * moved while it trained. With the spec it decides every bit of the result, so it is what a link pins
 * (link.ts) and what is kept beside a run.
 */
import * as s from "../../../runtime/base/schema.ts";
import { trainRanges } from "../../../runtime/contract/limits.ts";

export interface Experiment {
  /** The row of the gallery that it began with. */
  readonly example: string;
  readonly data: Data;
  readonly seed: number;
  /** Updates to make. */
  readonly steps: number;
  /** By their steps. */
  readonly moves: readonly Move[];
  /** The published file whose weights it began with. No link can hold these. */
  readonly brought?: string;
}

/** What a model learns from: the data of a row of the gallery, or the visitor's own text. */
export type Data =
  | { readonly kind: "example"; readonly id: string }
  | { readonly kind: "own"; readonly name: string; readonly text: string };

/** A slider that was moved: after so many updates, the peak of the learning rate became another. */
export interface Move {
  readonly step: number;
  readonly setting: "lr";
  readonly to: number;
}

/** Names in addresses and folders: no path, nothing to interpret. */
export const idCheck = s.text(/^[a-z0-9][a-z0-9._-]{0,63}$/, "an id");

const MOST_MOVES = 2000;

const fileName = s.text(/^[^\0]{0,200}$/s);

const dataChecks = {
  example: s.object({ kind: s.oneOf("example"), id: idCheck }),
  own: s.object({ kind: s.oneOf("own"), name: fileName, text: s.text() }),
} satisfies Record<Data["kind"], s.Check>;

const data: s.Check = (value, field) =>
  s.isObject(value) && value["kind"] === "own"
    ? dataChecks.own(value, field)
    : dataChecks.example(value, field);

const move = s.object({
  step: s.within(trainRanges.steps),
  setting: s.oneOf("lr"),
  to: s.within(trainRanges.lr),
});

const moves: s.Check = (value, field) => {
  const wrong = s.list(move)(value, field);
  if (wrong !== undefined) return wrong;
  const made = value as readonly Move[];
  if (made.length > MOST_MOVES) return `${field} has ${made.length} entries, more than ${MOST_MOVES}`;
  const at = made.findIndex(({ step }, i) => i > 0 && step < made[i - 1]!.step);
  return at < 0 ? undefined : `${field}[${at}] comes before the one in front of it`;
};

export const experimentFields = {
  example: idCheck,
  data,
  seed: s.within(trainRanges.seed),
  steps: s.within(trainRanges.steps),
  moves,
  brought: s.optional(fileName),
} satisfies Record<keyof Experiment, s.Check>;

/** An experiment that was written as JSON; undefined: it is none. */
export function parseExperiment(json: string): Experiment | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  return s.object(experimentFields)(value, "") === undefined ? (value as Experiment) : undefined;
}

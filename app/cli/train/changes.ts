/**
 * Settings that are given when a run goes on (`--steps`, `--set NAME=VALUE`). Some may change from one part
 * of a run to the next; the others define the run. A change is printed and recorded (run-record.ts); a change
 * that is not possible is refused with the reason.
 */
import { isWithin, rangeText } from "../../../runtime/contract/limits.ts";
import type { TrainSettings } from "../../../runtime/contract/model.ts";
import { otherNames, sizeFields, trainFields } from "../../../compiler/2-check/settings.ts";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { SettingChange } from "../../../runtime/store/run-record.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";

type Name = keyof typeof trainFields;
export type Change = Omit<SettingChange, "step">;

/** THE table of settings: true where it may change, otherwise the reason why it may not. */
const changing: Readonly<Record<Name, true | string>> = {
  steps: true,
  lr: true,
  min_lr: true,
  warmup: true,
  schedule: true,
  eval_every: true,
  sample_every: true,
  save_every: true,
  batch: "it decides which tokens a step sees, and the code is made for it",
  context: "it decides which tokens a step sees, and the code is made for it",
  accumulate: "it decides which tokens a step sees",
  seed: "the weights and the order of the data were drawn from it",
  rows: "it decides which tokens a step sees",
  recompute: "the run's code is made for it",
  held_out: "what is held out would have been learnt from already",
  optimizer: "the optimizer's moments are kept as it keeps them",
  beta1: "the optimizer's moments were made with it",
  beta2: "the optimizer's moments were made with it",
  eps: "the run's code is made for it",
  decay: "the run's code is made for it",
  clip: "the run's code is made for it",
};
const SIZE_REASON = "the weights have it";

const mayChange = (Object.keys(changing) as Name[]).filter((name) => changing[name] === true);
const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const fieldOf = (name: Name): keyof TrainSettings => camel(name) as keyof TrainSettings;

/**
 * `asked`: the text of each setting from options and --set. `spec`: the settings of a spec on the command
 * line, which include them.
 */
export function changesAsked(
  { record, bundle }: Run,
  asked: Readonly<Record<string, string>>,
  spec: TrainSettings | undefined,
): readonly Change[] {
  const sizes = bundle.manifest.model.sizes as unknown as Readonly<Record<string, unknown>>;
  return Object.entries(asked).flatMap(([given, text]): readonly Change[] => {
    const name = given.replace(/^train\./, "");
    if (!Object.hasOwn(trainFields, name)) {
      const size = Object.hasOwn(sizeFields, name) ? sizes[camel(name)] : undefined;
      // begin.ts tells the user when the spec has become another model
      if (spec !== undefined || (size !== undefined && size === numberIn(text))) return [];
      throw size === undefined ? unknown(given, text) : fixed(name, text, size, SIZE_REASON);
    }
    const field = fieldOf(name as Name);
    const absent = trainFields[name as Name].shown!; // of words that a record has only where they differ
    const from = record.settings[field] ?? absent;
    const to = spec ? (spec[field] ?? absent) : valueOf(name as Name, text);
    if (from === to) return [];
    const why = changing[name as Name];
    if (why !== true) throw fixed(name, text, from, why);
    return [{ setting: field, from, to }];
  });
}

const fixed = (name: string, text: string, has: unknown, why: string): SinterError =>
  new SinterError(
    "input",
    `${name} is ${String(has)} in this run, and cannot become ${text}: ${why}`,
    `These may change: ${mayChange.join(", ")}. Or begin another run: --out DIR.`,
  );

function unknown(given: string, text: string): SinterError {
  const name = given.replace(/^\w+\./, "");
  const other = Object.hasOwn(otherNames, name) ? otherNames[name] : undefined;
  const near = other ?? nearest(name, mayChange);
  return new SinterError(
    "usage",
    `--set ${given}=${text}: a run that goes on has no setting ${given}`,
    `${near ? `Did you mean ${near}? ` : ""}These may change: ${mayChange.join(", ")}.`,
  );
}

const numberIn = (text: string): number =>
  /^[-+]?[\d_]*\.?[\d_]+(?:e[-+]?\d+)?$/i.test(text.trim()) ? Number(text.replaceAll("_", "")) : NaN;

function valueOf(name: Name, text: string): number | string {
  const field = trainFields[name];
  if (field.kind === "word") {
    const word = field.words.find((w) => w === text.trim());
    if (word === undefined)
      throw new SinterError("usage", `${name} is one of ${field.words.join(", ")}, not \`${text}\``);
    return word;
  }
  const value = numberIn(text);
  if (!isWithin(field, value))
    throw new SinterError("usage", `${name} takes ${rangeText(field)}, not \`${text}\``);
  return value;
}

/** "lr 0.003 → 0.001, steps 100 → 200". */
export const changesText = (changes: readonly Change[]): string =>
  changes.map(({ setting, from, to }) => `${snake(setting)} ${from} → ${to}`).join(", ");

const snake = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Where a spec on the command line differs from the run, among the settings that may change: "lr 0.001, not
 * 0.003".
 */
export const otherwise = (spec: TrainSettings, has: TrainSettings): readonly string[] =>
  mayChange
    .filter((name) => spec[fieldOf(name)] !== has[fieldOf(name)])
    .map((name) => `${name} ${spec[fieldOf(name)]}, not ${has[fieldOf(name)]}`);

/**
 * Which examples are held out, and which of them were learnt from. Examples with the same prompt go to the
 * same side, so that a question is never asked of a model that has learnt its answer; where two files are
 * given, what they share is found and said.
 */
import { counted } from "../../contract/amounts.ts";
import { SinterError } from "../../base/errors.ts";
import type { StageName } from "../../contract/model.ts";
import { askedIn, type Example } from "./example.ts";
import { listed } from "./read-examples.ts";

/** What an example asks, so far as two examples can be told apart by it; of a text, all of it. */
export function askedBy(example: Example): string {
  if (example.kind === "text") return example.text.trim();
  return askedIn(example.kind === "answer" ? example.messages.slice(0, example.learnt[0]) : example.prompt);
}

export interface Parts<E extends Example> {
  readonly train: readonly E[];
  readonly heldOut: readonly E[];
}

/**
 * Holds out `share` of the prompts, evenly spread over the file. Throws SinterError "input" where there are
 * too few.
 */
export function holdOut<E extends Example>(
  examples: readonly E[],
  share: number,
  stage: StageName = "sft",
): Parts<E> {
  const groups = new Map<string, number>(); // in the order in which the prompts first come
  const groupOf = (example: E): number => {
    const asked = askedBy(example);
    const group = groups.get(asked) ?? groups.size;
    groups.set(asked, group);
    return group;
  };
  const parts: { readonly train: E[]; readonly heldOut: E[] } = { train: [], heldOut: [] };
  for (const example of examples)
    (isHeldOut(groupOf(example), share) ? parts.heldOut : parts.train).push(example);
  if (parts.train.length > 0 && (share === 0 || parts.heldOut.length > 0)) return parts;
  throw new SinterError(
    "input",
    `there are ${counted(groups.size, "different prompt")}, too few to hold out ${share} of them`,
    `Use more rows, name others to evaluate on (--eval FILE), or hold out none: --set ${stage}.held_out=0`,
  );
}

/** Of the groups 0, 1, 2 … this holds out `share`, evenly spread. */
const isHeldOut = (group: number, share: number): boolean =>
  Math.floor((group + 1) * share) > Math.floor(group * share);

export interface Shared {
  /** Rows of the held-out file whose prompt stands in the training file too, and one row there for each. */
  readonly heldOut: readonly number[];
  readonly train: readonly number[];
}

/** The held-out examples whose prompt the training examples have too. */
export function sharedPrompts(train: readonly Example[], heldOut: readonly Example[]): Shared {
  const learnt = new Map(train.toReversed().map((example) => [askedBy(example), example.row]));
  const both = heldOut.flatMap((example) => {
    const row = learnt.get(askedBy(example));
    return row === undefined ? [] : [[example.row, row] as const];
  });
  return { heldOut: both.map(([row]) => row), train: both.map(([, row]) => row) };
}

/** A warning about them; undefined where there are none. `of`: how many are held out. */
export function sharedLine({ heldOut, train }: Shared, of: number): string | undefined {
  if (heldOut.length === 0) return undefined;
  return (
    `${heldOut.length} of ${counted(of, "held-out row")} ask what the training data asks too (rows ` +
    `${listed(heldOut)}; there rows ${listed(train)}): what is measured on them is memory`
  );
}

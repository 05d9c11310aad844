/**
 * Runs that give something of every row (contract/entries.ts): logits, by `score`, or what the output layer
 * would read, by `embed`. For someone who has the model to themselves (RunningModel.inTurn).
 */
import type { OutputName, RowEntryName } from "../contract/entries.ts";
import type { Entries } from "./entries.ts";
import type { TokenRun } from "./lanes.ts";
import { writeRun } from "./run-inputs.ts";

/** What each of them writes. */
const outputs = {
  score: "row_logits",
  embed: "hidden",
} as const satisfies Record<RowEntryName, OutputName>;

export interface RowEntry extends TokenRun {
  /** What a row of the last run has given: a view, which the next run overwrites. */
  row(r: number): Float32Array;
  /** `score`: the ids that are expected after the rows of the next run; after others, none is. */
  expect(ids: readonly number[]): void;
  /** `score`: ln p of the id that was expected after this row. */
  logprob(r: number): number;
}

/** Undefined: the module was not compiled for it. */
export function rowEntry(entries: Entries, name: RowEntryName): RowEntry | undefined {
  const entry = entries.find(name);
  if (!entry) return undefined;
  const { place, columns } = entries.tensor(outputs[name]);
  const values = entries.tensor(outputs[name]).padded() as Float32Array;
  return {
    chunk: entry.context,
    run: (spans) => entries.run(entry, writeRun(entries, spans)),
    row: (r) => values.subarray(r * place.rowFloats, r * place.rowFloats + columns),
    expect(ids) {
      const targets = entries.tensor("targets").padded();
      targets.fill(-1);
      targets.set(ids);
    },
    logprob: (r) => entries.tensor("logprobs").padded()[r]!,
  };
}

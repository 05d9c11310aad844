/**
 * What a run of a stage is evaluated on: what it has held out of its own data, or data that are named. Each
 * kind of evaluation reads it here.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { StageRecord } from "../../../runtime/store/run-record.ts";
import type { ExampleKind } from "../../../runtime/train/examples/example.ts";
import type { RunOptions } from "../options/run-options.ts";
import type { Io, Say } from "../terminal/io.ts";
import { readStageData, type DataReader, type ReadFile, type StageExamples } from "./example-data.ts";

export interface EvalDataAsked extends Omit<RunOptions, "cache"> {
  /** Undefined: what the run has held out of its own. */
  readonly data: string | undefined;
  readonly part: "all" | "train" | "held-out" | undefined;
  /** Most questions that are answered. */
  readonly answers: number;
  readonly json: boolean;
}

/** The data that are named, or the run's own, divided as the run did. */
export function readToEvaluate<K extends ExampleKind>(
  reader: DataReader<K>,
  { record }: Run,
  { heldOut, dropWrong }: StageRecord,
  { data }: EvalDataAsked,
  say: Say,
  io: Io,
): Promise<StageExamples<K>> {
  const files =
    data === undefined
      ? { data: record.data.path, eval: heldOut?.path, share: record.settings.heldOut }
      : { data, eval: undefined, share: 0 };
  return readStageData(reader, { ...files, dropWrong }, say, io);
}

/** What is held out follows from the file, so it has to be the file that the run began with. */
export function checkOwnData({ data }: { readonly data: ReadFile }, { record }: Run, what: string): void {
  if (data.sha256 === record.data.sha256) return;
  throw new SinterError(
    "input",
    "the data are not those that this run began with, so what it has held out is not known",
    `Name ${what} that it has not seen: --data FILE`,
  );
}

/**
 * The part that is asked for, and what it is called. Without a wish that is what is held out, where there is
 * such a part. Throws SinterError "usage" where it is wished for and there is none.
 */
export function chosenPart<T>(
  { train, heldOut }: { readonly train: T; readonly heldOut: T | undefined },
  { part, data }: EvalDataAsked,
  what: string,
): readonly [T, string] {
  if ((part ?? "held-out") === "held-out" && heldOut) return [heldOut, "held-out"];
  if (part === "held-out")
    throw new SinterError("usage", `nothing is held out of these ${what}`, "Leave --part out.");
  return [train, data === undefined ? "training" : "all"];
}

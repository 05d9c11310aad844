/** A run begins in its folder, or goes on there: what every verb that trains does, in one order. */
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { lockFolder } from "../../../runtime/node/lock.ts";
import { clearUnfinished } from "../../../runtime/store/checkpoint.ts";
import { removeRun } from "../../../runtime/store/remove-run.ts";
import { beginRun, holdsRun, type Run } from "../../../runtime/store/run-folder.ts";
import { refuseTaken } from "../../watch/watch.ts";
import { watchPortOf } from "../options/training-options.ts";
import type { Io } from "../terminal/io.ts";
import type { Prepared, Reopened } from "./begin.ts";
import { stagesBefore, writeEarlier } from "./earlier.ts";
import { openSource, takeWeights, type Source } from "./from.ts";
import { goOn, type GoOnOptions } from "./run.ts";

export interface StartOptions {
  readonly folder: string;
  /** The run whose weights it begins with. */
  readonly from: string | undefined;
  readonly force: boolean;
  readonly resume: boolean;
  readonly workers: number | undefined;
  readonly keep: number;
  readonly json: boolean;
  readonly watch: boolean;
  readonly watchPort: number | undefined;
  /** A target that was asked for counts from now on, and is recorded. */
  readonly target: Target | undefined;
  /** How one begins, for messages; undefined: enough was said to begin one. */
  readonly lacks: string | undefined;
}

export interface StartCalls {
  /** Writes nothing: a mistake leaves no folder behind. Undefined: there is nothing to train. */
  prepare(source: Source | undefined): Promise<Prepared | undefined>;
  reopen(): Promise<Reopened>;
}

const GO_ON = "Go on with it: --resume. Begin another beside it: --out DIR. Or in its place: --force.";

/** Returns the exit code. */
export async function startRun(o: StartOptions, calls: StartCalls, io: Io): Promise<number> {
  const files = nodeFiles();
  const { folder, from, force, resume, lacks } = o;
  if (force && from === folder)
    throw new SinterError(
      "usage",
      "--from and --out are one folder, and --force would remove it before it is read",
    );
  const port = watchPortOf(o);
  if (port) await refuseTaken(port); // before anything is written
  const held = await holdsRun(files, folder);
  const goesOn = held && !force;
  if (goesOn && !resume) throw new SinterError("input", `${folder} holds a run already`, GO_ON);
  if (!goesOn && lacks !== undefined)
    throw new SinterError("input", `${folder} holds no run to go on with`, lacks);
  const source = from === undefined ? undefined : await openSource(files, from, io);
  try {
    const begun = goesOn ? undefined : await calls.prepare(source);
    if (!goesOn && !begun) return exitCodes.ok;
    await files.makeFolder(folder);
    const unlock = lockFolder(folder);
    try {
      if (held && force) await removeRun(files, folder);
      if (begun) await begin(files, begun, source, force);
      const opened = begun ?? (await calls.reopen());
      return exitCodeOf(await goOn(atTarget(opened.run, o), opened.data, goOnOptions(o, opened), io));
    } finally {
      unlock();
    }
  } finally {
    await source?.checkpoint.close();
  }
}

const atTarget = (run: Run, { target }: StartOptions): Run =>
  target ? { ...run, record: { ...run.record, target } } : run;

const goOnOptions = (o: StartOptions, opened: Prepared | Reopened): GoOnOptions => ({
  workers: o.workers,
  keep: o.keep,
  json: o.json,
  watchPort: watchPortOf(o),
  changes: "changes" in opened ? opened.changes : [],
});

const exitCodeOf = (end: "done" | "interrupted"): number =>
  end === "interrupted" ? exitCodes.interrupted : exitCodes.ok;

async function begin(
  files: Files,
  { run, contents }: Prepared,
  source: Source | undefined,
  force: boolean,
): Promise<void> {
  if (await holdsRun(files, run.folder))
    throw new SinterError("input", `${run.folder} has got a run meanwhile`, GO_ON);
  await clearUnfinished(files, run.folder, force);
  if (source) await takeWeights(files, source, run);
  if (source) await writeEarlier(files, run.folder, await stagesBefore(files, source.run, run));
  await beginRun(files, run, contents);
}

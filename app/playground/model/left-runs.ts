/** What earlier visits have left among the page's files: runs to go on with. */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { listCheckpoints } from "../../../runtime/store/checkpoint.ts";
import { holdsRun, readRecord } from "../../../runtime/store/run-folder.ts";
import type { LeftRun } from "./model-calls.ts";
import { readExperiment } from "./run-contents.ts";

/** The folder of all runs. */
export const RUNS = "runs";

/** So many runs that nobody has open are kept: the newest. */
const KEPT_RUNS = 3;

/** Names sort by time. `now` in milliseconds. */
export const newFolder = (now: number, chance: number): string =>
  `${RUNS}/${String(Math.floor(now)).padStart(15, "0")}-${chance.toString(36).slice(2, 8)}`;

/** Runs that have a checkpoint and are open in no tab, newest first. */
export async function leftRuns(
  files: Files,
  isOpen: (folder: string) => Promise<boolean>,
): Promise<readonly LeftRun[]> {
  const left: LeftRun[] = [];
  for (const folder of await closedRuns(files, isOpen)) {
    const run = await readLeft(files, folder).catch((cause: unknown) => {
      if (!(cause instanceof SinterError)) throw cause;
      return undefined; // damaged: another visit removes it
    });
    if (run && run.step > 0) left.push(run);
  }
  return left;
}

/** Removes all but the newest of those that no tab has open. */
export async function tidyRuns(files: Files, isOpen: (folder: string) => Promise<boolean>): Promise<void> {
  for (const folder of (await closedRuns(files, isOpen)).slice(KEPT_RUNS)) await files.remove(folder);
}

async function closedRuns(files: Files, isOpen: (folder: string) => Promise<boolean>): Promise<string[]> {
  if (!(await files.exists(RUNS))) return [];
  const closed: string[] = [];
  for (const name of (await files.list(RUNS)).toReversed()) {
    const folder = `${RUNS}/${name}`;
    if (!(await isOpen(folder))) closed.push(folder);
  }
  return closed;
}

async function readLeft(files: Files, folder: string): Promise<LeftRun | undefined> {
  if (!(await holdsRun(files, folder))) return undefined;
  const { record } = await readRecord(files, folder);
  const [newest] = await listCheckpoints(files, folder);
  return {
    folder,
    model: record.model,
    step: newest?.step ?? 0,
    steps: record.settings.steps,
    experiment: await readExperiment(files, folder),
  };
}

/**
 * Reads what a report needs of a run: its record, its model's manifest and its log. Nothing else is opened,
 * so that a run with a damaged checkpoint or bundle still shows its curves, and one that is training is not
 * disturbed.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import type { Manifest } from "../../../runtime/contract/manifest.ts";
import { isLocked } from "../../../runtime/node/lock.ts";
import type { ReportStage } from "../../../runtime/report/chain.ts";
import type { ComparedRun, RunState } from "../../../runtime/report/compare/compared-run.ts";
import { logRows } from "../../../runtime/report/log-rows.ts";
import type { ReportFacts } from "../../../runtime/report/training-page.ts";
import { readManifest, readRecord } from "../../../runtime/store/run-folder.ts";
import { readWholeLog } from "../../../runtime/train/log.ts";
import { constantKl, readEarlier, stageFacts, type Facts } from "../train/earlier.ts";
import { runSettings } from "../runs/run-settings.ts";

export interface LoggedRun extends ComparedRun {
  readonly facts: ReportFacts;
  readonly earlier: readonly ReportStage[];
}

/** Throws `input` where there is no run or no log, and `corrupt` where the record is damaged. */
export async function readLoggedRun(files: Files, folder: string, name: string): Promise<LoggedRun> {
  const { record } = await readRecord(files, folder);
  const manifest = await readManifest(files, folder).catch(() => undefined);
  const log = await readWholeLog(files, folder);
  if (!log)
    throw new SinterError(
      "input",
      `${folder} has no log: ${record.imported ? "it is an imported model" : "nothing has been trained yet"}`,
      "Name the folder of a run that has been trained: sinter train SPEC --out DIR",
    );
  const { events, damaged } = log;
  const settings = runSettings(record, manifest);
  if (events.length === 0 && damaged > 0)
    throw new SinterError("corrupt", `${folder}/log.jsonl: none of its ${damaged} lines holds an event`);
  return {
    name,
    folder,
    facts: factsOf(record, manifest, settings),
    earlier: await readEarlier(files, folder),
    settings,
    events,
    rows: logRows(events),
    damaged,
    state: stateOf(folder, record, events.findLast((e) => e.kind === "step")?.step ?? 0),
  };
}

const factsOf = (
  record: Facts,
  manifest: Manifest | undefined,
  settings: ReadonlyMap<string, string>,
): ReportFacts => ({
  ...stageFacts({ record }),
  parameters: manifest?.parameters,
  target: record.target,
  kl: constantKl(record),
  settings,
});

function stateOf(folder: string, { settings }: Facts, step: number): RunState {
  if (isLocked(folder)) return "in progress";
  if (step === 0) return "began";
  return step >= settings.steps ? "done" : "stopped";
}

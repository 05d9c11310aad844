/** What `sinter report` makes of runs: pages, tables and event files, and a summary for programs. */
import { join } from "node:path";
import { SinterError } from "../../../runtime/base/errors.ts";
import { writeAtomically, type Files } from "../../../runtime/base/files.ts";
import { pageScript } from "../../../runtime/node/page-script.ts";
import { comparePage } from "../../../runtime/report/compare/compare-page.ts";
import { differingSettings } from "../../../runtime/report/compare/differences.ts";
import { commonStart } from "../../../runtime/report/compare/identical.ts";
import { summaryOf } from "../../../runtime/report/compare/summary.ts";
import { eventFile, eventFileName } from "../../../runtime/report/tensorboard.ts";
import { htmlReport } from "../../../runtime/report/training-page.ts";
import type { LoggedRun } from "./read-run.ts";

/** The report of one run, or the comparison of several. */
export function pageOf(runs: readonly LoggedRun[]): string {
  const [first] = runs;
  if (runs.length > 1) return comparePage(runs, pageScript("compare"));
  return htmlReport(first!.facts, first!.events, first!.earlier);
}

/** Writes DIR/RUN/events.out.tfevents.… for each run. Returns the paths. */
export async function writeEventFiles(
  files: Files,
  folder: string,
  runs: readonly LoggedRun[],
): Promise<string[]> {
  const written: string[] = [];
  for (const { name, rows, folder: from } of runs) {
    if (rows.length === 0)
      throw new SinterError("input", `${from} has no numbers yet`, "Ask again once it has made a step.");
    const into = join(folder, name);
    await files.makeFolder(into);
    await writeAtomically(files, into, eventFileName(rows), (file) => file.write(eventFile(rows)));
    written.push(join(into, eventFileName(rows)));
  }
  return written;
}

/** Numbers that are absent are null. `common` compares each run with the first. */
export function jsonOf(runs: readonly LoggedRun[]): object {
  const [first, ...others] = runs;
  return {
    runs: runs.map((run) => {
      const { name, folder, facts, state, damaged, settings } = run;
      const { stage, model, data, steps, parameters = null, target = null } = facts;
      const known = { name, folder, stage, model, data, parameters, target, state, steps };
      const measured = { ...noNumbers, ...defined(summaryOf(run)) };
      return { ...known, ...measured, damagedLines: damaged, settings: Object.fromEntries(settings) };
    }),
    differing: Object.fromEntries(
      differingSettings(runs).map(({ name, values }) => [name, values.map((value) => value ?? null)]),
    ),
    common: others.map((run) => {
      const { until = null, differs = null, missing } = commonStart(first!.rows, run.rows);
      return { runs: [first!.name, run.name], identicalUntil: until, differs, missingSteps: missing };
    }),
  };
}

const noNumbers = {
  tokensPerSecond: null,
  trainLoss: null,
  bestLoss: null,
  wholeLoss: null,
  headline: null,
};

const defined = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined));

/**
 * earlier.jsonl: the stages that have led to a run, reward models included, for its report. For each there is
 * a line of facts, and what its log says in fewer lines. It is for people: where it is damaged, the report
 * shows less.
 */
import { basename } from "node:path";
import { writeText, type Files } from "../../../runtime/base/files.ts";
import * as s from "../../../runtime/base/schema.ts";
import { briefed, type ReportStage, type StageFacts } from "../../../runtime/report/chain.ts";
import { openRun, type Run } from "../../../runtime/store/run-folder.ts";
import type { RunRecord } from "../../../runtime/store/run-record.ts";
import { EARLIER } from "../../../runtime/store/remove-run.ts";
import { logLine, parseLog, readLog } from "../../../runtime/train/log.ts";
import { judgesIn, recordedRewards } from "./rewards.ts";

const count = s.integer(0, Number.MAX_SAFE_INTEGER);
const isFacts = s.object({
  kind: s.oneOf("stage"),
  stage: s.text(),
  model: s.text(),
  data: s.text(),
  steps: count,
  fromStep: s.optional(count),
  role: s.optional(s.oneOf("judge")),
});

/** A record of any version. */
export type Facts = Omit<RunRecord, "id" | "files">;

/** What a nat of divergence costs in rl; undefined where it changes, or there is none. */
export function constantKl({ stage }: Facts): number | undefined {
  const { kl, target } = stage?.settings ?? {};
  return typeof kl === "number" && target === 0 ? kl : undefined;
}

/** What a run's record says of it. */
export const stageFacts = ({ record }: { readonly record: Facts }): StageFacts => ({
  stage: record.imported ? "import" : (record.stage?.stage ?? "train"),
  model: record.model,
  data: dataName(record),
  steps: record.settings.steps,
  ...(record.from && { fromStep: record.from.step }),
});

function dataName({ data, imported, stage }: Facts): string {
  if (imported) return basename(imported.from);
  if (data.path !== undefined) return data.path === "-" ? "standard input" : basename(data.path);
  return stage ? "built-in questions" : "built-in text";
}

const stageOf = async (files: Files, run: Run): Promise<ReportStage> => ({
  facts: stageFacts(run),
  events: briefed(await readLog(files, run.folder).catch(() => [])),
});

/** The stages before a run that begins with the source's weights, and the reward models that judge it. */
export async function stagesBefore(files: Files, source: Run, run: Run): Promise<readonly ReportStage[]> {
  const judges: ReportStage[] = [];
  for (const folder of judgesIn(recordedRewards(run.record.stage?.settings))) {
    const { facts, events } = await stageOf(files, await openRun(files, folder));
    judges.push({ facts: { ...facts, role: "judge" }, events });
  }
  return [...(await readEarlier(files, source.folder)), await stageOf(files, source), ...judges];
}

export const writeEarlier = (files: Files, folder: string, stages: readonly ReportStage[]): Promise<void> =>
  writeText(
    files,
    folder,
    EARLIER,
    stages
      .map(({ facts, events }) =>
        [`${JSON.stringify({ kind: "stage", ...facts })}\n`, ...events.map(logLine)].join(""),
      )
      .join(""),
  );

/** None, where a run has no stage before it. */
export async function readEarlier(files: Files, folder: string): Promise<readonly ReportStage[]> {
  const path = `${folder}/${EARLIER}`;
  if (!(await files.exists(path))) return [];
  const lines = new TextDecoder().decode(await files.read(path)).split("\n");
  const starts = lines.flatMap((line, i) => (factsIn(line) ? [i] : []));
  return starts.map((start, i) => ({
    facts: factsIn(lines[start]!)!,
    events: parseLog(lines.slice(start + 1, starts[i + 1]).join("\n")),
  }));
}

function factsIn(line: string): StageFacts | undefined {
  try {
    const read = JSON.parse(line) as StageFacts;
    return isFacts(read, "stage") === undefined ? read : undefined;
  } catch {
    return undefined;
  }
}

/** What differs between runs: their settings, and from which step on their numbers. */
import { counted, thousands } from "../../contract/amounts.ts";
import type { ComparedRun } from "./compared-run.ts";
import { commonStart } from "./identical.ts";

export interface DifferingSetting {
  readonly name: string;
  /** Of each run; undefined: it has no such setting. */
  readonly values: readonly (string | undefined)[];
}

/** Settings that are not the same in all runs, in the order in which they were first named. */
export function differingSettings(runs: readonly Pick<ComparedRun, "settings">[]): DifferingSetting[] {
  const names = [...new Set(runs.flatMap(({ settings }) => [...settings.keys()]))];
  return names
    .map((name) => ({ name, values: runs.map(({ settings }) => settings.get(name)) }))
    .filter(({ values }) => new Set(values).size > 1);
}

/** "a and b: identical until step 400, then lr". */
export function commonText(a: ComparedRun, b: ComparedRun): string {
  const { until, differs, missing } = commonStart(a.rows, b.rows);
  const who = `${a.name} and ${b.name}`;
  if (until === undefined) return `${who}: no step that both logs have`;
  const unseen = missing === 0 ? "" : ` (${thousands(missing)} of them are missing in a log)`;
  if (!differs) return `${who}: identical in all ${thousands(until)} steps that both have${unseen}`;
  const names = differs.names.join(", ");
  if (until === 0) return `${who}: different from step ${differs.step} on: ${names}`;
  return `${who}: identical until step ${thousands(until)}${unseen}, then ${names}`;
}

/** "a: 2 lines of its log are damaged and left out"; nothing, where none is. */
export const damageTexts = (runs: readonly ComparedRun[]): string[] =>
  runs.flatMap(({ name, damaged }) => {
    const are = damaged === 1 ? "is" : "are";
    return damaged === 0
      ? []
      : [`${name}: ${counted(damaged, "line")} of its log ${are} damaged and left out`];
  });

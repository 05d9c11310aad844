/**
 * Until which step two runs have made the same numbers. Runs that differ in one setting have the same bits
 * until it acts, and logs hold numbers to nine digits, which tell any two float32 apart.
 */
import { SPEED, type LogRow } from "../log-rows.ts";

export interface Common {
  /** The last step to which all that both logs hold is the same; undefined: they have no step in common. */
  readonly until: number | undefined;
  /** The first step that differs, and the names of the numbers that do; undefined: there is none. */
  readonly differs: { readonly step: number; readonly names: readonly string[] } | undefined;
  /** Steps up to `until` that one of the logs lacks: nothing is known of them. */
  readonly missing: number;
}

export function commonStart(a: readonly LogRow[], b: readonly LogRow[]): Common {
  const [stepsOfA, stepsOfB] = [a, b].map((rows) => new Map(trained(rows).map((row) => [row.step, row])));
  const both = [...stepsOfA!.keys()].filter((step) => stepsOfB!.has(step));
  let until: number | undefined = both.length === 0 ? undefined : 0;
  for (const step of both) {
    const names = different(stepsOfA!.get(step)!, stepsOfB!.get(step)!);
    if (names.length > 0) return { until, differs: { step, names }, missing: missingTo(until ?? 0, both) };
    until = step;
  }
  return { until, differs: undefined, missing: missingTo(until ?? 0, both) };
}

/** Steps alone: how often a run was evaluated changes nothing in it. */
const trained = (rows: readonly LogRow[]): LogRow[] => rows.filter(({ figures }) => figures.has("lr"));

const missingTo = (until: number, both: readonly number[]): number =>
  until - both.filter((step) => step <= until).length;

/** Numbers that both rows have and that are not equal; how fast a step was is none of them. */
const different = (a: LogRow, b: LogRow): string[] =>
  [...a.figures].flatMap(([name, value]) => {
    const other = b.figures.get(name);
    return name === SPEED || other === undefined || other === value ? [] : [name];
  });

/**
 * The numbers of runs as CSV (RFC 4180), by the rules of programs that import such files: a header, a column
 * `step`, `timestamp` where the log has one, and else columns of numbers alone, in which a cell may be empty.
 */
import { figureNames, type LogRow } from "./log-rows.ts";

export interface NamedRows {
  readonly name: string;
  readonly rows: readonly LogRow[];
}

/** Of several runs the first column, `run`, tells which. */
export function csvOf(runs: readonly NamedRows[]): string {
  const all = runs.flatMap(({ rows }) => rows);
  const names = figureNames(all);
  const isTimed = all.some(({ time }) => time !== undefined);
  const head = [...(runs.length > 1 ? ["run"] : []), "step", ...(isTimed ? ["timestamp"] : []), ...names];
  const lines = runs.flatMap(({ name, rows }) =>
    rows.map(({ step, time, figures }) => [
      ...(runs.length > 1 ? [name] : []),
      `${step}`,
      ...(isTimed ? [time ?? ""] : []),
      ...names.map((figure) => `${figures.get(figure) ?? ""}`),
    ]),
  );
  return [head, ...lines].map((cells) => `${cells.map(quoted).join(",")}\n`).join("");
}

const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

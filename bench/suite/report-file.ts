/** A bench's report as JSON: written so that people can look through it, and read back with a look at it. */
import { isObject } from "../../runtime/base/schema.ts";
import { SinterError } from "../../runtime/base/errors.ts";
import type { BenchReport } from "./bench.ts";

/** Of the JSON that is written. Reports of before had no number, and no samples. */
export const REPORT_VERSION = 2;

/** Samples stand on one line, with as many digits as a clock is worth. */
export function reportText(report: object): string {
  const short = (key: string, value: unknown): unknown =>
    key === "samples" || key === "processes" ? rounded(value) : value;
  const lists = /\[[\s\d.,e+-]*\]/g;
  return JSON.stringify(report, short, 1).replaceAll(lists, (list) => list.replaceAll(/\s+/g, ""));
}

const DIGITS = 5;
const rounded = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(rounded) : Number((value as number).toPrecision(DIGITS));

/** `name` is the file's, for messages. Throws a SinterError where it is no report of this version. */
export function readReport(text: string, name: string): BenchReport {
  const report = parsed(text);
  if (!isObject(report) || !isObject(report["host"]) || !("ops" in report))
    throw new SinterError("input", `${name} is no report of \`sinter bench --json\``);
  if (report["version"] !== REPORT_VERSION)
    throw new SinterError(
      "input",
      `${name} is a report of version ${String(report["version"] ?? 1)}; this release reads version ` +
        `${REPORT_VERSION}`,
      "measure again with this release: `sinter bench --json`",
    );
  for (const list of ["ops", "training", "inference"]) {
    const rows = report[list];
    if (!Array.isArray(rows) || !rows.every(isRow))
      throw new SinterError("input", `${name}: ${list} are not rows as \`sinter bench --json\` writes them`);
  }
  return report as unknown as BenchReport;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isSamples = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((ms) => typeof ms === "number" && ms > 0);
const isRow = (row: unknown): boolean =>
  isObject(row) &&
  typeof row["target"] === "string" &&
  typeof row["workers"] === "number" &&
  isSamples(row["samples"]) &&
  (row["processes"] === undefined ||
    (Array.isArray(row["processes"]) && row["processes"].length > 0 && row["processes"].every(isSamples)));

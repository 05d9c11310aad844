/**
 * `sinter bench --compare`: row by row, how much faster a report is than an earlier one, and how sure that
 * is.
 */
import {
  CONFIDENCE,
  DRAWS,
  medianOfMedians,
  ratioInterval,
  type Processes,
  type RatioInterval,
} from "../measure/bootstrap.ts";
import { counted, percent, timeText } from "../../runtime/contract/amounts.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { BenchReport } from "./bench.ts";
import { columns } from "./bench-table.ts";
import { inferTitle, trainTitle } from "./section-models.ts";

export type Verdict = "faster" | "slower" | "no difference shown";

/** Above 1, the later report is faster. */
export interface ComparedRow extends RatioInterval {
  readonly name: string;
  readonly target: Target;
  readonly workers: number;
  /** Milliseconds. */
  readonly before: number;
  readonly after: number;
  /** How many processes were measured. */
  readonly processes: readonly [before: number, after: number];
  readonly verdict: Verdict;
}

export interface Comparison {
  readonly rows: readonly ComparedRow[];
  /** Rows that one report has alone: "train S, wide, 2 workers". */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  /** What of the machines differs: "Node 24.1.0, then 24.2.0". */
  readonly differs: readonly string[];
}

interface Row {
  readonly name: string;
  readonly target: Target;
  readonly workers: number;
  readonly processes: Processes;
}

/** All rows of a report, with the names that a filter chooses from. */
export function rowsOf({ ops, training, inference }: BenchReport): Row[] {
  const named = (name: string, row: Omit<Row, "name" | "processes"> & OfProcesses): Row => ({
    name,
    target: row.target,
    workers: row.workers,
    processes: row.processes ?? [row.samples],
  });
  return [
    ...ops.map((row) => named(`${row.op} ${row.sizes}`, row)),
    ...training.map((row) => named(trainTitle(row.size), row)),
    ...inference.map((row) => named(inferTitle(row.phase, row.size), row)),
  ];
}
interface OfProcesses {
  readonly samples: readonly number[];
  readonly processes?: Processes;
}

export function compareReports(before: BenchReport, after: BenchReport): Comparison {
  const keyOf = ({ name, target, workers }: Row): string =>
    `${name}, ${target}, ${counted(workers, "worker")}`;
  const byKey = (report: BenchReport) => new Map(rowsOf(report).map((row) => [keyOf(row), row]));
  const [earlier, later] = [byKey(before), byKey(after)];
  const both = [...earlier.keys()].filter((key) => later.has(key));
  return {
    rows: both.map((key) => compared(earlier.get(key)!, later.get(key)!)),
    onlyBefore: [...earlier.keys()].filter((key) => !later.has(key)),
    onlyAfter: [...later.keys()].filter((key) => !earlier.has(key)),
    differs: differences(before.host, after.host),
  };
}

function compared(before: Row, after: Row): ComparedRow {
  const found = ratioInterval(before.processes, after.processes);
  return {
    name: after.name,
    target: after.target,
    workers: after.workers,
    before: medianOfMedians(before.processes),
    after: medianOfMedians(after.processes),
    processes: [before.processes.length, after.processes.length],
    ...found,
    verdict: found.low > 1 ? "faster" : found.high < 1 ? "slower" : "no difference shown",
  };
}

const facts = { cpu: "processor", cores: "cores", node: "Node", v8: "V8" } as const;
const differences = (before: BenchReport["host"], after: BenchReport["host"]): string[] =>
  (Object.keys(facts) as (keyof typeof facts)[])
    .filter((fact) => before[fact] !== after[fact])
    .map((fact) => `${facts[fact]} ${before[fact]}, then ${after[fact]}`);

const line = columns([9, -10, -10, -10, 7, 17, 22]);
/** A difference between two processes may be theirs, and not the code's. */
const verdictText = ({ verdict, processes }: ComparedRow): string =>
  verdict !== "no difference shown" && Math.min(...processes) === 1 ? `${verdict} in one process` : verdict;

/** The table, 100 columns wide, and what its figures mean. */
export function comparisonLines({ rows, onlyBefore, onlyAfter, differs }: Comparison): string[] {
  const interval = `${percent(CONFIDENCE)} interval`;
  return [
    ...differs.map((what) => `note      other than before, so ratios are not of Sinter alone: ${what}`),
    ...(rows.length > 0 ? [line("", "workers", "before", "after", "ratio", interval, "")] : []),
    ...rows.flatMap((row, i) => [
      ...(row.name === rows[i - 1]?.name ? [] : [row.name]),
      line(
        `  ${row.target}`,
        `${row.workers}`,
        timeText(row.before),
        timeText(row.after),
        `× ${row.ratio.toFixed(2)}`,
        `${row.low.toFixed(3)} … ${row.high.toFixed(3)}`,
        verdictText(row),
      ),
    ]),
    ...onlyBefore.map((key) => `only before: ${key}`),
    ...onlyAfter.map((key) => `only now: ${key}`),
    "",
    "ratio: median time before ÷ median time now; above 1 is faster.",
    `interval: bootstrap of medians, ${DRAWS} draws of the samples; it takes samples for independent.`,
    ...processLines(rows),
  ];
}

/** Fewer processes than this say little of how processes differ. */
const ENOUGH_PROCESSES = 5;
const processLines = (rows: readonly ComparedRow[]): string[] =>
  rows.every(({ processes }) => Math.min(...processes) >= ENOUGH_PROCESSES)
    ? []
    : [
        "Processes differ more than the samples within one: whole processes were seen to be 20 % slower than",
        "others of the same code. Where few were measured, an interval does not contain that; of training",
        `rows, --processes ${ENOUGH_PROCESSES} measures more.`,
      ];

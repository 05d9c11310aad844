/**
 * `sinter bench`: how fast this machine is, how near the kernels come, and, in a checkout, where other
 * libraries stand.
 */
import {
  benchDefaults,
  benchNames,
  chosenNames,
  runBench,
  wantedBy,
  type BenchOptions,
  type BenchReport,
} from "../../../bench/suite/bench.ts";
import { benchPage } from "../../../bench/report/bench-page.ts";
import { comparisonLines, compareReports, rowsOf, type Comparison } from "../../../bench/suite/compare.ts";
import { readReport, reportText } from "../../../bench/suite/report-file.ts";
import { peers } from "../../../bench/suite/peers.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import { counted } from "../../../runtime/contract/amounts.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { openOutput } from "../terminal/files.ts";
import { readText } from "../terminal/input.ts";
import { ownProgram } from "../terminal/own-program.ts";
import { LiveLine } from "../terminal/live-line.ts";
import { benchOptions, QUICK_SECONDS } from "../options/bench-options.ts";
import type { Options } from "../options/option.ts";
import { untilInterrupted } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

export const benchVerb = defineVerb({
  name: "bench",
  summary: "measure operations, training steps, prefill and decode",
  arguments: [],
  options: benchOptions,
  notes: [
    "Every kernel is compared with its reference first. Figures are medians; other programs slow them down.",
    "Limit: what multiply-adds, dot products of integers, or reading as many bytes from the cache that holds",
    "them or from memory allow, measured before and after each row.",
    "How long it takes is said at the beginning; Ctrl-C keeps what was measured until then.",
  ],
  examples: [
    "sinter bench --filter matmul --quick",
    "sinter bench --filter matmul --target wide",
    'sinter bench --filter "train S" --workers 1,2 --processes 5 --json > before.json',
    "sinter bench --compare before.json --processes 5 --fail-below 0.95",
    "sinter bench --filter matmul,train,prefill,decode --target wide --report bench.html",
  ],
  async run(_args, asked, io) {
    const earlier = earlierFrom(asked, io);
    if (asked.with !== undefined)
      return said({ comparison: compareReports(earlier!, reportFrom(asked.with, io)) }, asked, io);
    const chosen = await chosenBy(asked, earlier);
    const names = benchNames(chosen.all);
    for (const filter of chosen.filters) refuseUnknown(filter, names);
    if (asked.list) {
      // heavy ones too: they can be asked for
      const listed = chosen.filters.length === 0 && !chosen.quick ? names : chosenNames(chosen);
      io.out(`${listed.join("\n")}\n`);
      return exitCodes.ok;
    }
    // what is wrong with the page's path is said now, not in the end
    const page = asked.report === undefined ? undefined : openOutput(asked.report, io.cwd, { force: true });
    try {
      const report = await measure(chosen, asked.json, io);
      const comparison = earlier && compareReports(earlier, report);
      page?.write(benchPage(report));
      page?.done();
      const code = said({ ...report, ...(comparison && { comparison }) }, asked, io);
      if (report.interrupted) io.err("interrupted: figures are of what was measured until then\n");
      return report.interrupted ? exitCodes.interrupted : code;
    } catch (error) {
      page?.abandon();
      throw error;
    }
  },
});

const MOST_REPORT = 256 << 20;

type Asked = Options<typeof benchOptions>;

const reportFrom = (path: string, io: Io): BenchReport => readReport(readText(path, io, MOST_REPORT), path);

/** The report that is compared with. What does not go together is refused before anything is measured. */
function earlierFrom({ compare, with: later, failBelow }: Asked, io: Io): BenchReport | undefined {
  const alone = later !== undefined ? "--with" : failBelow !== undefined ? "--fail-below" : undefined;
  if (compare !== undefined) return reportFrom(compare, io);
  if (alone) throw new SinterError("usage", `${alone} goes with --compare FILE`);
  return undefined;
}

/** Prints the comparison, or all as JSON; its exit code. */
function said(report: { readonly comparison?: Comparison }, { json, failBelow }: Asked, io: Io): number {
  const { comparison } = report;
  if (json) io.out(`${reportText(report)}\n`);
  else if (comparison) io.out(`\n${comparisonLines(comparison).join("\n")}\n`);
  if (!comparison || failBelow === undefined) return exitCodes.ok;
  if (comparison.differs.length > 0)
    throw new SinterError(
      "input",
      `--fail-below compares one machine with itself; what differs is ${comparison.differs.join("; ")}`,
    );
  const slower = comparison.rows.filter(({ high }) => high < failBelow);
  for (const { name, target, workers, high } of slower)
    io.err(
      `slower: ${name}, ${target}, ${counted(workers, "worker")}: at most ${high.toFixed(3)} of before\n`,
    );
  return slower.length > 0 ? exitCodes.input : exitCodes.ok;
}

/** Runs the bench, prints its table as it comes, and on a terminal shows what is measured now. */
async function measure(chosen: BenchOptions, quiet: boolean, io: Io): Promise<BenchReport> {
  const interrupted = untilInterrupted();
  const live = new LiveLine(io, (line) => io.err(line));
  const print = (line: string): void => {
    live.clear();
    if (!quiet) io.out(`${line}\n`);
  };
  const { signal } = interrupted;
  const again: NonNullable<BenchOptions["again"]> = async ({ name, target, workers }) => {
    const words = ["--filter", name, "--target", target, "--workers", `${workers}`, "--no-peer", "--json"];
    const seconds = ["--seconds", `${chosen.ms / 1000}`];
    const text = await ownProgram(["bench", ...words, ...seconds], signal);
    return readReport(text, "a further process").training[0]!.samples;
  };
  try {
    return await runBench({ ...chosen, again }, print, signal, (title) => live.show(() => title));
  } finally {
    live.end();
    interrupted.done();
  }
}

function refuseUnknown(filter: string, names: readonly string[]): void {
  if (names.some((name) => wantedBy([filter], name))) return;
  const near = nearest(filter, [...new Set(names.map((name) => name.split(" ")[0]!))]);
  throw new SinterError(
    "usage",
    `nothing is called \`${filter}\``,
    near ? `did you mean ${near}?` : "`sinter bench --list` prints the names",
  );
}

/**
 * With --quick: the best target alone, no peers, and less time. What is not said is as it was earlier, where
 * there is an earlier report.
 */
async function chosenBy(asked: Asked, earlier: BenchReport | undefined): Promise<BenchOptions> {
  const { quick, all, profile, processes } = asked;
  const before = earlier && rowsOf(earlier);
  const usualTargets = quick
    ? [await bestTarget(nodeHost)]
    : targets.filter((target) => !before || before.some((row) => row.target === target));
  const usualWorkers = before
    ? [...new Set(before.map((row) => row.workers))].sort((a, b) => a - b)
    : benchDefaults.workers;
  const usualPeers = quick ? [] : peers;
  const usualMs = quick ? 1000 * QUICK_SECONDS : benchDefaults.ms;
  const names = (asked.filter ?? "").replaceAll(/(?<=\d)x/g, "×").split(","); // 256x768 is easier to type
  const given = names.filter((name) => name !== "");
  return {
    filters: before && asked.filter === undefined ? before.map(({ name }) => name) : given,
    targets: asked.target ? [asked.target] : usualTargets,
    workers: asked.workers ?? usualWorkers,
    processes,
    peers: asked.noPeer ? [] : (asked.peers ?? usualPeers),
    all,
    profile,
    quick,
    ms: asked.seconds === undefined ? usualMs : 1000 * asked.seconds,
  };
}

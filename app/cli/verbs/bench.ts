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
import { peers, type Peer } from "../../../bench/suite/peers.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import { MAX_WORKERS } from "../../../runtime/contract/control.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { openOutput } from "../terminal/files.ts";
import { LiveLine } from "../terminal/live-line.ts";
import { flag, named, negation, read, text, withDefault, type Options } from "../options/option.ts";
import { untilInterrupted } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

const QUICK_SECONDS = 0.05;
const MOST_SECONDS = 600;

const options = {
  filter: text(
    "<text>",
    'only what has this in its name, several with commas: "matmul", "256×768", "train S,decode"; ' +
      "gpt2 and mixture only when asked for",
  ),
  target: read(text("<target>", `${targets.join(", ")}; default: all three`), (given) =>
    named("target", targets, given, { list: "use " }),
  ),
  workers: withDefault(
    benchDefaults.workers.join(","),
    read(text("<counts>", "numbers of workers and of the peers' threads, with commas"), countsFrom),
  ),
  seconds: read(
    text(
      "<seconds>",
      `per operation (default: ${benchDefaults.ms / 1000}); ` +
        "training steps, prompts and decoding get ten times that",
    ),
    secondsFrom,
  ),
  profile: flag("where the time of each step, prompt and token goes, kernel by kernel"),
  all: flag("small cases of operations too"),
  quick: flag(
    "a first impression within a minute: one case of each operation, the best target, " +
      `${QUICK_SECONDS} s each, no peers`,
  ),
  peers: read(
    text(
      "<names>",
      `beside it, with commas: ${peers.map((p) => p.short).join(", ")} (default: those that are installed)`,
    ),
    (given) => given.split(",").map(peerFrom),
  ),
  noPeer: negation("peer", "nothing beside it"),
  list: flag("print the names, measure nothing"),
  json: flag("machine-readable"),
  report: text("<file>", "also a page with charts: roofline, speed over size, scaling, tokens per second"),
};

export const benchVerb = defineVerb({
  name: "bench",
  summary: "measure operations, training steps, prefill and decode",
  arguments: [],
  options,
  notes: [
    "Every kernel is compared with its reference first. Figures are medians; other programs slow them down.",
    "How long it takes is said at the beginning; Ctrl-C keeps what was measured until then.",
  ],
  examples: [
    "sinter bench --filter matmul --quick",
    "sinter bench --filter matmul --target wide",
    'sinter bench --filter "train S" --workers 1,2 --json',
    "sinter bench --filter matmul,train,prefill,decode --target wide --report bench.html",
  ],
  async run(_args, asked, io) {
    const chosen = await chosenBy(asked);
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
      if (asked.json) io.out(`${JSON.stringify(report, null, 1)}\n`);
      page?.write(benchPage(report));
      page?.done();
      if (report.interrupted) io.err("interrupted: figures are of what was measured until then\n");
      return report.interrupted ? exitCodes.interrupted : exitCodes.ok;
    } catch (error) {
      page?.abandon();
      throw error;
    }
  },
});

/** Runs the bench, prints its table as it comes, and on a terminal shows what is measured now. */
async function measure(chosen: BenchOptions, quiet: boolean, io: Io): Promise<BenchReport> {
  const interrupted = untilInterrupted();
  const live = new LiveLine(io, (line) => io.err(line));
  const print = (line: string): void => {
    live.clear();
    if (!quiet) io.out(`${line}\n`);
  };
  try {
    return await runBench(chosen, print, interrupted.signal, (title) => live.show(() => title));
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

/** With --quick: the best target alone, no peers, and less time. */
async function chosenBy(asked: Options<typeof options>): Promise<BenchOptions> {
  const { quick, all, profile, workers } = asked;
  const usualTargets = quick ? [await bestTarget(nodeHost)] : targets;
  const usualPeers = quick ? [] : peers;
  const usualMs = quick ? 1000 * QUICK_SECONDS : benchDefaults.ms;
  const names = (asked.filter ?? "").replaceAll(/(?<=\d)x/g, "×").split(","); // 256x768 is easier to type
  return {
    filters: names.filter((name) => name !== ""),
    targets: asked.target ? [asked.target] : usualTargets,
    workers,
    peers: asked.noPeer ? [] : (asked.peers ?? usualPeers),
    all,
    profile,
    quick,
    ms: asked.seconds === undefined ? usualMs : 1000 * asked.seconds,
  };
}

function peerFrom(given: string): Peer {
  const name = given.trim();
  const peer = peers.find((p) => p.short.toLowerCase() === name.toLowerCase() || p.name === name);
  if (peer) return peer;
  throw new SinterError(
    "usage",
    `there is no peer \`${given}\``,
    `peers: ${peers.map((p) => p.short).join(", ")}`,
  );
}

function countsFrom(given: string, name: string): number[] {
  return given.split(",").map((text) => {
    const count = Number(text);
    if (Number.isInteger(count) && count >= 1 && count <= MAX_WORKERS) return count;
    throw new SinterError(
      "usage",
      `${name} takes whole numbers from 1 to ${MAX_WORKERS}, not \`${text}\``,
      `for example ${name} 1,2`,
    );
  });
}

function secondsFrom(given: string, name: string): number {
  const seconds = Number(given);
  if (seconds > 0 && seconds <= MOST_SECONDS) return seconds;
  throw new SinterError("usage", `${name} takes a number above 0, at most ${MOST_SECONDS}, not \`${given}\``);
}

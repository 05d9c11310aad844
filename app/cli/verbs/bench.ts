/**
 * `sinter bench`: how fast this machine is, how near the kernels come, and where other libraries stand. Works
 * in a checkout.
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
import { benchPage } from "../../../bench/report/report.ts";
import { peers, type Peer } from "../../../bench/suite/peers.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { openOutput } from "../terminal/files.ts";
import { LiveLine } from "../terminal/live-line.ts";
import { textOption } from "../options/run-options.ts";
import { untilInterrupted } from "../runs/use-run.ts";
import type { Verb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

const QUICK_SECONDS = 0.05;

export const benchVerb: Verb = {
  name: "bench",
  summary: "measure operations, training steps, prefill and decode",
  configure(command) {
    command
      .option(
        "--filter <text>",
        'only what has this in its name, several with commas: "matmul", "256×768", "train S,decode"; ' +
          "gpt2 and mixture only when asked for",
      )
      .option("--target <target>", `${targets.join(", ")}; default: all three`)
      .option(
        "--workers <counts>",
        "numbers of workers and of the peers' threads, with commas",
        benchDefaults.workers.join(","),
      )
      .option(
        "--seconds <seconds>",
        `per operation (default: ${benchDefaults.ms / 1000}); training steps, prompts and decoding get ` +
          "ten times that",
      )
      .option("--profile", "where the time of each step, prompt and token goes, kernel by kernel")
      .option("--all", "small cases of operations too")
      .option(
        "--quick",
        "a first impression within a minute: one case of each operation, the best target, " +
          `${QUICK_SECONDS} s each, no peers`,
      )
      .option(
        "--peers <names>",
        `beside it, with commas: ${peers.map((p) => p.short).join(", ")} (default: those that are installed)`,
      )
      .option("--no-peer", "nothing beside it")
      .option("--list", "print the names, measure nothing")
      .option("--json", "machine-readable")
      .option(
        "--report <file>",
        "also a page with charts: roofline, speed over size, scaling, tokens per second",
      )
      .addHelpText(
        "after",
        `
Every kernel is compared with its reference first. Figures are medians; other programs slow them down. How long it takes is said at the
beginning; Ctrl-C keeps what was measured until then.

examples:
  sinter bench --filter matmul --quick
  sinter bench --filter matmul --target wide
  sinter bench --filter "train S" --workers 1,2 --json
  sinter bench --filter matmul,train,prefill,decode --target wide --report bench.html`,
      );
  },
  async run(_args, options, io) {
    const chosen = await optionsOf(options);
    const names = benchNames(chosen.all);
    for (const filter of chosen.filters) refuseUnknown(filter, names);
    if (options["list"]) {
      // heavy ones too: they can be asked for
      const listed = chosen.filters.length === 0 && !chosen.quick ? names : chosenNames(chosen);
      io.out(`${listed.join("\n")}\n`);
      return exitCodes.ok;
    }
    const path = textOption(options, "report");
    // what is wrong with it is said now, not in the end
    const page = path === undefined ? undefined : openOutput(path, io.cwd, { force: true });
    try {
      const report = await measure(chosen, options["json"] === true, io);
      if (options["json"]) io.out(`${JSON.stringify(report, null, 1)}\n`);
      page?.write(benchPage(report));
      page?.done();
      if (report.interrupted) io.err("interrupted: figures are of what was measured until then\n");
      return report.interrupted ? exitCodes.interrupted : exitCodes.ok;
    } catch (error) {
      page?.abandon();
      throw error;
    }
  },
};

/** The table as it comes, and on a terminal what is worked on. */
async function measure(chosen: BenchOptions, quiet: boolean, io: Io): Promise<BenchReport> {
  const interrupted = untilInterrupted();
  const live = new LiveLine(io, (text) => io.err(text));
  const print = (line: string): void => {
    live.clear();
    if (!quiet) io.out(`${line}\n`);
  };
  try {
    return await runBench(chosen, print, interrupted.signal, (text) => live.show(() => text));
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

async function optionsOf(options: Readonly<Record<string, unknown>>): Promise<BenchOptions> {
  const text = (key: string): string => `${options[key] ?? ""}`;
  const quick = options["quick"] === true;
  const everyone = quick ? [] : peers;
  const usual = quick ? [await bestTarget(nodeHost)] : targets;
  return {
    filters: text("filter")
      .replaceAll(/(?<=\d)x/g, "×")
      .split(",")
      .filter((f) => f !== ""), // 256x768 is easier to type
    targets: options["target"] === undefined ? usual : [targetOf(text("target"))],
    workers: text("workers")
      .split(",")
      .map((n) => count(n, "--workers", 8)),
    peers:
      options["peer"] === false
        ? []
        : options["peers"] === undefined
          ? everyone
          : text("peers").split(",").map(peerOf),
    all: options["all"] === true,
    profile: options["profile"] === true,
    quick,
    ms:
      1000 *
      (options["seconds"] === undefined
        ? quick
          ? QUICK_SECONDS
          : benchDefaults.ms / 1000
        : seconds(text("seconds"))),
  };
}

function peerOf(given: string): Peer {
  const peer = peers.find(
    (p) => p.short.toLowerCase() === given.trim().toLowerCase() || p.name === given.trim(),
  );
  if (!peer)
    throw new SinterError(
      "usage",
      `there is no peer \`${given}\``,
      `peers: ${peers.map((p) => p.short).join(", ")}`,
    );
  return peer;
}

function targetOf(given: string): Target {
  const target = targets.find((t) => t === given);
  if (!target) throw new SinterError("usage", `there is no target \`${given}\``, `use ${targets.join(", ")}`);
  return target;
}

function count(given: string, option: string, most: number): number {
  const n = Number(given);
  if (!Number.isInteger(n) || n < 1 || n > most)
    throw new SinterError(
      "usage",
      `${option} takes whole numbers from 1 to ${most}, not \`${given}\``,
      `for example ${option} 1,2`,
    );
  return n;
}

function seconds(given: string): number {
  const n = Number(given);
  if (!(n > 0 && n <= 600))
    throw new SinterError("usage", `--seconds takes a number above 0, at most 600, not \`${given}\``);
  return n;
}

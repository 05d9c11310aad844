/** `sinter bench`: how fast this machine is, how near the kernels come, and where PyTorch stands. Works in a checkout. */
import { benchDefaults, benchNames, runBench, type BenchOptions } from "../../../bench/bench.ts";
import { exitCodes, SinterError } from "../../../runtime/errors.ts";
import { nearest } from "../../diagnostics/nearest.ts";
import { targets, type Target } from "../../op.ts";
import type { Verb } from "../verb.ts";

export const benchVerb: Verb = {
  name: "bench",
  summary: "measure operations and training steps",
  configure(command) {
    command
      .option("--filter <text>", 'only what has this in its name: "matmul", "256×768", "train S"; "train gpt2" only when asked for', "")
      .option("--target <target>", `${targets.join(", ")}; default: all three`)
      .option("--workers <counts>", "of training steps: 1,2", benchDefaults.workers.join(","))
      .option("--seconds <seconds>", "per operation; a training step gets ten times that", `${benchDefaults.ms / 1000}`)
      .option("--all", "small cases of operations too")
      .option("--no-peer", "without PyTorch, also where it is installed")
      .option("--list", "print the names, measure nothing")
      .option("--json", "machine-readable")
      .addHelpText("after", "\nEvery kernel is compared with its reference first. Figures are medians; other programs slow them down.\n\nexamples:\n  sinter bench --filter matmul --target wide\n  sinter bench --filter \"train S\" --workers 1,2 --json");
  },
  async run(_args, options, io) {
    const chosen = optionsOf(options), names = benchNames(chosen.all);
    if (!names.some((name) => name.includes(chosen.filter))) {
      const near = nearest(chosen.filter, [...new Set(names.map((name) => name.split(" ")[0]!))]);
      throw new SinterError("usage", `nothing is called \`${chosen.filter}\``, near ? `did you mean ${near}?` : "`sinter bench --list` prints the names");
    }
    if (options["list"]) io.out(`${names.filter((name) => name.includes(chosen.filter)).join("\n")}\n`);
    else if (options["json"]) io.out(`${JSON.stringify(await runBench(chosen, () => undefined), null, 1)}\n`);
    else await runBench(chosen, (line) => io.out(`${line}\n`));
    return exitCodes.ok;
  },
};

function optionsOf(options: Readonly<Record<string, unknown>>): BenchOptions {
  const text = (key: string): string => `${options[key] ?? ""}`;
  return {
    filter: text("filter").replaceAll(/(?<=\d)x/g, "×"), // 256x768 is easier to type
    targets: options["target"] === undefined ? targets : [targetOf(text("target"))],
    workers: text("workers").split(",").map((n) => count(n, "--workers", 8)),
    peer: options["peer"] !== false,
    all: options["all"] === true,
    ms: 1000 * seconds(text("seconds")),
  };
}

function targetOf(given: string): Target {
  const target = targets.find((t) => t === given);
  if (!target) throw new SinterError("usage", `there is no target \`${given}\``, `use ${targets.join(", ")}`);
  return target;
}

function count(given: string, option: string, most: number): number {
  const n = Number(given);
  if (!Number.isInteger(n) || n < 1 || n > most) throw new SinterError("usage", `${option} takes whole numbers from 1 to ${most}, not \`${given}\``, `for example ${option} 1,2`);
  return n;
}

function seconds(given: string): number {
  const n = Number(given);
  if (!(n > 0 && n <= 600)) throw new SinterError("usage", `--seconds takes a number above 0, at most 600, not \`${given}\``);
  return n;
}

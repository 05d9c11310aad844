/**
 * `sinter report RUN…`: a run's report anew, or several runs over each other; their numbers for other
 * programs.
 */
import { join, resolve } from "node:path";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { shortNames } from "../../../runtime/report/compare/compared-run.ts";
import { commonText, damageTexts } from "../../../runtime/report/compare/differences.ts";
import { csvOf } from "../../../runtime/report/csv.ts";
import { flag, optionalText, text, type Options } from "../options/option.ts";
import { jsonOf, pageOf, writeEventFiles } from "../report/outputs.ts";
import { readLoggedRun, type LoggedRun } from "../report/read-run.ts";
import { writeOutput } from "../terminal/files.ts";
import { silenceTypeStripping } from "../../../runtime/node/node-warnings.ts";
import { pathFrom, sayer, type Io } from "../terminal/io.ts";
import { defineVerb } from "./verb.ts";

const options = {
  out: text("<file>", "the page (default: RUN/report.html of one run, compare.html of several)", {
    short: "o",
  }),
  csv: optionalText("[file]", "the numbers as CSV, a row a step; without a file, on standard output"),
  tensorboard: text("<dir>", "the numbers as TensorBoard's event files, a folder a run"),
  json: flag("a summary for programs, instead of lines for people"),
};
type Asked = Options<typeof options>;

export const reportVerb = defineVerb({
  name: "report",
  summary: "the curves of runs, over each other or for other programs",
  arguments: [{ name: "<dir...>", help: "folders of runs; they may be training" }],
  options,
  notes: [
    "The page is written where nothing else is asked for, or with -o. It needs no network.",
    "Of several runs: curves over steps, tokens or time, settings that differ, samples side by side,",
    "and until which step their numbers are the same as the first run's.",
    "Names: train/loss, val/loss (over windows), val_all/loss (over all that is held out), lr, grad_norm,",
    "tokens, tokens_per_second; metrics of stages as in their logs, held out with eval_ before them.",
  ],
  examples: [
    "sinter report runs/shakespeare",
    "sinter report runs/shakespeare runs/wider -o compare.html",
    "sinter report runs/shakespeare --csv shakespeare.csv",
    "sinter report runs/shakespeare runs/wider --tensorboard board",
  ],
  async run(given, asked, io) {
    const { csv, json } = asked;
    silenceTypeStripping();
    if (csv === true && json)
      throw new SinterError("usage", "--csv and --json both want standard output", "Give --csv a file.");
    const runs = await readRuns(given, io);
    const say = sayer(io, json || csv === true);
    if (csv !== undefined || asked.tensorboard !== undefined) await writeNumbers(runs, asked, io);
    if (isPageAsked(asked)) {
      const path = asked.out === undefined ? standardPage(runs, io) : pathFrom(io, asked.out);
      writeOutput(path, pageOf(runs));
      say(`${path} has the curves`);
    }
    if (json) io.out(`${JSON.stringify(jsonOf(runs), null, 1)}\n`);
    else for (const line of linesOf(runs)) say(line);
    return exitCodes.ok;
  },
});

async function readRuns(given: readonly string[], io: Io): Promise<LoggedRun[]> {
  const folders = given.map((path) => resolve(pathFrom(io, path)));
  const twice = folders.find((folder, i) => folders.indexOf(folder) < i);
  if (twice !== undefined) throw new SinterError("usage", `${twice} is named twice`);
  const names = shortNames(folders);
  const runs: LoggedRun[] = [];
  for (const [i, folder] of folders.entries()) runs.push(await readLoggedRun(nodeFiles(), folder, names[i]!));
  return runs;
}

const isPageAsked = ({ out, csv, tensorboard, json }: Asked): boolean =>
  out !== undefined || (csv === undefined && tensorboard === undefined && !json);

const standardPage = ([first, ...others]: readonly LoggedRun[], io: Io): string =>
  others.length === 0 ? join(first!.folder, "report.html") : pathFrom(io, "compare.html");

async function writeNumbers(
  runs: readonly LoggedRun[],
  { csv, tensorboard, json }: Asked,
  io: Io,
): Promise<void> {
  const say = sayer(io, json || csv === true);
  if (csv === true) io.out(csvOf(runs));
  else if (csv !== undefined) {
    const path = pathFrom(io, csv);
    writeOutput(path, csvOf(runs));
    say(`${path} has the numbers`);
  }
  if (tensorboard === undefined) return;
  for (const path of await writeEventFiles(nodeFiles(), pathFrom(io, tensorboard), runs))
    say(`${path} is an event file`);
}

/** What is worth a line: what is the same, and what is damaged. */
const linesOf = (runs: readonly LoggedRun[]): string[] => [
  ...runs.slice(1).map((run) => commonText(runs[0]!, run)),
  ...damageTexts(runs),
];

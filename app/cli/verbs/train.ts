/**
 * `sinter train SPEC`: compiles the spec for this machine, trains it on a text, keeps everything in one
 * folder.
 */
import type { TrainSettings } from "../../../runtime/contract/model.ts";
import { clearUnfinished } from "../../../runtime/store/checkpoint.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { lockFolder } from "../../../runtime/node/lock.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { removeRun } from "../../../runtime/store/remove-run.ts";
import { beginRun, holdsRun } from "../../../runtime/store/run-folder.ts";
import { prepare, reopen, type CheckedSpec, type Prepared } from "../train/begin.ts";
import { openSource, takeWeights, type Source } from "../train/from.ts";
import { goOn } from "../train/run.ts";
import { pathFrom, targetOption, textOption, wholeOption, type Options } from "../options/run-options.ts";
import { checkOptions, oneModel, withSpecOptions } from "../options/spec.ts";
import { withTuneOptions } from "../options/tune-file.ts";
import type { Verb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

/** Flags that are settings of the spec's `train` section: their names there, and in TrainSettings. */
const settingFlags = [
  { flag: "steps", setting: "steps", field: "steps" },
  { flag: "seed", setting: "seed", field: "seed" },
  { flag: "eval-every", setting: "eval_every", field: "evalEvery" },
  { flag: "sample-every", setting: "sample_every", field: "sampleEvery" },
  { flag: "save-every", setting: "save_every", field: "saveEvery" },
] as const satisfies readonly { flag: string; setting: string; field: keyof TrainSettings }[];

export const trainVerb: Verb = {
  name: "train",
  summary: "train a model on a text",
  configure(command) {
    withTuneOptions(withSpecOptions(command.argument("[spec]", "spec file; may be left out with --resume")))
      .option(
        "--data <file>",
        "UTF-8 text to learn from; - is standard input (default: a small built-in text)",
      )
      .option("--out <dir>", "folder of the run: checkpoints, log, report (default: runs/MODEL)")
      .option("--steps <n>", "updates")
      .option("--seed <n>", "seed of initial weights and of the order of the data")
      .option("--workers <n>", "threads (default: all cores); changes nothing in the result")
      .option("--target <name>", "simd, relaxed or wide (default: the best that this machine runs)")
      .option(
        "--tokenizer <path>",
        "the tokenizer's file, or the folder that holds it (default: beside the spec)",
      )
      .option(
        "--from <dir>",
        "begin with the weights, tokenizer and (unless named) spec of another run, or of an imported model",
      )
      .option(
        "--resume",
        "go on from the newest whole checkpoint in --out, or begin there; --steps and --set NAME=VALUE " +
          "change settings from there on",
      )
      .option("--force", "begin anew where --out holds a run: it is removed once all is checked")
      .option("--eval-every <n>", "steps between evaluations")
      .option("--sample-every <n>", "steps between samples")
      .option("--save-every <n>", "steps between checkpoints")
      .option("--keep <n>", "checkpoints to keep", "3")
      .option("--json", "one JSON object a line, for programs")
      .addHelpText(
        "after",
        `
examples:
  sinter train specs/quickstart.sinter
  sinter train specs/nanogpt-cpu.sinter --data shakespeare.txt --out runs/shakespeare
  sinter train --from runs/stories --data tinystories.txt --out runs/tuned --set train.lr=1e-4
  sinter train --resume --out runs/shakespeare --steps 4000 --set lr=3e-4`,
      );
  },
  async run([spec], options, io) {
    const files = nodeFiles();
    const resume = options["resume"] === true;
    const force = options["force"] === true;
    if (force && resume) throw new SinterError("usage", "--force begins anew, --resume goes on");
    const given = settingFlags.flatMap((row) => {
      const value = wholeOption(options, row.flag, 0);
      return value === undefined ? [] : [{ ...row, value }];
    });
    const out = textOption(options, "out");
    const fromText = textOption(options, "from");
    const from = fromText === undefined ? undefined : pathFrom(io, fromText);
    const specPath = spec ?? (from === undefined ? undefined : `${from}/spec.sinter`);
    if (from !== undefined && (out === undefined || resume))
      throw new SinterError(
        "usage",
        resume
          ? "--from begins a run, --resume goes on with one"
          : "--from needs --out DIR, the folder of the new run",
      );
    if (specPath === undefined && !(resume && out !== undefined))
      throw new SinterError(
        "usage",
        "which spec?",
        "sinter train SPEC, or sinter train --resume --out DIR. `sinter init` writes a spec to start from.",
      );
    const workers = wholeOption(options, "workers", 1, 8);
    const keep = wholeOption(options, "keep", 1)!;
    const target = targetOption(options);

    const set = Object.fromEntries(given.map(({ setting, value }) => [`train.${setting}`, `${value}`]));
    const asked = { ...checkOptions(options).set, ...set };
    const checked = specPath === undefined ? undefined : readModel(specPath, options, set, io);
    const folder = pathFrom(io, out ?? `runs/${checked!.model.name}`);
    if (force && from === folder)
      throw new SinterError(
        "usage",
        "--from and --out are one folder, and --force would remove it before it is read",
      );
    const replaced = force && (await holdsRun(files, folder));
    const known = !replaced && (await holdsRun(files, folder));
    if (known && !resume) throw new SinterError("input", `${folder} holds a run already`, GO_ON);
    if (!known && !checked)
      throw new SinterError(
        "input",
        `${folder} holds no run to go on with`,
        "Begin one: sinter train SPEC --out DIR",
      );

    const source = from === undefined ? undefined : await openSource(files, from, io);
    try {
      // writes nothing: a mistake leaves no folder behind
      const begun = known ? undefined : await prepare(folder, checked!, options, io, source);
      await files.makeFolder(folder);
      const unlock = lockFolder(folder);
      try {
        if (replaced) await removeRun(files, folder);
        if (begun) await begin(files, begun, source, force);
        const { run, data, changes } = begun
          ? { ...begun, changes: [] }
          : await reopen(folder, checked, asked, options, io);
        const going = target ? { ...run, record: { ...run.record, target } } : run;
        const end = await goOn(going, data, { workers, keep, changes, json: options["json"] === true }, io);
        return end === "interrupted" ? exitCodes.interrupted : exitCodes.ok;
      } finally {
        unlock();
      }
    } finally {
      await source?.checkpoint.close();
    }
  },
};

async function begin(
  files: Files,
  { run, contents }: Prepared,
  source: Source | undefined,
  force: boolean,
): Promise<void> {
  if (await holdsRun(files, run.folder))
    throw new SinterError("input", `${run.folder} has got a run meanwhile`, GO_ON);
  await clearUnfinished(files, run.folder, force);
  if (source) await takeWeights(files, source, run);
  await beginRun(files, run, contents);
}

const GO_ON = "Go on with it: --resume. Begin another beside it: --out DIR. Or in its place: --force.";

function readModel(
  path: string,
  options: Options,
  set: Readonly<Record<string, string>>,
  io: Io,
): CheckedSpec {
  const chosen = checkOptions(options);
  return { path, ...oneModel(path, { ...chosen, set: { ...chosen.set, ...set } }, io) };
}

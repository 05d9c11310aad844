/**
 * `sinter train SPEC`: compiles the spec for this machine, trains it on a text, keeps everything in one
 * folder.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import { prepare, reopen, type CheckedSpec } from "../train/begin.ts";
import { startRun } from "../train/start.ts";
import { flag, text, whole, withDefault, type Options } from "../options/option.ts";
import { targetOption, workersOption } from "../options/run-options.ts";
import { checkOptions, oneModel, specOptions } from "../options/spec.ts";
import { tuneOptions } from "../options/tune-file.ts";
import { defineVerb } from "./verb.ts";
import { pathFrom, type Io } from "../terminal/io.ts";

/** A setting of the spec's `train` section that has an option of its own. */
const setting = (help: string) => whole("<n>", help, { least: 0 });

const options = {
  ...specOptions,
  ...tuneOptions,
  data: text("<file>", "UTF-8 text to learn from; - is standard input (default: a small built-in text)"),
  out: text("<dir>", "folder of the run: checkpoints, log, report (default: runs/MODEL)"),
  steps: setting("updates"),
  seed: setting("seed of initial weights and of the order of the data"),
  workers: workersOption("threads (default: all cores); changes nothing in the result"),
  target: targetOption(),
  tokenizer: text("<path>", "the tokenizer's file, or the folder that holds it (default: beside the spec)"),
  from: text(
    "<dir>",
    "begin with the weights, tokenizer and (unless named) spec of another run, or of an imported model",
  ),
  resume: flag(
    "go on from the newest whole checkpoint in --out, or begin there; " +
      "--steps and --set NAME=VALUE change settings from there on",
  ),
  force: flag("begin anew where --out holds a run: it is removed once all is checked"),
  evalEvery: setting("steps between evaluations"),
  sampleEvery: setting("steps between samples"),
  saveEvery: setting("steps between checkpoints"),
  keep: withDefault("3", whole("<n>", "checkpoints to keep", { least: 1 })),
  json: flag("one JSON object a line, for programs"),
};
type Asked = Options<typeof options>;

export const trainVerb = defineVerb({
  name: "train",
  summary: "train a model on a text",
  arguments: [{ name: "[spec]", help: "spec file; may be left out with --resume" }],
  options,
  examples: [
    "sinter train specs/quickstart.sinter",
    "sinter train specs/nanogpt-cpu.sinter --data shakespeare.txt --out runs/shakespeare",
    "sinter train --from runs/stories --data tinystories.txt --out runs/tuned --set train.lr=1e-4",
    "sinter train --resume --out runs/shakespeare --steps 4000 --set lr=3e-4",
  ],
  async run([given], asked, io) {
    const from = asked.from === undefined ? undefined : pathFrom(io, asked.from);
    const specPath = given ?? (from === undefined ? undefined : `${from}/spec.sinter`);
    refuseContradictions(asked, specPath);
    const settings = settingsAsked(asked);
    const spec = specPath === undefined ? undefined : readModel(specPath, asked, settings, io);
    const folder = pathFrom(io, asked.out ?? `runs/${spec!.model.name}`);
    const lacks = spec ? undefined : "Begin one: sinter train SPEC --out DIR";
    const set = { ...checkOptions(asked).set, ...settings };
    return startRun(
      { ...asked, folder, from, lacks },
      {
        prepare: (source) => prepare(folder, spec!, asked, io, source),
        reopen: () => reopen(folder, spec, set, asked.data, io),
      },
      io,
    );
  },
});

/** Refuses options that do not go together, and a command line without a spec where one is needed. */
function refuseContradictions({ force, resume, from, out }: Asked, spec: string | undefined): void {
  if (force && resume) throw new SinterError("usage", "--force begins anew, --resume goes on");
  if (from !== undefined && resume)
    throw new SinterError("usage", "--from begins a run, --resume goes on with one");
  if (from !== undefined && out === undefined)
    throw new SinterError("usage", "--from needs --out DIR, the folder of the new run");
  if (spec === undefined && !(resume && out !== undefined))
    throw new SinterError(
      "usage",
      "which spec?",
      "sinter train SPEC, or sinter train --resume --out DIR. `sinter init` writes a spec to start from.",
    );
}

/** Settings that have options of their own, written as --set writes them: "train.eval_every" → "100". */
function settingsAsked({ steps, seed, evalEvery, sampleEvery, saveEvery }: Asked): Record<string, string> {
  const settings = {
    steps,
    seed,
    eval_every: evalEvery,
    sample_every: sampleEvery,
    save_every: saveEvery,
  };
  const said = Object.entries(settings).filter(([, value]) => value !== undefined);
  return Object.fromEntries(said.map(([name, value]) => [`train.${name}`, `${value}`]));
}

function readModel(
  path: string,
  asked: Asked,
  settings: Readonly<Record<string, string>>,
  io: Io,
): CheckedSpec {
  const chosen = checkOptions(asked);
  return { path, ...oneModel(path, { ...chosen, set: { ...chosen.set, ...settings } }, io) };
}

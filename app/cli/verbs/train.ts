/**
 * `sinter train SPEC`: compiles the spec for this machine, trains it on a text, keeps everything in one
 * folder.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import { prepare, reopen, type CheckedSpec } from "../train/begin.ts";
import { startRun } from "../train/start.ts";
import { flag, text, whole, withDefault, type Options } from "../options/option.ts";
import { checkOptions, oneModel, specOptions } from "../options/spec.ts";
import {
  beginOptions,
  refuseBoth,
  setting,
  settingsAsked,
  machineOptions,
  watchOptions,
} from "../options/training-options.ts";
import { tuneOptions } from "../options/tune-options.ts";
import { defineVerb } from "./verb.ts";
import { pathFrom, type Io } from "../terminal/io.ts";

const options = {
  ...specOptions,
  ...tuneOptions,
  data: text("<file>", "UTF-8 text to learn from; - is standard input (default: a small built-in text)"),
  out: text("<dir>", "folder of the run: checkpoints, log, report (default: runs/MODEL)"),
  steps: setting("updates"),
  seed: setting("seed of initial weights and of the order of the data"),
  ...machineOptions,
  tokenizer: text("<path>", "the tokenizer's file, or the folder that holds it (default: beside the spec)"),
  from: text(
    "<dir>",
    "begin with the weights, tokenizer and (unless named) spec of another run, or of an imported model",
  ),
  ...beginOptions,
  evalEvery: setting("steps between evaluations"),
  sampleEvery: setting("steps between samples"),
  saveEvery: setting("steps between checkpoints"),
  keep: withDefault("3", whole("<n>", "checkpoints to keep", { least: 1 })),
  ...watchOptions,
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
    const { steps, seed, evalEvery, sampleEvery, saveEvery } = asked;
    const settings = settingsAsked({ steps, seed, evalEvery, sampleEvery, saveEvery }, "train.");
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
function refuseContradictions(asked: Asked, spec: string | undefined): void {
  const { resume, from, out } = asked;
  refuseBoth(asked, from);
  if (from !== undefined && out === undefined)
    throw new SinterError("usage", "--from needs --out DIR, the folder of the new run");
  if (spec === undefined && !(resume && out !== undefined))
    throw new SinterError(
      "usage",
      "which spec?",
      "sinter train SPEC, or sinter train --resume --out DIR. `sinter init` writes a spec to start from.",
    );
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

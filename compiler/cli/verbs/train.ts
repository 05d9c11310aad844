/** `sinter train SPEC`: compiles the spec for this machine, trains it on a text, keeps everything in one folder. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Model } from "../../2-check/model.ts";
import { COMPILER_VERSION } from "../../version.ts";
import { builtinText } from "../../../runtime/builtin-text.ts";
import { bestTarget } from "../../../runtime/choose-target.ts";
import { encodeText, split, type Split } from "../../../runtime/data.ts";
import { exitCodes, SinterError } from "../../../runtime/errors.ts";
import { lockFolder } from "../../../runtime/node/lock.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { thousands } from "../../../runtime/report/progress.ts";
import { beginRun, holdsRun, openRun, readText, readTokenizer, RUN_VERSION, type Run } from "../../../runtime/run-folder.ts";
import { sha256 } from "../../../runtime/sha256.ts";
import { charactersOf, characterTokenizer } from "../../../runtime/tokenizers/characters.ts";
import { GPT2_FILES } from "../../../runtime/tokenizers/gpt2.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/tokenizer.ts";
import { goOn } from "../train-run.ts";
import { pathFrom, targetOption, textOption, wholeOption, type Options } from "../run-options.ts";
import { checkOptions, oneModel, withSpecOptions } from "../spec.ts";
import type { Io, Verb } from "../verb.ts";

/** Flags that are settings of the spec's `train` section. */
const settingFlags = { steps: "steps", seed: "seed", "eval-every": "eval_every", "sample-every": "sample_every", "save-every": "save_every" } as const;

export const trainVerb: Verb = {
  name: "train",
  summary: "train a model on a text",
  configure(command) {
    withSpecOptions(command.argument("[spec]", "spec file; may be left out with --resume"))
      .option("--data <file>", "UTF-8 text to learn from (default: a small built-in text)")
      .option("--out <dir>", "folder of the run: checkpoints, log, report (default: runs/MODEL)")
      .option("--steps <n>", "updates")
      .option("--seed <n>", "seed of initial weights and of the order of the data")
      .option("--workers <n>", "threads (default: all cores); changes nothing in the result")
      .option("--target <name>", "simd, relaxed or wide (default: the best that this machine runs)")
      .option("--tokenizer <dir>", "folder with the tokenizer's files (gpt2: encoder.json and vocab.bpe)")
      .option("--resume", "go on from the newest whole checkpoint in --out, or begin there")
      .option("--eval-every <n>", "steps between evaluations")
      .option("--sample-every <n>", "steps between samples")
      .option("--save-every <n>", "steps between checkpoints")
      .option("--keep <n>", "checkpoints to keep", "3")
      .option("--json", "one JSON object a line, for programs")
      .addHelpText("after", `
examples:
  sinter train specs/quickstart.sinter
  sinter train specs/nanogpt-cpu.sinter --data shakespeare.txt --out runs/shakespeare
  sinter train --resume --out runs/shakespeare --steps 4000`);
  },
  async run([spec], options, io) {
    const files = nodeFiles();
    const resume = options["resume"] === true;
    const flags = Object.fromEntries(Object.keys(settingFlags).map((flag) => [flag, wholeOption(options, flag, 0)]).filter(([, value]) => value !== undefined)) as Partial<Record<keyof typeof settingFlags, number>>;
    const out = textOption(options, "out");
    if (spec === undefined && !(resume && out !== undefined)) throw new SinterError("usage", "which spec?", "sinter train SPEC, or sinter train --resume --out DIR");
    const workers = wholeOption(options, "workers", 1, 8), keep = wholeOption(options, "keep", 1)!, target = targetOption(options);

    const set = Object.fromEntries(Object.entries(flags).map(([flag, value]) => [`train.${settingFlags[flag as keyof typeof settingFlags]}`, String(value)]));
    const checked = spec === undefined ? undefined : readModel(spec, options, set, io);
    const folder = pathFrom(io, out ?? `runs/${checked!.model.name}`);
    const known = await holdsRun(files, folder);
    if (known && !resume) throw new SinterError("input", `${folder} holds a run already`, "Go on with it: --resume. Or begin another: --out DIR.");
    if (!known && !checked) throw new SinterError("input", `${folder} holds no run to go on with`, "Begin one: sinter train SPEC --out DIR");

    const begun = known ? undefined : await prepare(folder, checked!, options, io); // writes nothing: a mistake leaves no folder behind
    await files.makeFolder(folder);
    const unlock = lockFolder(folder);
    try {
      if (begun && await holdsRun(files, folder)) throw new SinterError("input", `${folder} has got a run meanwhile`, "Go on with it: --resume. Or begin another: --out DIR.");
      if (begun) await beginRun(files, begun.run, checked!.source);
      const { run, data } = begun ?? await reopen(folder, checked?.source, options, io);
      const settings = { ...run.record.settings, ...(known && renamed(flags)) };
      const end = await goOn({ ...run, record: { ...run.record, settings, ...(target && { target }) } }, data, { workers, keep, json: options["json"] === true }, io);
      return end === "interrupted" ? exitCodes.interrupted : exitCodes.ok;
    } finally {
      unlock();
    }
  },
};

const renamed = (flags: Partial<Record<keyof typeof settingFlags, number>>): object => ({
  ...(flags.steps !== undefined && { steps: flags.steps }),
  ...(flags["eval-every"] !== undefined && { evalEvery: flags["eval-every"] }),
  ...(flags["sample-every"] !== undefined && { sampleEvery: flags["sample-every"] }),
  ...(flags["save-every"] !== undefined && { saveEvery: flags["save-every"] }),
});

interface CheckedSpec {
  readonly path: string;
  readonly model: Model;
  readonly source: string;
}

function readModel(path: string, options: Options, set: Readonly<Record<string, string>>, io: Io): CheckedSpec {
  const chosen = checkOptions(options);
  return { path, ...oneModel(path, { ...chosen, set: { ...chosen.set, ...set } }, io) };
}

interface Opened {
  readonly run: Run;
  readonly data: Split;
}

async function prepare(folder: string, { path, model }: CheckedSpec, options: Options, io: Io): Promise<Opened> {
  const data = textOption(options, "data");
  const dataPath = data === undefined ? undefined : pathFrom(io, data);
  const text = await readData(dataPath);
  const tokenizer = await findTokenizer(model, text, textOption(options, "tokenizer"), path, io);
  const tokens = split(encodeText(text, tokenizer, model.sizes.vocab), model.train.heldOut, model.train.context); // before the compiler's work: it may be too short
  const wanted = targetOption(options);
  const target = wanted ?? await bestTarget(nodeHost);
  const began = performance.now();
  const { compileModel } = await import("../../compile.ts"); // a run that goes on needs no compiler
  const { manifest, files: bundleFiles } = await compileModel(model, { targets: [target], modules: ["train"] }); // it samples too; pages that only training touches cost nothing then
  if (!options["json"]) io.out(`${model.name}: ${thousands(manifest.parameters)} parameters, compiled for ${target} in ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  const record = { version: RUN_VERSION, model: model.name, data: { path: dataPath, sha256: await sha256(text) }, settings: model.train, manifest: await sha256(bundleFiles.get("manifest.json")!), target: wanted, compiler: COMPILER_VERSION } as const;
  const run: Run = { folder, record, bundle: { manifest, files: bundleFiles }, tokenizer };
  return { run, data: tokens };
}

/** The run goes on as it began: its own bundle, tokenizer and text. What the command line says otherwise is refused. */
async function reopen(folder: string, source: string | undefined, options: Options, io: Io): Promise<Opened> {
  const files = nodeFiles();
  const run = await openRun(files, folder);
  if (source !== undefined && source !== readFileSync(`${folder}/spec.sinter`, "utf8"))
    io.err(`note: the spec has changed since this run began; it goes on with the one in ${folder}/spec.sinter\n`);
  const data = textOption(options, "data");
  const text = await readData(data === undefined ? run.record.data.path : pathFrom(io, data));
  if ((await sha256(text)) !== run.record.data.sha256)
    throw new SinterError("input", "the text is not the one that this run began with", "Begin another run with --out DIR, or give the same text with --data.");
  const { heldOut, context } = run.record.settings;
  return { run, data: split(encodeText(text, run.tokenizer, run.bundle.manifest.model.sizes.vocab), heldOut, context) };
}

async function readData(path: string | undefined): Promise<string> {
  if (path === undefined) return builtinText();
  const text = await readText(nodeFiles(), path);
  if (text === "") throw new SinterError("input", `${path} is empty`, "Training needs text.");
  return text;
}

async function findTokenizer({ tokenizer: name, sizes }: Model, text: string, folder: string | undefined, spec: string, io: Io): Promise<Tokenizer> {
  const files = nodeFiles();
  if (name === "characters") {
    const characters = charactersOf(text);
    if (characters.length > sizes.vocab)
      throw new SinterError("input", `the text has ${characters.length} different characters, the model's vocabulary ${sizes.vocab}`, `Set vocab ${characters.length}, for example with --set vocab=${characters.length}`);
    return characterTokenizer(characters);
  }
  if (name === "bytes") return readTokenizer(files, "", name);
  const beside = dirname(pathFrom(io, spec));
  const places = folder === undefined ? [beside, `${beside}/gpt2`, `${beside}/tokenizer`] : [pathFrom(io, folder)];
  for (const place of places) if (await files.exists(`${place}/${GPT2_FILES[0]}`)) return readTokenizer(files, place, name);
  throw new SinterError("input", `the gpt2 tokenizer needs ${GPT2_FILES.join(" and ")}, and ${folder === undefined ? "they are not beside the spec" : `they are not in ${folder}`}`, "Name the folder that holds them: --tokenizer DIR");
}

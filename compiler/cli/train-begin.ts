/** How a run begins, or goes on: text, tokenizer, bundle. Writes nothing. */
import { dirname } from "node:path";
import type { Model, TokenizerName } from "../2-check/model.ts";
import { COMPILER_VERSION } from "../version.ts";
import { bestTarget } from "../../runtime/choose-target.ts";
import { encodeText, split, type Split } from "../../runtime/data.ts";
import { SinterError } from "../../runtime/errors.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { otherJson } from "../../runtime/node/tokenizer-json.ts";
import { thousands } from "../../runtime/report/amounts.ts";
import { openRun, RUN_VERSION, type Run, type RunRecord } from "../../runtime/run-folder.ts";
import { SCHEDULE_RULE } from "../../runtime/schedule.ts";
import { sha256 } from "../../runtime/sha256.ts";
import { charactersOf, characterTokenizer } from "../../runtime/tokenizers/characters.ts";
import { filesNeeded, tokenizerAt, tokenizerIn } from "../../runtime/tokenizers/tokenizer-files.ts";
import type { Tokenizer } from "../../runtime/tokenizers/tokenizer.ts";
import { dataPath, readData, readDataAgain } from "./data-text.ts";
import { checkSameParameters } from "./train-from.ts";
import { pathFrom, targetOption, textOption, type Options } from "./run-options.ts";
import type { Io } from "./verb.ts";

export interface CheckedSpec {
  readonly path: string;
  readonly model: Model;
  readonly source: string;
}

export interface Opened {
  readonly run: Run;
  readonly data: Split;
}

/** Everything that can be wrong is found here, the cheap things before the compiler's work. `source`: the run whose weights it begins from. */
export async function prepare(folder: string, { path, model }: CheckedSpec, options: Options, io: Io, source?: Run): Promise<Opened> {
  const given = textOption(options, "data");
  const dataFrom = given === undefined ? undefined : dataPath(given, io), text = readData(dataFrom, io);
  const tokenizer = source && textOption(options, "tokenizer") === undefined ? source.tokenizer : await findTokenizer(model, text, textOption(options, "tokenizer"), path, io);
  const data = split(encodeText(text, tokenizer, model.sizes.vocab), model.train.heldOut, model.train.context);
  const wanted = targetOption(options);
  const target = wanted ?? await bestTarget(nodeHost);
  const { tilesFor } = await import("./tune/tune-file.ts"), tiles = tilesFor(path, options, io);
  const began = performance.now();
  const { compileModel } = await import("../compile.ts"); // a run that goes on needs no compiler
  const { planAll } = await import("./plan.ts");
  planAll(model, ["train"], { targets: [target], tiles });
  // The training module samples too; pages that only training touches cost nothing then.
  const { manifest, files } = await compileModel(model, { targets: [target], modules: ["train"], tiles });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (!options["json"]) io.out(`${model.name}: ${thousands(manifest.parameters)} parameters, compiled for ${target} in ${seconds} s\n`);
  const record: RunRecord = {
    version: RUN_VERSION, model: model.name, data: { path: dataFrom, sha256: await sha256(text) }, settings: model.train, scheduleRule: SCHEDULE_RULE,
    manifest: await sha256(files.get("manifest.json")!), target: wanted, compiler: COMPILER_VERSION,
  };
  const run = { folder, record, bundle: { manifest, files }, tokenizer };
  if (source) checkSameParameters(source, run);
  return { run, data };
}

/** The run goes on as it began: its own bundle, tokenizer and text. `asked`: what the command line's spec says now. */
export async function reopen(folder: string, asked: Model | undefined, options: Options, io: Io): Promise<Opened> {
  const run = await openRun(nodeFiles(), folder, otherJson);
  if (run.record.imported)
    throw new SinterError("input", `${folder} holds an imported model, not a run to go on with`, `Begin a run from its weights: sinter train --from ${folder} --out DIR`);
  const { model } = run.bundle.manifest;
  if (asked && !sameModel(asked, model)) io.err(`note: spec or --set have changed since this run began; it goes on with ${folder}/spec.sinter\n`);
  const given = textOption(options, "data");
  const text = given === undefined ? readDataAgain(run.record.data.path, io) : readData(dataPath(given, io), io);
  if ((await sha256(text)) !== run.record.data.sha256)
    throw new SinterError("input", "the text is not the one that this run began with", "Give the same text with --data, or begin another run with --out DIR.");
  const { heldOut, context } = run.record.settings;
  return { run, data: split(encodeText(text, run.tokenizer, model.sizes.vocab), heldOut, context) };
}

/** But for what may change between one part of a run and the next. */
function sameModel(a: Model, b: Model): boolean {
  const fixed = (m: Model): string => JSON.stringify({ ...m, train: { ...m.train, steps: 0, warmup: 0, evalEvery: 0, sampleEvery: 0, saveEvery: 0 } });
  return fixed(a) === fixed(b);
}

async function findTokenizer({ tokenizer: name, sizes }: Model, text: string, folder: string | undefined, spec: string, io: Io): Promise<Tokenizer> {
  if (name === "characters") return charactersWithin(text, sizes.vocab);
  const files = nodeFiles();
  const tokenizer = folder === undefined ? await besideSpec(name, dirname(pathFrom(io, spec))) : await tokenizerAt(files, pathFrom(io, folder), name, otherJson);
  if (tokenizer.size > sizes.vocab)
    throw new SinterError("input", `the ${name} tokenizer has ${tokenizer.size} tokens, the model's vocabulary ${sizes.vocab}`,
      `Set vocab ${tokenizer.size}, for example with --set vocab=${tokenizer.size}`);
  return tokenizer;
}

async function besideSpec(name: TokenizerName, beside: string): Promise<Tokenizer> {
  for (const place of [beside, `${beside}/${name}`, `${beside}/tokenizer`]) {
    const found = await tokenizerIn(nodeFiles(), place, name, otherJson);
    if (found) return found;
  }
  throw new SinterError("input", `the ${name} tokenizer needs ${filesNeeded(name)}, and they are not beside the spec`, "Name the folder that holds them: --tokenizer DIR");
}

function charactersWithin(text: string, vocab: number): Tokenizer {
  const characters = charactersOf(text);
  if (characters.length > vocab)
    throw new SinterError("input", `the text has ${characters.length} different characters, the model's vocabulary ${vocab}`,
      `Set vocab ${characters.length}, for example with --set vocab=${characters.length}`);
  return characterTokenizer(characters);
}

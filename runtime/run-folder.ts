/**
 * A run is a folder that needs nothing else:
 *
 *   run.json                 what is trained on what, from which seed; written last when the run begins
 *   spec.sinter              the spec's text, to read
 *   bundle/                  manifest.json and the wasm modules: a later release of the compiler changes nothing for this run
 *   tokenizer/               its files, when it has any
 *   step-000250.safetensors  checkpoints (checkpoint.ts)
 *   log.jsonl, report.html   what happened
 *   lock                     while a trainer is at work
 */
import type { Model, TrainSettings } from "../compiler/2-check/model.ts";
import type { Target } from "../compiler/op.ts";
import { parseManifest, type Bundle } from "./bundle.ts";
import { documentTokenizer, OLD_TEXT_RULE, textRules, type TextRule } from "./documents.ts";
import { SinterError } from "./errors.ts";
import { writeAll, writeText, type Files } from "./files.ts";
import { codeParts } from "./parts.ts";
import { scheduleRules, type ScheduleRule } from "./schedule.ts";
import { sha256 } from "./sha256.ts";
import { MAX_TEXT_BYTES, textOf } from "./text.ts";
import { readTokenizer, type OtherJson } from "./tokenizers/tokenizer-files.ts";
import type { Tokenizer } from "./tokenizers/tokenizer.ts";
import { withinRows } from "./tokenizers/with-beside.ts";

export const RUN_VERSION = 1;
const RUN_FILE = "run.json";
const RESTORE = "Restore it from a copy, or train again into another folder.";

export interface RunRecord {
  readonly version: typeof RUN_VERSION;
  readonly model: string;
  /** Text file's path as seen from the folder it was started in, made absolute; undefined: the built-in text. */
  readonly data: { readonly path: string | undefined; readonly sha256: string };
  readonly settings: TrainSettings;
  /** How the learning rate follows from the settings (schedule.ts). Undefined: the record is older than the field. */
  readonly scheduleRule?: ScheduleRule | undefined;
  /** Which tokens stand around a text's documents (documents.ts). Undefined: the record is older than the field. */
  readonly textRule?: TextRule | undefined;
  /** sha256 of bundle/manifest.json, which holds the hashes of the modules and every address. */
  readonly manifest: string;
  /** The target that it began on; undefined: to be chosen when it begins. */
  readonly target?: Target | undefined;
  readonly compiler: string;
  /** A model that came in from elsewhere: its weights are the checkpoint of step 0, and no text belongs to it. */
  readonly imported?: { readonly from: string; readonly form: string };
}

export interface Run {
  readonly folder: string;
  readonly record: RunRecord;
  readonly bundle: Bundle;
  readonly tokenizer: Tokenizer;
}

export const holdsRun = (files: Files, folder: string): Promise<boolean> => files.exists(`${folder}/${RUN_FILE}`);

export async function beginRun(files: Files, run: Run, specText: string): Promise<void> {
  const { folder, bundle, tokenizer } = run;
  const write = async (into: string, contents: ReadonlyMap<string, Uint8Array>): Promise<void> => {
    if (contents.size > 0) await files.makeFolder(into);
    await writeAll(files, into, contents);
  };
  await files.makeFolder(folder);
  await write(`${folder}/bundle`, bundle.files);
  await write(`${folder}/tokenizer`, tokenizer.files);
  await writeText(files, folder, "spec.sinter", specText);
  await writeRecord(files, folder, run.record);
}

export const writeRecord = (files: Files, folder: string, record: RunRecord): Promise<void> =>
  writeText(files, folder, RUN_FILE, `${JSON.stringify(record, null, 1)}\n`);

/** `other`: a reader for those tokenizer.json files that the runtime does not read itself. */
export async function openRun(files: Files, folder: string, other?: OtherJson): Promise<Run> {
  if (!(await files.exists(folder)))
    throw new SinterError("input", `there is no folder ${folder}`, "Train one first: sinter train SPEC --out DIR; or bring a published model: sinter import PATH -o DIR");
  if (!(await holdsRun(files, folder)))
    throw new SinterError("input", `${folder} holds no run: it has no ${RUN_FILE}`, "Name the folder that was given to sinter train as --out.");
  const record = parseRecord(await readText(files, `${folder}/${RUN_FILE}`), `${folder}/${RUN_FILE}`);
  const bundle = await readBundle(files, `${folder}/bundle`, record.manifest);
  const { model } = bundle.manifest;
  const tokenizer = await readTokenizer(files, `${folder}/tokenizer`, model.tokenizer, other);
  return { folder, record, bundle, tokenizer: withinRows(tokenizerFor(model, tokenizer), model.sizes.vocab) };
}

/** The tokenizer as the model was trained to see it. Throws SinterError where its rows are documents and none of its tokens ends one. */
export function tokenizerFor({ train: { rows }, tokenizer: name }: Pick<Model, "train" | "tokenizer">, tokenizer: Tokenizer): Tokenizer {
  const found = rows === "documents" ? documentTokenizer(tokenizer) : tokenizer;
  if (found) return found;
  throw new SinterError("input", `the ${name} tokenizer has no token that ends a text, and with \`rows documents\` every row ends with it`,
    "Use a tokenizer that has one, or leave `rows documents` out.");
}

/** How the text of a run became tokens. */
export const textRuleOf = ({ textRule }: RunRecord): TextRule => textRule ?? OLD_TEXT_RULE;

function parseRecord(text: string, from: string): RunRecord {
  try {
    const record = JSON.parse(text) as RunRecord;
    if (record.version !== RUN_VERSION || typeof record.settings !== "object")
      throw new Error(`version ${record.version}; this release reads version ${RUN_VERSION}`);
    const { scheduleRule, textRule } = record;
    if (scheduleRule !== undefined && !scheduleRules.includes(scheduleRule))
      throw new Error(`scheduleRule is ${JSON.stringify(scheduleRule)}; this release knows ${scheduleRules.join(" and ")}`);
    if (textRule !== undefined && !textRules.includes(textRule))
      throw new Error(`textRule is ${JSON.stringify(textRule)}; this release knows ${textRules.join(" and ")}`);
    return record;
  } catch (cause) {
    throw new SinterError("corrupt", `${from}: ${(cause as Error).message}`, RESTORE);
  }
}

/**
 * A compiled bundle's folder. Only files that its manifest names are read, and only by their plain names.
 * `hash`: the manifest's, where it is known.
 */
export async function readBundle(files: Files, folder: string, hash?: string): Promise<Bundle> {
  const path = `${folder}/manifest.json`;
  const bytes = await files.read(path);
  if (hash !== undefined && (await sha256(bytes)) !== hash)
    throw new SinterError("corrupt", `${path} is not the one that the run began with: its hash differs`, RESTORE);
  const manifest = parseManifest(new TextDecoder().decode(bytes), path);
  const contents = new Map<string, Uint8Array>();
  for (const module of Object.values(manifest.modules).flatMap(codeParts))
    for (const { file } of Object.values(module.wasm)) {
      if (!/^[\w.-]+\.wasm$/.test(file))
        throw new SinterError("corrupt", `${path} names ${JSON.stringify(file)}, which is no plain file name`);
      if (!contents.has(file)) contents.set(file, await files.read(`${folder}/${file}`));
    }
  return { manifest, files: contents };
}

export const readText = async (files: Files, path: string): Promise<string> => textOf(await files.read(path, MAX_TEXT_BYTES), path);

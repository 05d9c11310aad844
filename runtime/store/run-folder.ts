/**
 * A run is a folder that needs nothing else:
 *
 *   run.json                 what is trained on what, and hashes of the rest (run-record.ts); written last
 *   spec.sinter              the spec's text, to read
 *   bundle/                  manifest.json and the wasm modules, so that a later release of the compiler
 *                            changes nothing for this run
 *   tokenizer/               its files, when it has any
 *   step-000250.safetensors  checkpoints (checkpoint.ts)
 *   log.jsonl, report.html   what happened; earlier.jsonl: in the stages before
 *   lock                     while a trainer is at work
 *
 * `openRun` is the one way in: it reads record, spec, bundle and tokenizer whole, checks each against its
 * hash, and reads them from there.
 */
import type { Manifest } from "../contract/manifest.ts";
import type { Model } from "../contract/model.ts";
import { parseManifest, type Bundle } from "../engine/bundle.ts";
import { documentTokenizer, OLD_TEXT_RULE, type TextRule } from "../train/sources/documents.ts";
import { SinterError } from "../base/errors.ts";
import { TEMPORARY, writeAtomically, writeText, type Files } from "../base/files.ts";
import { heldFiles } from "./held-files.ts";
import { partitionManifests } from "../engine/partitions.ts";
import {
  newRecord,
  parseRecord,
  recordText,
  type LearntText,
  type ReadRecord,
  type RunRecord,
} from "./run-record.ts";
import { sha256 } from "../contract/sha256.ts";
import { MAX_TEXT_BYTES, textOf } from "../base/text.ts";
import { readTokenizer, type OtherJson } from "../tokenizers/tokenizer-files.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { withinRows } from "../tokenizers/beside/with-beside.ts";

const RUN_FILE = "run.json";
const SPEC_FILE = "spec.sinter";
const BUNDLE = "bundle";
const TOKENIZER = "tokenizer";
/** A file that is larger is no record: those have some kilobytes. */
const MOST_RECORD_BYTES = 4 << 20;
const RESTORE = "Restore it from a copy, or train again into another folder.";

export interface Run {
  readonly folder: string;
  readonly record: RunRecord;
  readonly bundle: Bundle;
  readonly tokenizer: Tokenizer;
  /** What could not be checked, in a line each, to be told to the user. */
  readonly notes: readonly string[];
}

export const holdsRun = (files: Files, folder: string): Promise<boolean> =>
  files.exists(`${folder}/${RUN_FILE}`);

type Contents = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** Everything that a run begins with, by path in its folder, in the order in which it is written. */
export function contentsOf(
  bundle: Bundle,
  tokenizer: Tokenizer,
  specText: string,
): ReadonlyMap<string, Uint8Array> {
  const within = (folder: string, contents: ReadonlyMap<string, Uint8Array>) =>
    [...contents].map(([name, bytes]) => [`${folder}/${name}`, bytes] as const);
  const spec = new TextEncoder().encode(specText);
  return new Map([...within(BUNDLE, bundle.files), ...within(TOKENIZER, tokenizer.files), [SPEC_FILE, spec]]);
}

/** Writes what a run begins with: `contents`, and last the record, which holds their hashes. */
export async function beginRun(
  files: Files,
  { folder, record }: Pick<Run, "folder" | "record">,
  contents: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  for (const [path, bytes] of contents) {
    const at = path.lastIndexOf("/");
    const into = at < 0 ? folder : `${folder}/${path.slice(0, at)}`;
    await files.makeFolder(into);
    await writeAtomically(files, into, path.slice(at + 1), (file) => file.write(bytes));
  }
  await writeRecord(files, folder, record);
}

export const writeRecord = async (files: Files, folder: string, record: RunRecord): Promise<void> =>
  writeText(files, folder, RUN_FILE, await recordText(record));

/** Reads run.json alone. Throws `input` when the folder holds no run, and `corrupt` when it is damaged. */
export async function readRecord(files: Files, folder: string): Promise<ReadRecord> {
  if (!(await files.exists(folder)))
    throw new SinterError(
      "input",
      `there is no folder ${folder}`,
      "Train one first: sinter train SPEC --out DIR; or bring a published model: sinter import PATH -o DIR",
    );
  if (!(await holdsRun(files, folder)))
    throw new SinterError(
      "input",
      `${folder} holds no run: it has no ${RUN_FILE}`,
      "Name the folder that was given to sinter train as --out.",
    );
  const path = recordPath(folder);
  return parseRecord(await files.read(path, MOST_RECORD_BYTES), path);
}

const recordPath = (folder: string): string => `${folder}/${RUN_FILE}`;

/**
 * Opens a run. `other` reads those tokenizer.json files that the runtime does not read itself. Throws `input`
 * when the folder holds no run, and `corrupt` when a file is not as it was.
 */
export async function openRun(files: Files, folder: string, other?: OtherJson): Promise<Run> {
  const read = await readRecord(files, folder);
  const contents =
    read.version === 1
      ? await unchecked(files, folder, read.manifest)
      : await checked(files, folder, read.record.files);
  const record = read.version === 1 ? await newRecord(read.record, contents) : read.record;
  const held = heldFiles(new Map([...contents].map(([name, bytes]) => [`${folder}/${name}`, bytes])));
  const bundle = await readBundle(held, `${folder}/${BUNDLE}`);
  const { model } = bundle.manifest;
  const tokenizer = tokenizerFor(
    model,
    await readTokenizer(held, `${folder}/${TOKENIZER}`, model.tokenizer, other),
  );
  return { folder, record, bundle, tokenizer, notes: notesOn(read, recordPath(folder)) };
}

const notesOn = ({ version }: ReadRecord, path: string): readonly string[] =>
  version === 1
    ? [
        `${path} is of an earlier release: its settings, the tokenizer and spec.sinter carry no hashes, so ` +
          "damage in them is not seen",
      ]
    : [];

/**
 * The tokenizer as the model sees it: without tokens that the model has no rows for; and with a token that
 * begins every text, where the model's rows are documents. Throws `input` where no token ends such a
 * document.
 */
export function tokenizerFor(
  model: Pick<Model, "train" | "tokenizer" | "sizes">,
  tokenizer: Tokenizer,
): Tokenizer {
  const inside = withinRows(tokenizer, model.sizes.vocab);
  const found = model.train.rows === "documents" ? documentTokenizer(inside) : inside;
  if (found) return found;
  throw new SinterError(
    "input",
    `the ${model.tokenizer} tokenizer has no token that ends a text, and with \`rows documents\` every ` +
      "row ends with it",
    "Use a tokenizer that has one, or leave `rows documents` out.",
  );
}

/** The rule by which the text of a run became tokens. */
export const textRuleOf = ({ textRule }: RunRecord): TextRule => textRule ?? OLD_TEXT_RULE;

/** The text that a run has learnt from, or the base of a stage; undefined: it is not known. */
export function learntText(record: RunRecord): LearntText | undefined {
  if (record.stage) return record.stage.text;
  if (record.imported) return undefined;
  return { ...record.data, heldOut: record.settings.heldOut, rule: textRuleOf(record) };
}

/**
 * Reads the files that the record names. Throws `corrupt` when one has another length or hash than it had.
 */
async function checked(files: Files, folder: string, hashes: RunRecord["files"]): Promise<Contents> {
  const contents = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [name, { bytes, sha256: hash }] of Object.entries(hashes)) {
    const path = `${folder}/${name}`;
    const fail = (why: string): never => {
      throw new SinterError("corrupt", `${path} is not the one that the run began with: ${why}`, RESTORE);
    };
    if (name.split("/").some((part) => ["", ".", ".."].includes(part))) fail("its name leads elsewhere");
    if (!(await files.exists(path))) fail("it is missing");
    const found = (await readExactly(files, path, bytes)) ?? fail(`it has not ${bytes} bytes`);
    if ((await sha256(found)) !== hash) fail("its hash differs");
    contents.set(name, found);
  }
  return contents;
}

/** A file of just so many bytes. Undefined: it is longer or shorter, and is not read. */
async function readExactly(
  files: Files,
  path: string,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const file = await files.open(path);
  try {
    return file.bytes === bytes ? await file.read(0, bytes) : undefined;
  } finally {
    await file.close();
  }
}

/**
 * Reads what a run of an earlier release has, whose record holds no hashes of its files but the manifest's.
 * The manifest has those of the modules (bundle.ts).
 */
async function unchecked(files: Files, folder: string, manifestHash: string): Promise<Contents> {
  const bundle = await readBundle(files, `${folder}/${BUNDLE}`, manifestHash);
  const names = [...bundle.files.keys(), "manifest.json"].map((name) => `${BUNDLE}/${name}`);
  const tokenizerFolder = `${folder}/${TOKENIZER}`;
  const inTokenizer = (await files.exists(tokenizerFolder)) ? await files.list(tokenizerFolder) : [];
  for (const name of inTokenizer) if (!name.endsWith(TEMPORARY)) names.push(`${TOKENIZER}/${name}`);
  if (await files.exists(`${folder}/${SPEC_FILE}`)) names.push(SPEC_FILE);
  const contents = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const name of names) contents.set(name, await files.read(`${folder}/${name}`));
  return contents;
}

/**
 * Reads a compiled bundle's folder. Only files that its manifest names are read, and only by plain names.
 * `hash` is the manifest's, where it is known. Throws `corrupt` when the manifest cannot be used.
 */
/** What a run's model is. Throws `corrupt`. */
export async function readManifest(files: Files, folder: string): Promise<Manifest> {
  const path = `${folder}/${BUNDLE}/manifest.json`;
  return parseManifest(new TextDecoder().decode(await files.read(path)), path);
}

export async function readBundle(files: Files, folder: string, hash?: string): Promise<Bundle> {
  const path = `${folder}/manifest.json`;
  const bytes = await files.read(path);
  if (hash !== undefined && (await sha256(bytes)) !== hash)
    throw new SinterError(
      "corrupt",
      `${path} is not the one that the run began with: its hash differs`,
      RESTORE,
    );
  const manifest = parseManifest(new TextDecoder().decode(bytes), path);
  const contents = new Map<string, Uint8Array>();
  for (const module of Object.values(manifest.modules).flatMap(partitionManifests))
    for (const { file } of Object.values(module.wasm)) {
      if (!/^[\w.-]+\.wasm$/.test(file))
        throw new SinterError(
          "corrupt",
          `${path} names ${JSON.stringify(file)}, which is no plain file name`,
        );
      if (!contents.has(file)) contents.set(file, await files.read(`${folder}/${file}`));
    }
  return { manifest, files: contents };
}

export const readText = async (files: Files, path: string): Promise<string> =>
  textOf(await files.read(path, MAX_TEXT_BYTES), path);

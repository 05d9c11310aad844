/**
 * A run of the page as a folder of the runtime (runtime/store/run-folder.ts), so that the command line could
 * go on with it. Beside what every run has, it keeps what the page alone knows: the text, what was chosen,
 * and the sliders that were moved.
 */
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { writeText, type Files } from "../../../runtime/base/files.ts";
import * as s from "../../../runtime/base/schema.ts";
import { codeOf, type Manifest, type ModuleManifest } from "../../../runtime/contract/manifest.ts";
import type { TrainSettings } from "../../../runtime/contract/model.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import type { Host } from "../../../runtime/engine/host.ts";
import type { LinkedBundle } from "../../../runtime/engine/linked-bundle.ts";
import { heldFiles } from "../../../runtime/store/held-files.ts";
import { contentsOf, openRun, readText, tokenizerFor, type Run } from "../../../runtime/store/run-folder.ts";
import { newRecord, settingChecks } from "../../../runtime/store/run-record.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { readTokenizer } from "../../../runtime/tokenizers/tokenizer-files.ts";
import { SCHEDULE_RULE } from "../../../runtime/train/schedule.ts";
import { TEXT_RULE } from "../../../runtime/train/sources/documents.ts";
import { plainTokenizer } from "../../../runtime/train/sources/plain-tokenizer.ts";
import type { Move } from "../share/experiment.ts";
import type { RunToOpen } from "./model-calls.ts";

const TEXT = "text.txt";
const EXPERIMENT = "experiment.json";
const MOVES = "moves.json";

/** A run with what the page keeps beside it. */
export interface PageRun {
  readonly run: Run;
  /** The spec's. */
  readonly source: string;
  /** What is learnt from. */
  readonly text: string;
  readonly experiment: string;
  /** By their steps. */
  readonly moves: readonly Move[];
}

/** A run that begins, and everything that its folder will hold. */
export interface BegunRun extends PageRun {
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

export async function newPageRun(asked: RunToOpen, folder: string, host: Host): Promise<BegunRun> {
  const bundle = await bundleFor(asked.bundle, asked.target, host);
  const { model } = bundle.manifest;
  const settings = checkedSettings({ ...model.train, ...asked.settings });
  const tokenizer = tokenizerFor(model, await tokenizerOf(asked, bundle.manifest));
  const utf8 = new TextEncoder();
  const contents = new Map([
    ...contentsOf(bundle, tokenizer, asked.source),
    [TEXT, utf8.encode(asked.text)],
    [EXPERIMENT, utf8.encode(asked.experiment)],
  ]);
  const facts = {
    model: model.name,
    data: { path: TEXT, sha256: await sha256(asked.text) },
    settings,
    scheduleRule: SCHEDULE_RULE,
    textRule: TEXT_RULE,
    target: asked.target,
    compiler: COMPILER_VERSION,
  };
  const record = await newRecord(facts, contents);
  const { source, text, experiment } = asked;
  const moves = asked.moves.toSorted((a, b) => a.step - b.step);
  return { run: { folder, record, bundle, tokenizer, notes: [] }, contents, source, text, experiment, moves };
}

/** Throws `input` or `corrupt` where the folder holds no run of a page. */
export async function openPageRun(files: Files, folder: string): Promise<PageRun> {
  const run = await openRun(files, folder);
  const source = await readText(files, `${folder}/spec.sinter`);
  const text = await readText(files, `${folder}/${TEXT}`);
  const experiment = await readText(files, `${folder}/${EXPERIMENT}`);
  const path = `${folder}/${MOVES}`;
  const moves = (await files.exists(path)) ? parseMoves(await readText(files, path), path) : [];
  return { run, source, text, experiment, moves };
}

export const writeMoves = (files: Files, folder: string, moves: readonly Move[]): Promise<void> =>
  writeText(files, folder, MOVES, JSON.stringify(moves));

export const readExperiment = (files: Files, folder: string): Promise<string> =>
  readText(files, `${folder}/${EXPERIMENT}`);

const checkMoves = s.list(
  s.object({ step: settingChecks.steps, setting: s.oneOf("lr"), to: settingChecks.lr }),
);

function parseMoves(text: string, path: string): readonly Move[] {
  const value: unknown = JSON.parse(text);
  const wrong = checkMoves(value, "moves");
  if (wrong !== undefined) throw new SinterError("corrupt", `${path}: ${wrong}`);
  return value as readonly Move[];
}

function checkedSettings(settings: TrainSettings): TrainSettings {
  const wrong = s.object(settingChecks)(settings, "");
  if (wrong !== undefined) throw new SinterError("input", `the settings of the training: ${wrong}`);
  return settings;
}

/** The bundle with the code of one target, which is the only one that is fetched and kept. */
async function bundleFor(bundle: Bundle | LinkedBundle, target: Target, host: Host): Promise<Bundle> {
  const manifest = withOneTarget(bundle.manifest, target);
  const files = new Map<string, Uint8Array>();
  for (const { wasm } of codeOf(manifest.modules)) {
    const name = wasm[target]!.file;
    const bytes = "urls" in bundle ? await host.readUrl(bundle.urls[name]!) : bundle.files.get(name)!;
    files.set(name, bytes);
  }
  files.set("manifest.json", new TextEncoder().encode(JSON.stringify(manifest)));
  return { manifest, files };
}

/** Throws `input` where the bundle was not compiled for it. */
function withOneTarget(manifest: Manifest, target: Target): Manifest {
  const { train } = manifest.modules;
  if (!train || !codeOf({ train }).every(({ wasm }) => wasm[target]))
    throw new SinterError(
      "input",
      `${manifest.model.name} was not compiled for training on the target ${target}`,
      "Choose another target, or compile it in the page.",
    );
  const only = <Module extends ModuleManifest>(module: Module): Module => {
    const code = module.wasm[target];
    return { ...module, wasm: code ? { [target]: code } : {} };
  };
  const { parts } = train;
  return { ...manifest, modules: { train: { ...only(train), ...(parts && { parts: parts.map(only) }) } } };
}

async function tokenizerOf(
  { text, tokenizer }: RunToOpen,
  { model }: Pick<Manifest, "model">,
): Promise<Tokenizer> {
  const plain = tokenizer ? undefined : plainTokenizer(model, text);
  if (plain) return plain;
  const files = [...(tokenizer ?? [])].map(
    ([name, bytes]) => [`tokenizer/${name}`, new Uint8Array(bytes)] as const,
  );
  return readTokenizer(heldFiles(new Map(files)), "tokenizer", model.tokenizer);
}

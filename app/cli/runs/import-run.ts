/** A published model → a run folder: spec, bundle, tokenizer, and its weights as the checkpoint of step 0. */
import { rmSync } from "node:fs";
import { basename } from "node:path";
import { checkSource } from "../../../compiler/2-check/check.ts";
import type { AskedEntry } from "../../../runtime/contract/entries.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { renderAll } from "../../../compiler/diagnostics/render.ts";
import { hasErrors } from "../../../compiler/diagnostics/report.ts";
import type { ChosenTiles } from "../../../compiler/6-tile/chosen-tiles.ts";
import { weightPlace, type Weights } from "../../../runtime/contract/memory-formats.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import { checkpointFile, clearUnfinished } from "../../../runtime/store/checkpoint.ts";
import { writeCheckpoint, type TensorToSave } from "../../../runtime/store/checkpoint-file.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import type { Files } from "../../../runtime/base/files.ts";
import {
  changedTypes,
  checkReadable,
  isMatrix,
  storedFormatFor,
  rowsToStore,
} from "../../../runtime/formats/architecture/imported-rows.ts";
import { fittedLinks, type Published } from "../../../runtime/formats/published.ts";
import { recognise } from "../../../runtime/formats/architecture/recognise.ts";
import { sameShape } from "../../../runtime/formats/architecture/fit.ts";
import type { Link } from "../../../runtime/formats/architecture/links.ts";
import type { FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { identityOf } from "../../../runtime/store/identity.ts";
import { storedBytes, type StoredFormat } from "../../../runtime/store/stored-format.ts";
import { lockFolder } from "../../../runtime/node/lock.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { removeRun } from "../../../runtime/store/remove-run.ts";
import { beginRun, contentsOf, holdsRun } from "../../../runtime/store/run-folder.ts";
import { newRecord } from "../../../runtime/store/run-record.ts";
import { checkpointName } from "../../../runtime/engine/tensors.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { Manifest } from "../../../runtime/contract/manifest.ts";
import { bundleOf } from "../options/kept-bundle.ts";
import { noteSignals, type NotedSignals } from "../terminal/noted-signals.ts";
import { byteProgress } from "../terminal/progress.ts";
import { specOfPublished } from "./spec-of.ts";
import { weightsHeld, type Mixed } from "../options/weights.ts";
import type { Io } from "../terminal/io.ts";

export interface ImportOptions {
  readonly files: Files;
  readonly folder: string;
  readonly tokenizer: Tokenizer;
  /** Settings of the sampler for the spec. */
  readonly sample: Readonly<Record<string, number>>;
  readonly target: Target;
  readonly memoryLimit: number | undefined;
  /** How many texts the module has room for. */
  readonly lanes: number | undefined;
  /** What the module does besides. */
  readonly entries?: readonly AskedEntry[] | undefined;
  /** The number format of matrices; undefined: the format that they came in. */
  readonly dtype: Mixed<FloatFormat> | undefined;
  readonly tiles: ChosenTiles | undefined;
  /** Replaces a run that is in the folder. */
  readonly force?: boolean;
  readonly io: Io;
}

export interface Imported {
  readonly model: Model;
  readonly spec: string;
  readonly parameters: number;
  readonly tensors: number;
  /** Size of the weights in the folder. */
  readonly bytes: number;
  readonly weights: Weights;
  readonly notes: readonly string[];
}

/**
 * Everything that can be wrong is found before the first byte is written. An import that is interrupted
 * leaves nothing behind.
 */
export async function importRun(published: Published, options: ImportOptions): Promise<Imported> {
  const { files, folder } = options;
  const plan = await planImport(published, options);
  const wasThere = await files.exists(folder);
  await files.makeFolder(folder);
  const unlock = lockFolder(folder);
  const signals = noteSignals("nothing was imported");
  try {
    await writeRun(published, plan, options, signals);
  } catch (cause) {
    if (!wasThere) rmSync(folder, { recursive: true, force: true });
    else if (!(await holdsRun(files, folder))) rmSync(`${folder}/${checkpointFile(0)}`, { force: true });
    throw cause;
  } finally {
    signals.done();
    unlock();
  }
  const { model, spec, bytes, weights, notes } = plan;
  const { parameters } = plan.bundle.manifest;
  return { model, spec, parameters, tensors: published.index.size, bytes, weights, notes };
}

/** All that will be written. */
interface ImportPlan {
  readonly spec: string;
  readonly model: Model;
  readonly bundle: Bundle;
  readonly tensors: readonly TensorToSave[];
  /** Size of the tensors. */
  readonly bytes: number;
  readonly weights: Weights;
  readonly notes: readonly string[];
}

async function planImport(
  published: Published,
  { tokenizer, sample, target, memoryLimit, lanes, entries, dtype, tiles }: ImportOptions,
): Promise<ImportPlan> {
  const { index } = published;
  const spec = specOfPublished(published, { tokenizer: tokenizer.name, sample });
  const model = checked(spec);
  const links = fittedLinks(published, recognise(model).stems);
  checkReadable(links, index, published.file.path);
  const formats = new Map(
    links.map((link) => [link, storedFormatFor(link, index, dtype && askedFor(link, index, dtype))]),
  );
  const weights = weightsHeld(
    [...formats].flatMap(([link, { type }]) => (isMatrix(link) ? [[link.name, type] as const] : [])),
  );
  const options = { targets: [target], memoryLimit, lanes, entries, weights, tiles };
  const bundle = await bundleOf(model, ["infer"], options);
  const tensors = tensorsToSave(published, links, formats, bundle.manifest);
  const bytes = tensors.reduce((sum, t) => sum + storedBytes(t.shape, t.format!), 0);
  return { spec, model, bundle, tensors, bytes, weights, notes: notesOf(links, index, formats) };
}

/** Writes the checkpoint, then the other files; the record comes last: without it, the folder is no run. */
async function writeRun(
  published: Published,
  { spec, model, bundle, tensors, bytes }: ImportPlan,
  { files, folder, tokenizer, target, force = false, io }: ImportOptions,
  signals: NotedSignals,
): Promise<void> {
  const progress = byteProgress(io, "weights", bytes);
  try {
    if (force) await removeRun(files, folder);
    if (await holdsRun(files, folder))
      throw new SinterError("input", `${folder} holds a run already`, "Name another folder: -o DIR");
    const contents = contentsOf(bundle, tokenizer, spec);
    const facts = {
      model: model.name,
      data: { sha256: "" },
      settings: model.train,
      compiler: COMPILER_VERSION,
      imported: { from: basename(published.file.path), form: published.title },
    };
    const record = await newRecord(facts, contents);
    const identity = await identityOf({ record, tokenizer }, bundle.manifest.modules, target);
    await clearUnfinished(files, folder, force);
    const batches = randomStream(model.train.seed, "batches").state();
    const state = { step: 0, tokens: 0, batches, identity };
    await writeCheckpoint(files, folder, checkpointFile(0), tensors, state, {
      written(n) {
        progress.add(n);
        return signals.check(n);
      },
    });
    await beginRun(files, { folder, record }, contents);
  } finally {
    progress.end();
  }
}

/**
 * With q4_0, the token table and the output are stored in q8_0, since a third of the loss of quality would be
 * theirs. Not so where they are Q4_0 in the file already, or where something else was asked for.
 */
function askedFor({ name, pieces }: Link, index: Published["index"], mixed: Mixed<FloatFormat>): FloatFormat {
  const { others } = mixed;
  const place = weightPlace(name);
  const asked = place && mixed[place];
  if (asked || others !== "Q4_0" || !place) return asked ?? others;
  return pieces.every((p) => index.get(p.name)!.type === "Q4_0") ? "Q4_0" : "Q8_0";
}

/** A line for each number format that changed on the way. */
function notesOf(
  links: readonly Link[],
  index: Published["index"],
  formats: ReadonlyMap<Link, StoredFormat>,
): string[] {
  const changed = [...changedTypes(links, index, (link) => formats.get(link)!)].map(
    ([from, to]) => `${from} is kept as ${[...to].join(" and ")}`,
  );
  const halves = [...formats.values()].some(({ type }) => type === "F16");
  return [
    ...changed,
    ...(halves ? ["F16 is used as bf16, which has three bits less; --weights f32 uses it as it is"] : []),
  ];
}

/** The spec is made here, so it has errors only when the published sizes do not go together. */
function checked(spec: string): Model {
  const { models, diagnostics } = checkSource(spec);
  const [model] = models;
  if (model && !hasErrors(diagnostics)) return model;
  const source = { name: "spec.sinter", text: spec };
  const errors = renderAll(diagnostics, source, { colour: false, columns: 100 });
  throw new SinterError(
    "input",
    `the configuration makes a spec that has errors:\n${errors}`,
    "Does the configuration belong to the weights?",
  );
}

/**
 * The tensors to save, in the manifest's order. The compiler's list of tensors and the links describe the
 * same model, so they have to agree.
 */
function tensorsToSave(
  { index }: Published,
  links: readonly Link[],
  formats: ReadonlyMap<Link, StoredFormat>,
  manifest: Manifest,
): TensorToSave[] {
  const byName = new Map(links.map((link) => [link.name, link]));
  const places = manifest.modules.infer!.tensors.filter((t) => t.storage === "parameter");
  return places
    .flatMap((place) =>
      Array.from({ length: place.slices }, (_, slice): TensorToSave => {
        const name = checkpointName(place, slice);
        const link = byName.get(name);
        byName.delete(name);
        if (!link || !sameShape(link.shape, place.shape))
          throw new Error(`${name} [${place.shape}] is linked to ${link ? `[${link.shape}]` : "nothing"}`);
        return {
          name,
          shape: place.shape,
          format: formats.get(link)!,
          bytes: () => rowsToStore(link, index, formats.get(link)!),
        };
      }),
    )
    .concat(byName.size === 0 ? [] : fail([...byName.keys()]));
}

const fail = (names: readonly string[]): never => {
  throw new Error(`the module has no tensors ${names.join(", ")}`);
};

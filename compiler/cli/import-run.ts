/** A published model → a run folder: spec, bundle, tokenizer, and its weights as the checkpoint of step 0. */
import { basename } from "node:path";
import { checkSource } from "../2-check/check.ts";
import type { Model } from "../2-check/model.ts";
import { compileModel } from "../compile.ts";
import { renderAll } from "../diagnostics/render.ts";
import { hasErrors } from "../diagnostics/report.ts";
import type { Target } from "../op.ts";
import { COMPILER_VERSION } from "../version.ts";
import { writeCheckpoint, type TensorToSave } from "../../runtime/checkpoint.ts";
import { SinterError } from "../../runtime/errors.ts";
import type { Files } from "../../runtime/files.ts";
import { fittedLinks, importTensor, type Published } from "../../runtime/formats/published.ts";
import { recognise } from "../../runtime/formats/recognise.ts";
import { sameShape } from "../../runtime/formats/fit.ts";
import type { Link } from "../../runtime/formats/links.ts";
import { lockFolder } from "../../runtime/node/lock.ts";
import { randomStream } from "../../runtime/random.ts";
import { beginRun, holdsRun, RUN_VERSION, type RunRecord } from "../../runtime/run-folder.ts";
import { sha256 } from "../../runtime/sha256.ts";
import { checkpointName } from "../../runtime/tensors.ts";
import { concat, type Tokenizer } from "../../runtime/tokenizers/tokenizer.ts";
import { codeOf, type Manifest } from "../9-bundle/manifest.ts";
import { planAll } from "./plan.ts";
import { byteProgress } from "./progress.ts";
import { specOf } from "./spec-of.ts";
import type { Io } from "./verb.ts";

export interface ImportOptions {
  readonly files: Files;
  readonly folder: string;
  readonly tokenizer: Tokenizer;
  readonly target: Target;
  readonly memoryLimit: number | undefined;
  readonly io: Io;
}

export interface Imported {
  readonly model: Model;
  readonly spec: string;
  readonly parameters: number;
  readonly tensors: number;
}

/** Everything that can be wrong is found before the first byte is written. */
export async function importRun(published: Published, { files, folder, tokenizer, target, memoryLimit, io }: ImportOptions): Promise<Imported> {
  const spec = specText(published, tokenizer);
  const model = checked(spec);
  const { stems } = recognise(model);
  const links = fittedLinks(published, stems);
  planAll(model, ["infer"], { targets: [target], memoryLimit });
  const { manifest, files: bundleFiles } = await compileModel(model, { targets: [target], modules: ["infer"], memoryLimit });
  const tensors = tensorsToSave(published, links, manifest);
  await files.makeFolder(folder);
  const unlock = lockFolder(folder);
  const progress = byteProgress(io, "weights", 8 * manifest.parameters);
  try {
    if (await holdsRun(files, folder)) throw new SinterError("input", `${folder} holds a run already`, "Name another folder: -o DIR");
    const record: RunRecord = {
      version: RUN_VERSION, model: model.name, data: { path: undefined, sha256: "" }, settings: model.train, manifest: await sha256(bundleFiles.get("manifest.json")!),
      compiler: COMPILER_VERSION, imported: { from: basename(published.file.path), form: published.title },
    };
    const identity = { model: model.name, data: "", wasm: codeOf(manifest.modules).map((m) => m.wasm[target]!.sha256).join(), tokenizer: await sha256(concat([...tokenizer.files.values()])) };
    const state = { step: 0, tokens: 0, batches: randomStream(model.train.seed, "batches").state(), identity };
    await writeCheckpoint(files, folder, tensors, state, progress.add);
    await beginRun(files, { folder, record, bundle: { manifest, files: bundleFiles }, tokenizer }, spec); // the record comes last: without it the folder is none
    return { model, spec, parameters: manifest.parameters, tensors: published.index.size };
  } finally {
    progress.end();
    unlock();
  }
}

function specText({ architecture, options, index, title, file }: Published, tokenizer: Tokenizer): string {
  let parameters = 0;
  for (const [name, { elements }] of index) if (!options.naming.ignored.test(name)) parameters += elements;
  return specOf(architecture, { source: `${basename(file.path)}, ${title}`, tokenizer: tokenizer.name, parameters });
}

/** A spec of our own making has errors when the published sizes do not go together. */
function checked(spec: string): Model {
  const { models, diagnostics } = checkSource(spec);
  const [model] = models;
  if (model && !hasErrors(diagnostics)) return model;
  throw new SinterError("input", `the configuration makes a spec that has errors:\n${renderAll(diagnostics, { name: "spec.sinter", text: spec }, { colour: false, columns: 100 })}`,
    "Does the configuration belong to the weights?");
}

/** In the manifest's order. The compiler's tensors and the links are two accounts of one model: they have to agree. */
function tensorsToSave(published: Published, links: readonly Link[], manifest: Manifest): TensorToSave[] {
  const byName = new Map(links.map((link) => [link.name, link]));
  const places = manifest.modules.infer!.tensors.filter((t) => t.storage === "parameter");
  return places.flatMap((place) => Array.from({ length: place.slices }, (_, slice): TensorToSave => {
    const name = checkpointName(place, slice), link = byName.get(name);
    byName.delete(name);
    if (!link || !sameShape(link.shape, place.shape)) throw new Error(`${name} [${place.shape}] is linked to ${link ? `[${link.shape}]` : "nothing"}`);
    return { name, shape: place.shape, values: () => importTensor(link, published.index) };
  })).concat(byName.size === 0 ? [] : fail([...byName.keys()]));
}

const fail = (names: readonly string[]): never => {
  throw new Error(`the module has no tensors ${names.join(", ")}`);
};

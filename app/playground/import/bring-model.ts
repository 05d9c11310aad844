/**
 * Files of a published model that were dropped on the page → a spec for the editor, the tokenizer's files,
 * and the weights' file, which goes into the model when that is open. Nothing is copied, and nothing leaves
 * the page.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { blobFiles } from "../../../runtime/browser/blob-files.ts";
import { tokenizerOfGguf } from "../../../runtime/formats/gguf/gguf-tokenizer.ts";
import type { GgufFile } from "../../../runtime/formats/gguf/gguf.ts";
import { openPublished, type Published } from "../../../runtime/formats/published.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { withinRows } from "../../../runtime/tokenizers/beside/with-beside.ts";
import { idTokenizer } from "../../../runtime/tokenizers/plain/ids.ts";
import { namesInFolders, openTokenizer } from "../../../runtime/tokenizers/tokenizer-files.ts";
import { specOfPublished } from "../../cli/runs/spec-of.ts";
import { asSpecsName } from "../../cli/runs/tokenizer-in-spec.ts";
import type { PublishedFiles } from "../model/model-calls.ts";

export interface BroughtModel {
  readonly spec: string;
  readonly weights: PublishedFiles;
  /** The tokenizer's files by name. */
  readonly tokenizer: ReadonlyMap<string, Uint8Array>;
  /** What was left out or changed. */
  readonly notes: readonly string[];
}

/** How it is trained further, unless its spec is changed: rows that fit beside a large model. */
const TRAIN = { batch: 4, steps: 200, lr: 1e-4, warmup: 10 };
const MOST_CONTEXT = 128;

/** Throws `input` where no file holds weights that are understood, or where some belong to them and lack. */
export async function bringModel(dropped: readonly File[]): Promise<BroughtModel> {
  const blobs = new Map(dropped.map((file) => [file.name, file]));
  const name = weightsAmong([...blobs.keys()]);
  const files = blobFiles(blobs);
  const published = await openPublished(files, name);
  try {
    const { vocab, context } = published.architecture;
    const found = await tokenizerFor(files, published);
    const tokenizer = found && found.size <= vocab ? asSpecsName(found) : idTokenizer(vocab);
    const { name: inSpec, files: tokenizerFiles } = withinRows(tokenizer, vocab);
    const train = { ...TRAIN, context: Math.min(context, MOST_CONTEXT) };
    const spec = specOfPublished(published, { tokenizer: inSpec, train });
    const notes = found ? published.notes : [...published.notes, "no tokenizer: texts are ids"];
    return { spec, weights: { files: blobs, name }, tokenizer: tokenizerFiles, notes };
  } finally {
    await published.file.close();
  }
}

const WEIGHTS = [/\.gguf$/i, /\.safetensors$/i, /\.bin$/i];

function weightsAmong(names: readonly string[]): string {
  const found = WEIGHTS.flatMap((ending) => names.filter((name) => ending.test(name)));
  if (found[0] !== undefined) return found[0];
  throw new SinterError(
    "input",
    "none of these files holds a model's weights",
    "Give a .gguf file, or model.safetensors with config.json and tokenizer.json.",
  );
}

async function tokenizerFor(files: Files, { file }: Published): Promise<Tokenizer | undefined> {
  if (file.format === "gguf") {
    const found = await tokenizerOfGguf(file as GgufFile);
    return "tokenizer" in found ? found.tokenizer : undefined;
  }
  for (const name of namesInFolders)
    if (await files.exists(`./${name}`)) return openTokenizer(files, `./${name}`);
  return undefined;
}

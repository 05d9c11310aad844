/**
 * Opens a published model, whatever form it has: reads its configuration, finds its tensors by name, and says
 * how Sinter's tensors are made of them.
 *
 *   folder with config.json   Hugging Face: GPT-2 (also with nanoGPT's and minGPT's names), Llama, Mistral,
 *                             Mixtral, Qwen 2 and 3
 *   FILE.safetensors          the same, with config.json beside it
 *   FILE.gguf                 GGUF 2 and 3: gpt2, llama (with experts: Mixtral), qwen2, qwen3, granite_swa;
 *                             also one of the several files that a model was split into
 *   FILE.bin                  llama2.c: legacy, v1, int8 v2
 */
import { SinterError } from "../base/errors.ts";
import { folderOf, baseName, type Files } from "../base/files.ts";
import type { Architecture } from "./architecture/architecture.ts";
import { checkFit, equalTensors, indexTensors, type TensorIndex } from "./architecture/fit.ts";
import { openGguf, type GgufFile } from "./gguf/gguf.ts";
import { architectureOfGguf } from "./gguf/gguf-config.ts";
import { CONFIG_FILE } from "./huggingface/huggingface-common.ts";
import { architectureOfConfig, MAX_CONFIG_BYTES } from "./huggingface/huggingface.ts";
import { ignoredKeysNote, refuseKeys, unknownKeys } from "../base/known-keys.ts";
import { safetensorsKeys } from "./keys/safetensors-metadata.ts";
import { isRecord, parseJson } from "./kit/json.ts";
import { linksOf, type Link, type LinkOptions } from "./architecture/links.ts";
import { architectureOfLlama2c, openLlama2c } from "./llama2c.ts";
import { namings, publishedName, type Naming, type Role, type Stems } from "./architecture/naming.ts";
import { openSafetensors, openSafetensorsFolder, readLimited } from "./safetensors-weights.ts";
import type { WeightFile } from "./kit/weights.ts";

export interface Published {
  /** For example "Hugging Face GPT-2", "llama2.c v1", "GGUF (llama)". */
  readonly title: string;
  readonly architecture: Architecture;
  readonly file: WeightFile;
  readonly index: TensorIndex;
  readonly options: LinkOptions;
  /** Lines for the user: keys that are ignored, and tensors that repeat the token embedding. */
  readonly notes: readonly string[];
}

export type PublishedKind = "folder" | "safetensors" | "gguf" | "llama2.c";

/** What a path is, told by the file's first bytes and not by its name. */
export async function kindOf(files: Files, path: string): Promise<PublishedKind> {
  if (!(await files.exists(path)))
    throw new SinterError("input", `there is no file or folder ${path}`, "Check the path.");
  if (await isFolder(files, path)) return "folder";
  const file = await files.open(path);
  try {
    const first = await file.read(0, Math.min(9, file.bytes));
    if (String.fromCharCode(...first.subarray(0, 4)) === "GGUF") return "gguf";
    // A safetensors file begins with a length (here: below 2^48) and then "{".
    return first[8] === 0x7b && first[6] === 0 && first[7] === 0 ? "safetensors" : "llama2.c";
  } finally {
    await file.close();
  }
}

async function isFolder(files: Files, path: string): Promise<boolean> {
  try {
    await files.list(path);
    return true;
  } catch {
    return false;
  }
}

export async function openPublished(files: Files, path: string): Promise<Published> {
  const kind = await kindOf(files, path);
  const base = baseName(path);
  switch (kind) {
    case "folder":
      return fromHuggingFace(files, path, base, () => openSafetensorsFolder(files, path));
    case "safetensors":
      return fromHuggingFace(files, folderOf(path), base, () => openSafetensors(files, path));
    case "gguf":
      return closing(await openGguf(files, path), fromGguf);
    case "llama2.c":
      return closing(await openLlama2c(files, path), (file) => {
        const index = indexTensors(file, namings.meta);
        const title = `llama2.c ${file.version}`;
        return settleHeads(title, architectureOfLlama2c(file, base), file, index, namings.meta);
      });
  }
}

async function fromGguf(file: GgufFile): Promise<Published> {
  const index = indexTensors(file, namings.gguf);
  const { architecture, published, notes } = await architectureOfGguf(file, index);
  const experts = architecture.experts ? `, ${architecture.experts.count} experts` : "";
  const title = `GGUF (${published.type}${experts})`;
  return settleHeads(title, architecture, file, index, published.naming, notes);
}

async function fromHuggingFace(
  files: Files,
  folder: string,
  base: string,
  open: () => Promise<WeightFile>,
): Promise<Published> {
  const path = `${folder}/${CONFIG_FILE}`;
  if (!(await files.exists(path)))
    throw new SinterError(
      "input",
      `${folder} has no ${CONFIG_FILE}`,
      "Weights in safetensors need the configuration that was published with them, in the same folder.",
    );
  const config = parseJson(await readLimited(files, path, MAX_CONFIG_BYTES), path);
  return closing(await open(), async (file) => {
    const [gpt2, llama] = [indexTensors(file, namings.gpt2), indexTensors(file, namings.llama)];
    refuseKeys(safetensorsKeys, file.metadata, file.path);
    const { architecture, notes } = architectureOfConfig(
      config,
      path,
      base,
      (name) => gpt2.has(name) || llama.has(name),
    );
    const unknown = ignoredKeysNote(
      `__metadata__ of ${baseName(file.path)}`,
      unknownKeys(safetensorsKeys, file.metadata.keys()),
    );
    const naming = namings[architecture.family];
    const title = isRecord(config) && config.get("model_type");
    const form =
      architecture.family === "llama" && title !== "llama" ? `Hugging Face ${String(title)}` : naming.title;
    return settleHeads(form, architecture, file, architecture.family === "gpt2" ? gpt2 : llama, naming, [
      ...notes,
      ...(unknown === undefined ? [] : [unknown]),
    ]);
  });
}

async function closing<F extends WeightFile>(
  file: F,
  work: (file: F) => Published | Promise<Published>,
): Promise<Published> {
  try {
    return await work(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Settles whether the output has a matrix of its own. The file may lack it (then it is the token embedding),
 * have it twice (then the two are checked to be equal), or have it under the output's name only. Throws
 * `input` where the two differ although the configuration says that they are tied.
 */
async function settleHeads(
  title: string,
  found: Architecture,
  file: WeightFile,
  all: TensorIndex,
  naming: Naming,
  said: readonly string[] = [],
): Promise<Published> {
  const index = new Map(all);
  const notes = [...said];
  const nameOf = (role: Role): string => publishedName(naming, role, "weight", 0)!;
  const token = index.get(nameOf("token"));
  const head = index.get(nameOf("head"));
  let { tied } = found;
  if (!token && head) {
    index.set(nameOf("token"), head);
    index.delete(nameOf("head"));
    notes.push(`${head.name} is the token embedding too`);
    tied = true;
  } else if (token && head) {
    const same = await equalTensors(token, head);
    if (same) {
      index.delete(nameOf("head"));
      notes.push(`${head.name} equals ${token.name}`);
    } else if (tied)
      throw new SinterError(
        "input",
        `${file.path}: the output is said to be tied to the token embedding, but ${head.name} differs ` +
          `from ${token.name}`,
        'Set "tie_word_embeddings": false in config.json if the output has a matrix of its own.',
      );
    tied = same;
  } else tied = true;
  const fused = index.has(publishedName(naming, "qkv", "weight", 0) ?? "");
  return {
    title,
    architecture: { ...found, tied },
    file,
    index,
    notes,
    options: { naming, fused, inOut: naming.matrices === "told apart" && isInOut(index, found) },
  };
}

/**
 * Whether matrices are [in, out], as Hugging Face's Conv1D has them: attention's is [width, 3 · width] there,
 * and [3 · width, width] otherwise.
 */
const isInOut = (index: TensorIndex, { width }: Architecture): boolean =>
  index.get("h.0.attn.c_attn.weight")?.shape[0] === width;

/**
 * The links to Sinter's tensors. Throws `input` unless each piece is there in its shape and nothing is left
 * over.
 */
export function fittedLinks({ architecture, options, index, file }: Published, stems: Stems): Link[] {
  const links = linksOf(architecture, stems, options);
  checkFit(links, index, options.naming, file.path);
  return links;
}

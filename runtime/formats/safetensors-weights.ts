/**
 * Opens weights in safetensors: one file, or several that model.safetensors.index.json names
 * (huggingface.co/docs/safetensors). The format itself is read in store/safetensors.ts.
 */
import { SinterError } from "../base/errors.ts";
import type { Files, ReadableFile } from "../base/files.ts";
import { headerBytes, readHeader, type SafeFile } from "../store/safetensors.ts";
import { parseJson, record, type Json } from "./kit/json.ts";
import {
  corruptFile,
  floatReader,
  isReadFormat,
  quoted,
  unreadable,
  type Metadata,
  type StoredTensor,
  type WeightFile,
} from "./kit/weights.ts";

export const SINGLE_FILE = "model.safetensors";
export const INDEX_FILE = "model.safetensors.index.json";
const MAX_INDEX_BYTES = 8 << 20;
const MAX_SHARDS = 4096;

export async function openSafetensors(files: Files, path: string): Promise<WeightFile> {
  const file = await files.open(path);
  try {
    const safe = await readSafeHeader(file, path);
    return {
      format: "safetensors",
      path,
      version: "",
      metadata: safe.metadata,
      tensors: tensorsOf(safe, file, path),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

export async function readSafeHeader(file: ReadableFile, path: string): Promise<SafeFile> {
  const length = headerBytes(await file.read(0, Math.min(8, file.bytes)), file.bytes, path);
  return readHeader(await file.read(8, length), file.bytes, path);
}

function tensorsOf(safe: SafeFile, file: ReadableFile, path: string): Map<string, StoredTensor> {
  return new Map(
    [...safe.tensors.values()].map(({ name, dtype, shape, begin, end }) => [
      name,
      {
        name,
        type: dtype,
        shape,
        elements: shape.reduce((a, b) => a * b, 1),
        bytes: end - begin,
        offset: begin,
        file: path,
        fill: (at, into) => file.fill(begin + at, into),
        floats: isReadFormat(dtype) ? floatReader(file, begin, dtype) : unreadable(path, name, dtype),
      },
    ]),
  );
}

/** Opens STEM.safetensors, or the files of its index; undefined: there is neither. */
export async function openStem(files: Files, folder: string, stem: string): Promise<WeightFile | undefined> {
  const single = `${folder}/${stem}.safetensors`;
  const index = `${single}.index.json`;
  if (await files.exists(index)) return openShards(files, folder, index);
  return (await files.exists(single)) ? openSafetensors(files, single) : undefined;
}

/** Opens the weights of a folder: those of the index if there is one, otherwise the single file. */
export async function openSafetensorsFolder(files: Files, folder: string): Promise<WeightFile> {
  const found = await openStem(files, folder, "model");
  if (found) return found;
  const other = (await files.list(folder)).filter((name) => name.endsWith(".safetensors"));
  if (other.length === 1) return openSafetensors(files, `${folder}/${other[0]}`);
  throw new SinterError(
    "input",
    `${folder} has no ${SINGLE_FILE} and no ${INDEX_FILE}`,
    other.length > 1
      ? `It has ${other.length} .safetensors files, and no index says which tensors are in which.`
      : "Name a folder with config.json and weights, or a file.",
  );
}

async function openShards(files: Files, folder: string, index: string): Promise<WeightFile> {
  const places = parseIndex(parseJson(await readLimited(files, index, MAX_INDEX_BYTES), index), index);
  const opened = new Map<string, WeightFile>();
  const close = async (): Promise<void> => {
    for (const shard of opened.values()) await shard.close();
  };
  try {
    const tensors = new Map<string, StoredTensor>();
    for (const [name, shard] of places) {
      const file = opened.get(shard) ?? (await openSafetensors(files, `${folder}/${shard}`));
      opened.set(shard, file);
      const tensor = file.tensors.get(name);
      if (!tensor)
        throw corruptFile(
          index,
          `tensor ${quoted(name)} is said to be in ${shard}, and is not`,
          "Fetch index and shards again, from one place.",
        );
      tensors.set(name, tensor);
    }
    for (const shard of opened.values())
      for (const name of shard.tensors.keys())
        if (!places.has(name))
          throw corruptFile(
            index,
            `tensor ${quoted(name)} of ${shard.path} is not in the index`,
            "Fetch index and shards again, from one place.",
          );
    const version = `${opened.size} shards`;
    const metadata = metadataOf([...opened.values()]);
    return { format: "safetensors", path: index, version, metadata, tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The metadata of all shards. Where they differ, all their values stand one after the other. */
function metadataOf(shards: readonly WeightFile[]): Metadata {
  const said = new Map<string, Set<string>>();
  for (const { metadata } of shards)
    for (const [key, value] of metadata) said.set(key, (said.get(key) ?? new Set()).add(String(value)));
  return new Map([...said].map(([key, values]) => [key, [...values].join("; ")]));
}

/**
 * The shard of each tensor. A shard has to be a plain file name, so that nothing outside of the folder is
 * opened.
 */
function parseIndex(value: Json, index: string): ReadonlyMap<string, string> {
  const map = record(record(value, index, "the index").get("weight_map"), index, "weight_map");
  const out = new Map<string, string>();
  const shards = new Set<string>();
  for (const [name, shard] of map) {
    if (typeof shard !== "string" || !/^[\w-][\w.-]*\.safetensors$/.test(shard))
      throw corruptFile(
        index,
        `tensor ${quoted(name)} is said to be in ${quoted(String(shard))}, which is no plain name of a ` +
          ".safetensors file",
      );
    if (shards.add(shard).size > MAX_SHARDS) throw corruptFile(index, `more than ${MAX_SHARDS} shards`);
    out.set(name, shard);
  }
  return out;
}

/** Reads all of a text file. Throws `corrupt` when it is longer than `limit` bytes. */
export async function readLimited(
  files: Files,
  path: string,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await files.open(path);
  try {
    if (file.bytes > limit)
      throw corruptFile(path, `it has ${file.bytes} bytes; at most ${limit} are expected`);
    return await file.read(0, file.bytes);
  } finally {
    await file.close();
  }
}

/**
 * Opens the weights in a GGUF file, or in the several files that a model was split into, as a WeightFile like
 * any other. gguf-header.ts describes the format.
 */
import type { Files, ReadableFile } from "../../base/files.ts";
import {
  readArray,
  readGgufHeader,
  type GgufArray,
  type GgufHeader,
  type GgufValue,
  type Scalar,
} from "./gguf-header.ts";
import { checkPart, missingPart, splitOf, splitPaths, type Split } from "./gguf-split.ts";
import {
  corruptFile,
  encodedReader,
  floatReader,
  isReadFormat,
  quoted,
  unreadable,
  type MetadataValue,
  type StoredTensor,
  type WeightFile,
} from "../kit/weights.ts";

export interface GgufFile extends WeightFile {
  readonly header: GgufHeader;
  /** The values of an array; undefined where there is none. Throws `corrupt` when it has more than `most`. */
  array(key: string, most?: number): Promise<readonly Scalar[] | undefined>;
}

/** Arrays up to this length are part of `metadata`. */
const SHORT = 16;

/** Opens the file; if it is one of several, opens all of them as one. */
export async function openGguf(files: Files, path: string): Promise<GgufFile> {
  const named = await openOne(files, path);
  let split: Split | undefined;
  try {
    split = splitOf(named.metadata, path);
  } catch (error) {
    await named.close();
    throw error;
  }
  return split ? openSplit(files, path, named, split) : named;
}

async function openSplit(files: Files, path: string, named: GgufFile, split: Split): Promise<GgufFile> {
  const parts: GgufFile[] = [named];
  const close = async (): Promise<void> => {
    for (const part of parts) await part.close();
  };
  try {
    const paths = splitPaths(path, split);
    const missing: string[] = [];
    for (const each of paths) if (each !== path && !(await files.exists(each))) missing.push(each);
    if (missing.length > 0) throw missingPart(path, split, missing);
    const inOrder: GgufFile[] = [];
    for (const each of paths) {
      const part = each === path ? named : await openOne(files, each);
      if (part !== named) parts.push(part);
      checkPart(each, splitOf(part.metadata, each), split, inOrder.length);
      inOrder.push(part);
    }
    const [first] = inOrder as [GgufFile, ...GgufFile[]];
    const version = `${first.version}, ${paths.length} files`;
    return { ...first, version, tensors: tensorsOfAll(inOrder, split), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function tensorsOfAll(parts: readonly GgufFile[], { tensors: said }: Split): Map<string, StoredTensor> {
  const all = new Map<string, StoredTensor>();
  for (const { path, tensors } of parts)
    for (const [name, tensor] of tensors) {
      if (all.has(name))
        throw corruptFile(
          path,
          `tensor ${quoted(name)} is in ${all.get(name)!.file} already`,
          "Fetch all files again, from one place.",
        );
      all.set(name, tensor);
    }
  const [{ path }] = parts as [GgufFile];
  if (said !== undefined && said !== all.size)
    throw corruptFile(
      path,
      `its files have ${all.size} tensors together; it says ${said}`,
      "Fetch all files again, from one place.",
    );
  return all;
}

async function openOne(files: Files, path: string): Promise<GgufFile> {
  const file = await files.open(path);
  try {
    const header = await readGgufHeader(file, path);
    const metadata = new Map<string, MetadataValue>();
    for (const [key, value] of header.pairs) metadata.set(key, await shown(file, path, key, value));
    return {
      format: "gguf",
      path,
      version: `${header.version}`,
      header,
      metadata,
      tensors: tensorsOf(header, file, path),
      close: () => file.close(),
      async array(key, most) {
        const value = header.pairs.get(key);
        return value?.type === "array" ? readArray(file, path, value.array, key, most) : undefined;
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function shown(
  file: ReadableFile,
  path: string,
  key: string,
  value: GgufValue,
): Promise<MetadataValue> {
  if (value.type !== "array") return value.value;
  const array: GgufArray = value.array;
  return array.count <= SHORT ? readArray(file, path, array, key) : { type: array.type, count: array.count };
}

const tensorsOf = (header: GgufHeader, file: ReadableFile, path: string): Map<string, StoredTensor> =>
  new Map(
    [...header.tensors.values()].map(({ name, type, shape, bytes, offset }) => [
      name,
      {
        name,
        type: type.name,
        shape,
        elements: shape.reduce((a, b) => a * b, 1),
        bytes,
        offset,
        file: path,
        fill: (at, into) => file.fill(offset + at, into),
        ...(isReadFormat(type.name)
          ? { floats: floatReader(file, offset, type.name), encoded: encodedReader(file, offset, type.name) }
          : { floats: unreadable(path, name, type.name) }),
      },
    ]),
  );

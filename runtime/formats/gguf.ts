/** Weights in a GGUF file, behind the interface of all readers. The format: gguf-header.ts. */
import type { Files, ReadableFile } from "../files.ts";
import { readArray, readGgufHeader, type GgufArray, type GgufHeader, type GgufValue, type Scalar } from "./gguf-header.ts";
import { encodedReader, floatReader, isReadFormat, unreadable, type MetadataValue, type StoredTensor, type WeightFile } from "./weights.ts";

export interface GgufFile extends WeightFile {
  readonly header: GgufHeader;
  /** Values of a long array. Throws `corrupt` when there are more than `most`. */
  array(key: string, most?: number): Promise<readonly Scalar[] | undefined>;
}

/** Arrays up to this length are part of `metadata`. */
const SHORT = 16;

export async function openGguf(files: Files, path: string): Promise<GgufFile> {
  const file = await files.open(path);
  try {
    const header = await readGgufHeader(file, path);
    const metadata = new Map<string, MetadataValue>();
    for (const [key, value] of header.pairs) metadata.set(key, await shown(file, path, key, value));
    return {
      format: "gguf", path, version: `${header.version}`, header, metadata, tensors: tensorsOf(header, file, path), close: () => file.close(),
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

async function shown(file: ReadableFile, path: string, key: string, value: GgufValue): Promise<MetadataValue> {
  if (value.type !== "array") return value.value;
  const array: GgufArray = value.array;
  return array.count <= SHORT ? readArray(file, path, array, key) : { type: array.type, count: array.count };
}

const tensorsOf = (header: GgufHeader, file: ReadableFile, path: string): Map<string, StoredTensor> =>
  new Map([...header.tensors.values()].map(({ name, type, shape, bytes, offset }) => [name, {
    name, type: type.name, shape, elements: shape.reduce((a, b) => a * b, 1), bytes, offset, file: path,
    fill: (at, into) => file.fill(offset + at, into),
    ...(isReadFormat(type.name)
      ? { floats: floatReader(file, offset, type.name), encoded: encodedReader(file, offset, type.name) }
      : { floats: unreadable(path, name, type.name) }),
  }]));

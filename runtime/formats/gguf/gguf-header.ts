/**
 * Reads the header of a GGUF file, version 2 or 3 (github.com/ggml-org/ggml, docs/gguf.md):
 *
 *   "GGUF"  version u32  tensors u64  pairs u64
 *   pair    key: string  type u32  value
 *             string: length u64, UTF-8
 *             array: type u32, length u64, values
 *   tensor  name: string  dimensions u32  sizes u64…, innermost first  type u32  offset u64 in the data
 *   data    begins at the next multiple of general.alignment; every tensor begins at such a multiple,
 *           right after the tensor before it
 *
 * Long arrays, such as a vocabulary, are not read here: the header notes where they are, and `readArray`
 * reads them. So the memory that a header takes does not depend on what it claims.
 */
import type { ReadableFile } from "../../base/files.ts";
import { Cursor } from "../kit/cursor.ts";
import {
  ALIGNMENT_KEY,
  DEFAULT_ALIGNMENT,
  MAX_ALIGNMENT,
  tensorTypes,
  valueTypes,
  type TensorType,
  type ValueType,
} from "./gguf-types.ts";
import { product, quoted } from "../kit/weights.ts";

export type Scalar = string | number | bigint | boolean;

export interface GgufArray {
  readonly type: Exclude<ValueType, "array">;
  readonly count: number;
  /** Where the first value begins, in bytes. */
  readonly offset: number;
}

export type GgufValue =
  | { readonly type: Exclude<ValueType, "array">; readonly value: Scalar }
  | { readonly type: "array"; readonly array: GgufArray };

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /** Row-major, outermost first: the reverse of the file's order. */
  readonly shape: readonly number[];
  readonly bytes: number;
  /** From the start of the file, in bytes. */
  readonly offset: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly alignment: number;
  readonly pairs: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  readonly dataStart: number;
}

/** Far above what any model has. A header of that size still takes only a few megabytes. */
const MAX_PAIRS = 4096;
const MAX_TENSORS = 65_536;
/** A header cannot have more entries than the file has bytes for: the least that a pair and a tensor take. */
const LEAST_PAIR_BYTES = 8 + 4 + 1; // a key's length, a type, a value
const LEAST_TENSOR_BYTES = 8 + 4 + 8 + 4; // a name's length, dimensions, a size, a type
const MAX_KEY = 65_535;
const MAX_NAME = 256;
/** A chat template is the longest text that a header should have. */
const MAX_TEXT = 4 << 20;
const MAX_TEXTS_TOGETHER = 16 << 20;
export const MAX_ARRAY = 1 << 24;

export async function readGgufHeader(file: ReadableFile, path: string): Promise<GgufHeader> {
  const at = new Cursor(file, path);
  const magic = await at.bytes(4, 4, "the magic number");
  if (String.fromCharCode(...magic) !== "GGUF") at.fail("it does not begin with GGUF", 0);
  const version = await at.u32("the version");
  if (version !== 2 && version !== 3) {
    // a small number in big-endian order has its bytes at the other end
    const isBigEndian = (version & 0xffff) === 0;
    if (isBigEndian) at.fail("the file is big-endian; little-endian ones are read", 4);
    at.fail(`version ${version}; versions 2 and 3 are read`, 4);
  }
  const mostTensors = Math.min(MAX_TENSORS, file.bytes / LEAST_TENSOR_BYTES);
  const tensorCount = await at.count("the number of tensors", mostTensors);
  const mostPairs = Math.min(MAX_PAIRS, file.bytes / LEAST_PAIR_BYTES);
  const pairCount = await at.count("the number of metadata pairs", mostPairs);
  const pairs = await readPairs(at, pairCount);
  const alignment = alignmentOf(pairs, at);
  const found = await readTensors(at, tensorCount);
  const dataStart = aligned(at.at, alignment);
  return {
    version,
    alignment,
    pairs,
    tensors: placeTensors(found, dataStart, alignment, file.bytes, at),
    dataStart,
  };
}

async function readPairs(at: Cursor, count: number): Promise<ReadonlyMap<string, GgufValue>> {
  const pairs = new Map<string, GgufValue>();
  let characters = 0;
  for (let i = 0; i < count; i++) {
    const begin = at.at;
    const key = await text(at, MAX_KEY, `key ${i}`);
    if (key === "") at.fail(`key ${i} is empty`, begin);
    if (pairs.has(key)) at.fail(`the key ${quoted(key)} stands there twice`, begin);
    const value = await readValue(at, `the value of ${quoted(key)}`);
    characters += key.length;
    if (value.type === "string") characters += (value.value as string).length;
    if (characters > MAX_TEXTS_TOGETHER)
      at.fail(`keys and texts of more than ${MAX_TEXTS_TOGETHER} characters together`, begin);
    pairs.set(key, value);
  }
  return pairs;
}

/** What a string's length takes, before its text. */
const STRING_LENGTH_BYTES = 8;

const text = async (at: Cursor, most: number, what: string): Promise<string> =>
  at.text(await at.count(`the length of ${what}`, Math.min(most, at.left)), most, what);

async function typeOf(at: Cursor, what: string): Promise<ValueType> {
  const begin = at.at;
  const number = await at.u32(`the type of ${what}`);
  return valueTypes[number]?.name ?? at.fail(`${what} has the unknown type ${number}`, begin);
}

async function readValue(at: Cursor, what: string): Promise<GgufValue> {
  const type = await typeOf(at, what);
  if (type !== "array") return { type, value: await readScalar(at, type, what) };
  const begin = at.at;
  const inner = await typeOf(at, what);
  if (inner === "array") return at.fail(`${what} is an array of arrays`, begin);
  const { bytes } = valueTypes.find((t) => t.name === inner)!;
  const count = await at.count(`the length of ${what}`, Math.min(MAX_ARRAY, at.left / bytes));
  const offset = at.at;
  if (inner === "string")
    for (let i = 0; i < count; i++)
      at.skip(await at.count(`the length of item ${i} of ${what}`, at.left), what);
  else at.skip(count * bytes, what);
  return { type: "array", array: { type: inner, count, offset } };
}

async function readScalar(at: Cursor, type: Exclude<ValueType, "array">, what: string): Promise<Scalar> {
  switch (type) {
    case "u8":
      return at.u8(what);
    case "i8":
      return ((await at.u8(what)) << 24) >> 24;
    case "u16":
      return at.u16(what);
    case "i16":
      return ((await at.u16(what)) << 16) >> 16;
    case "u32":
      return at.u32(what);
    case "i32":
      return at.i32(what);
    case "f32":
      return at.f32(what);
    case "f64":
      return at.f64(what);
    case "u64":
      return at.u64(what);
    case "i64":
      return at.i64(what);
    case "string":
      return text(at, MAX_TEXT, what);
    case "bool": {
      const begin = at.at;
      const byte = await at.u8(what);
      return byte <= 1 ? byte === 1 : at.fail(`${what} is a bool of value ${byte}`, begin);
    }
  }
}

/** Reads all values of an array: at most `most` of them, and at most `mostBytes` of texts. */
export async function readArray(
  file: ReadableFile,
  path: string,
  array: GgufArray,
  what: string,
  most = MAX_ARRAY,
  mostBytes = MAX_TEXTS_TOGETHER,
): Promise<Scalar[]> {
  const at = new Cursor(file, path, array.offset);
  if (array.count > most) at.fail(`${what} has ${array.count} items; at most ${most} are possible`);
  const out: Scalar[] = [];
  let left = mostBytes;
  for (let i = 0; i < array.count; i++) {
    if (array.type !== "string") out.push(await readScalar(at, array.type, what));
    else {
      const begin = at.at;
      const value = await text(at, Math.min(MAX_KEY, at.left), `item ${i} of ${what}`);
      left -= at.at - begin - STRING_LENGTH_BYTES;
      if (left < 0) at.fail(`${what} has more than ${mostBytes} bytes`, begin);
      out.push(value);
    }
  }
  return out;
}

function alignmentOf(pairs: ReadonlyMap<string, GgufValue>, at: Cursor): number {
  const found = pairs.get(ALIGNMENT_KEY);
  if (!found) return DEFAULT_ALIGNMENT;
  if (found.type !== "u32") return at.fail(`${ALIGNMENT_KEY} is ${found.type}; it has to be u32`);
  const value = found.value as number;
  if (value < 1 || value > MAX_ALIGNMENT || (value & (value - 1)) !== 0)
    at.fail(`${ALIGNMENT_KEY} is ${value}; it has to be a power of two up to ${MAX_ALIGNMENT}`);
  return value;
}

interface Found extends Omit<GgufTensor, "offset"> {
  /** From the start of the data, in bytes. */
  readonly relative: number;
  readonly begin: number;
}

async function readTensors(at: Cursor, count: number): Promise<readonly Found[]> {
  const names = new Set<string>();
  const out: Found[] = [];
  for (let i = 0; i < count; i++) {
    const begin = at.at;
    const name = await text(at, MAX_NAME, `the name of tensor ${i}`);
    const what = `tensor ${quoted(name)}`;
    if (names.has(name)) at.fail(`${what} stands there twice`, begin);
    names.add(name);
    const dimensions = await at.u32(`the number of dimensions of ${what}`);
    if (dimensions < 1 || dimensions > 4)
      at.fail(`${what} has ${dimensions} dimensions; 1 to 4 are possible`, begin);
    const sizes: number[] = [];
    for (let d = 0; d < dimensions; d++)
      sizes.push(await at.count(`dimension ${d} of ${what}`, Number.MAX_SAFE_INTEGER));
    const number = await at.u32(`the type of ${what}`);
    const type = tensorTypes.get(number) ?? at.fail(`${what} has the unknown type ${number}`, begin);
    if (sizes.includes(0)) at.fail(`${what} has the shape [${sizes.toReversed()}]: a dimension is 0`, begin);
    if (sizes[0]! % type.block !== 0)
      at.fail(`${what} is ${type.name}, in blocks of ${type.block}, and has rows of ${sizes[0]}`, begin);
    const bytes =
      product(sizes[0]! / type.block, ...sizes.slice(1), type.bytes) ??
      at.fail(`${what} has the shape [${sizes.toReversed()}]: more bytes than can be counted`, begin);
    if (product(...sizes) === undefined)
      at.fail(`${what} has the shape [${sizes.toReversed()}]: more elements than can be counted`, begin);
    const relative = await at.count(`the offset of ${what}`, Number.MAX_SAFE_INTEGER);
    out.push({ name, type, shape: sizes.reverse(), bytes, relative, begin });
  }
  return out;
}

const aligned = (n: number, to: number): number => Math.ceil(n / to) * to;

/**
 * Checks that the tensors lie one after the other, each at a multiple of the alignment, with nothing but
 * padding after the last one.
 */
function placeTensors(
  found: readonly Found[],
  dataStart: number,
  alignment: number,
  fileBytes: number,
  at: Cursor,
): ReadonlyMap<string, GgufTensor> {
  const out = new Map<string, GgufTensor>();
  let next = 0;
  for (const { name, type, shape, bytes, relative, begin } of found.toSorted(
    (a, b) => a.relative - b.relative,
  )) {
    const what = `tensor ${quoted(name)}`;
    if (relative % alignment !== 0)
      at.fail(`${what} begins at byte ${relative} of the data, no multiple of ${alignment}`, begin);
    if (relative !== next)
      at.fail(
        `${what} begins at byte ${relative} of the data, ` +
          `${relative < next ? "inside another" : "leaving a hole"}; ${next} was expected`,
        begin,
      );
    const offset = dataStart + relative;
    if (offset + bytes > fileBytes)
      at.fail(`${what} ends at byte ${offset + bytes} of a file of ${fileBytes}`, begin);
    out.set(name, { name, type, shape, bytes, offset });
    next = aligned(relative + bytes, alignment);
  }
  if (fileBytes > Math.max(dataStart + next, at.at + alignment))
    at.fail(`${fileBytes - dataStart - next} bytes after the last tensor`, dataStart + next);
  return new Map(found.map(({ name }) => [name, out.get(name)!]));
}

/**
 * The safetensors format, reader and writer of our own (huggingface.co/docs/safetensors, "Format").
 *
 *   8 bytes  N, unsigned little-endian
 *   N bytes  a JSON object, first byte "{", padded with spaces:
 *            name → { dtype, shape, data_offsets: [begin, end] }
 *            and optionally "__metadata__" → { text: text }
 *   rest     the tensors' bytes, little-endian, row-major, one after the other without holes
 *
 * The reader trusts nothing: a file is refused before anything is allocated by one of its numbers.
 */
import { SinterError } from "../base/errors.ts";
import { parseHeader, type HeaderEntry } from "./safetensors-header.ts";

export type SafeDType = keyof typeof dtypeBytes;

/** Bytes per element. The types that the format's own library knew in version 0.5. */
export const dtypeBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

/** As in the format's own library. */
export const MAX_HEADER_BYTES = 100_000_000;

export interface SafeTensor {
  readonly name: string;
  readonly dtype: SafeDType;
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

export interface SafeFile {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
}

const corrupt = (from: string, why: string): SinterError =>
  new SinterError(
    "corrupt",
    `${from}: ${why}`,
    "The file is damaged or was not written as safetensors; use another copy.",
  );

/** How many bytes of header follow the first eight. `fileBytes` is the length of the whole file. */
export function headerBytes(first: Uint8Array, fileBytes: number, from: string): number {
  if (fileBytes < 8 || first.length < 8)
    throw corrupt(from, `${fileBytes} bytes are too few: the length of the header takes 8`);
  const view = new DataView(first.buffer, first.byteOffset);
  const length = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  if (length > MAX_HEADER_BYTES)
    throw corrupt(from, `offset 0: a header of ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`);
  if (8 + length > fileBytes)
    throw corrupt(from, `offset 0: a header of ${length} bytes in a file of ${fileBytes}`);
  if (length < 2) throw corrupt(from, `offset 0: a header of ${length} bytes is no JSON object`);
  return length;
}

/** Reads and checks a header; `header` is its JSON alone. Throws `corrupt`. */
export function readHeader(header: Uint8Array, fileBytes: number, from: string): SafeFile {
  const fail = (why: string): never => {
    throw corrupt(from, why);
  };
  const { metadata, entries } = parseHeader(header, fail);
  const dataStart = 8 + header.length;
  const tensors = [...entries].map(([name, entry]) =>
    checkEntry(name, entry, dataStart, fileBytes - dataStart, fail),
  );
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = dataStart;
  for (const t of tensors) {
    const how = t.begin > at ? "leaving a hole" : "inside another";
    if (t.begin !== at)
      fail(
        `offset ${Math.min(at, t.begin)}: tensor ${show(t.name)} begins at ${t.begin}, ${how}; ${at} ` +
          "was expected",
      );
    at = t.end;
  }
  if (at !== fileBytes) fail(`offset ${at}: ${fileBytes - at} bytes after the last tensor`);
  return { metadata, tensors: new Map(tensors.map((t) => [t.name, t])) };
}

function checkEntry(
  name: string,
  entry: HeaderEntry,
  dataStart: number,
  dataBytes: number,
  fail: (why: string) => never,
): SafeTensor {
  const what = `tensor ${show(name)}`;
  const {
    dtype,
    shape,
    offsets: [begin, end],
  } = entry;
  if (!Object.hasOwn(dtypeBytes, dtype)) return fail(`${what}: unknown dtype ${show(dtype)}`);
  if (begin > end) fail(`${what}: ends at ${end}, before it begins at ${begin}`);
  if (end > dataBytes) fail(`${what}: ends at byte ${end} of ${dataBytes} bytes of data`);
  let bytes: number = dtypeBytes[dtype as SafeDType];
  for (const n of shape) {
    bytes *= n;
    if (!Number.isSafeInteger(bytes))
      fail(`${what}: its shape [${shape}] has more elements than can be counted`);
  }
  if (bytes !== end - begin)
    fail(`${what}: [${shape}] of ${dtype} takes ${bytes} bytes; it has ${end - begin}`);
  return { name, dtype: dtype as SafeDType, shape, begin: dataStart + begin, end: dataStart + end };
}

/** Reads and checks a whole file in memory. Throws `corrupt`. */
export function readSafetensors(bytes: Uint8Array, from: string): SafeFile {
  const length = headerBytes(bytes.subarray(0, 8), bytes.length, from);
  return readHeader(bytes.subarray(8, 8 + length), bytes.length, from);
}

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: SafeDType;
  readonly shape: readonly number[];
}

/**
 * The first bytes of a file: length and header, for tensors whose bytes follow in this order. Data begin at a
 * multiple of 64.
 */
export function writeHeader(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  const names = new Set<string>();
  let at = 0;
  for (const { name, dtype, shape } of tensors) {
    if (name === "__metadata__" || names.has(name)) throw new Error(`two tensors named ${name}`);
    names.add(name);
    const end = at + shape.reduce((a, b) => a * b, dtypeBytes[dtype] as number);
    header.push([name, { dtype, shape, data_offsets: [at, end] }]);
    at = end;
  }
  // By hand: an object would put names such as "7" first, and lose "__proto__".
  const json = new TextEncoder().encode(
    `{${header.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")}}`,
  );
  const out = new Uint8Array(Math.ceil((8 + json.length) / 64) * 64).fill(0x20);
  out.set(json, 8);
  const view = new DataView(out.buffer);
  view.setUint32(0, out.length - 8, true);
  view.setUint32(4, 0, true);
  return out;
}

export const show = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

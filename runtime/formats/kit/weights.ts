/**
 * What every reader of weights gives: named tensors whose numbers are read on demand, some at a time, as f32.
 * A file is never read into memory as a whole, and what its header claims is checked against its length
 * before anything is allocated.
 */
import { SinterError } from "../../base/errors.ts";
import type { ReadableFile } from "../../base/files.ts";
import { blockFormats, type BlockFormat } from "./ggml-blocks.ts";
import { numberFormats } from "../../contract/number-formats.ts";

export type WeightFormat = "safetensors" | "gguf" | "llama2.c";

export interface StoredTensor {
  readonly name: string;
  /** The number format, by the file's name for it: "BF16", "Q8_0", "Q6_K". */
  readonly type: string;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  /** How many elements it has. */
  readonly elements: number;
  /** How many bytes it has in the file. */
  readonly bytes: number;
  /** Where it begins in `file`, in bytes. */
  readonly offset: number;
  readonly file: string;
  /** Fills `into` with its stored bytes, from byte `at` of the tensor on. */
  fill(at: number, into: Uint8Array): Promise<void>;
  /**
   * The elements from `from` to `from + count − 1` as f32. Both numbers are multiples of the format's block.
   * Throws `input` for a type that is not read.
   */
  floats(from: number, count: number): Promise<Float32Array<ArrayBuffer>>;
  /** The stored bytes of the same elements, for formats whose reader gives them. */
  encoded?(from: number, count: number): Promise<Uint8Array<ArrayBuffer>>;
}

export type Metadata = ReadonlyMap<string, MetadataValue>;
/** Long lists stay in the file, and are represented by their type and length. */
export type MetadataValue =
  | string
  | number
  | bigint
  | boolean
  | readonly (string | number | bigint | boolean)[]
  | { readonly type: string; readonly count: number };

export interface WeightFile {
  readonly format: WeightFormat;
  /** The path that messages name. */
  readonly path: string;
  /** For example "3", "legacy", "v2, int8 in groups of 64". */
  readonly version: string;
  readonly metadata: Metadata;
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  close(): Promise<void>;
}

/**
 * The product of sizes from a file; undefined when it is too large to be exact (≥ 2^53) or a size is no
 * natural number.
 */
export function product(...sizes: readonly number[]): number | undefined {
  let out = 1n;
  for (const n of sizes) {
    if (!Number.isSafeInteger(n) || n < 0) return undefined;
    out *= BigInt(n);
    if (out > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  }
  return Number(out);
}

export const quoted = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

export const corruptFile = (
  path: string,
  why: string,
  hint = "The file is damaged or was not written in this format; use another copy.",
): SinterError => new SinterError("corrupt", `${path}: ${why}`, hint);

/** How many elements are decoded at a time: 4 MiB of f32. It is a multiple of every block. */
export const PIECE = 1 << 20;

/** All number formats that are read, by the names that files have for them. */
export const readFormats = { ...numberFormats, ...blockFormats } satisfies Readonly<
  Record<string, BlockFormat>
>;
export type ReadFormat = keyof typeof readFormats;
export const isReadFormat = (name: string): name is ReadFormat => Object.hasOwn(readFormats, name);

/** Reads elements of a tensor that begins at `offset` and is dense, in a known format. */
export function floatReader(file: ReadableFile, offset: number, format: ReadFormat): StoredTensor["floats"] {
  const { block, bytes, decode } = readFormats[format];
  return async (from, count) => {
    if (from % block !== 0 || count % block !== 0)
      throw new Error(`elements ${from} … ${from + count} are no whole blocks of ${block}`);
    const out = new Float32Array(count);
    for (let at = 0; at < count; at += PIECE) {
      const n = Math.min(PIECE, count - at);
      const stored = await file.read(offset + ((from + at) / block) * bytes, (n / block) * bytes);
      decode(stored, out.subarray(at, at + n));
    }
    return out;
  };
}

/** Reads the stored bytes of such elements. */
export function encodedReader(
  file: ReadableFile,
  offset: number,
  format: ReadFormat,
): NonNullable<StoredTensor["encoded"]> {
  const { block, bytes } = readFormats[format];
  return (from, count) => {
    if (from % block !== 0 || count % block !== 0)
      throw new Error(`elements ${from} … ${from + count} are no whole blocks of ${block}`);
    return file.read(offset + (from / block) * bytes, (count / block) * bytes);
  };
}

/** The `floats` of a tensor that cannot be read: it rejects, and says what to do instead. */
export const unreadable =
  (path: string, name: string, type: string): StoredTensor["floats"] =>
  () =>
    Promise.reject(
      new SinterError(
        "input",
        `${path}: tensor ${quoted(name)} is ${type}, which is not read here`,
        `Types that are: ${Object.keys(readFormats).join(", ")}. Convert the file with the tool that ` +
          "made it.",
      ),
    );

/** All elements of a tensor. */
export const allFloats = (tensor: StoredTensor): Promise<Float32Array<ArrayBuffer>> =>
  tensor.floats(0, tensor.elements);

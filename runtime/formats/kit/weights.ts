/**
 * What every reader of weights gives: named tensors whose numbers are read on demand, in pieces, as f32. A
 * file is never read whole; what its header claims is checked against its length before anything is
 * allocated.
 */
import { SinterError } from "../../base/errors.ts";
import type { ReadableFile } from "../../base/files.ts";
import { blockFormats, type BlockFormat } from "./ggml-blocks.ts";
import { numberFormats } from "../../contract/number-formats.ts";

export type WeightFormat = "safetensors" | "gguf" | "llama2.c";

export interface StoredTensor {
  readonly name: string;
  /** As the file calls it: "BF16", "Q8_0", "Q6_K". */
  readonly type: string;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  /** Elements. */
  readonly elements: number;
  /** Bytes in the file. */
  readonly bytes: number;
  /** Byte offset in `file`. */
  readonly offset: number;
  readonly file: string;
  /** Bytes of it as they are stored, from byte `at` of the tensor on. */
  fill(at: number, into: Uint8Array): Promise<void>;
  /**
   * Elements from … from + count − 1, as f32. Both are multiples of the format's block. Throws `input` for a
   * type that is not read.
   */
  floats(from: number, count: number): Promise<Float32Array<ArrayBuffer>>;
  /** The same elements as the file has them, where a reader gives them. */
  encoded?(from: number, count: number): Promise<Uint8Array<ArrayBuffer>>;
}

export type Metadata = ReadonlyMap<string, MetadataValue>;
/** Lists that are long stay in the file: their type and length stand for them. */
export type MetadataValue =
  | string
  | number
  | bigint
  | boolean
  | readonly (string | number | bigint | boolean)[]
  | { readonly type: string; readonly count: number };

export interface WeightFile {
  readonly format: WeightFormat;
  /** For messages. */
  readonly path: string;
  /** "3", "legacy", "int8, groups of 64". */
  readonly version: string;
  readonly metadata: Metadata;
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  close(): Promise<void>;
}

/**
 * a · b · … of sizes from a file; undefined when it can not be counted exactly (≥ 2^53) or is no natural
 * number.
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

/** Elements that are decoded at a time: 4 MiB of f32. A multiple of every block. */
export const PIECE = 1 << 20;

/** Everything that is read, by the name that files have for it. */
export const readFormats = { ...numberFormats, ...blockFormats } satisfies Readonly<
  Record<string, BlockFormat>
>;
export type ReadFormat = keyof typeof readFormats;
export const isReadFormat = (name: string): name is ReadFormat => Object.hasOwn(readFormats, name);

/** Reads elements of a tensor that lies dense in one of the known formats at `offset`. */
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

/** The same, undecoded. */
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

/** Reads nothing: says what to do instead. */
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

/** All of a tensor. */
export const allFloats = (tensor: StoredTensor): Promise<Float32Array<ArrayBuffer>> =>
  tensor.floats(0, tensor.elements);

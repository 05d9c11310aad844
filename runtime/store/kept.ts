/**
 * How a checkpoint keeps a tensor. Plain: F32 in the model's shape. A model that came in from elsewhere keeps
 * the numbers that it came with:
 *
 *   F32, F16, BF16   dense, in that dtype of safetensors
 *   Q8_0, Q4_0       dtype U8 [rows, bytes]: ggml's blocks of 32 (asure/numbers.ts), each row filled up with zeros to whole blocks
 *
 * `turned`: a matrix [in, out] is kept as rows of out features, [out, in], as Hugging Face's and GGUF's files
 * have it; the blocks go along `in`, which is the order that products read. [experts, in, out] is a matrix
 * after the other.
 */
import { numberFormats, type FloatFormat } from "../contract/number-formats.ts";
import type { SafeDType } from "./safetensors.ts";

export interface Kept {
  readonly type: FloatFormat;
  readonly turned: boolean;
}

export const plainly: Kept = { type: "F32", turned: false };
export const isPlain = ({ type, turned }: Kept): boolean => type === "F32" && !turned;

/** Rows as they stand in the file, one after the other. */
export interface StoredRows extends Kept {
  /** Of all matrices together; of a vector: 1. */
  readonly rows: number;
  /** Of one matrix. */
  readonly rowsEach: number;
  /** Elements of a row; what fills it up is not counted. */
  readonly columns: number;
  readonly rowBytes: number;
}

/** `shape`: the model's. */
export function storedRows(shape: readonly number[], { type, turned: asked }: Kept): StoredRows {
  const { block, bytes } = numberFormats[type];
  const turned = asked && shape.length > 1;
  const [columns, rowsEach] = turned
    ? [shape.at(-2)!, shape.at(-1)!]
    : [shape.at(-1) ?? 1, shape.at(-2) ?? 1];
  const matrices = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  return {
    type,
    turned,
    rows: matrices * rowsEach,
    rowsEach,
    columns,
    rowBytes: Math.ceil(columns / block) * bytes,
  };
}

export const storedBytes = (shape: readonly number[], kept: Kept): number => {
  const { rows, rowBytes } = storedRows(shape, kept);
  return rows * rowBytes;
};

/** The tensor in the file's header. */
export function storedAs(
  shape: readonly number[],
  kept: Kept,
): { readonly dtype: SafeDType; readonly shape: readonly number[] } {
  const { turned, rowsEach, columns, rowBytes } = storedRows(shape, kept);
  const blocks = numberFormats[kept.type].block > 1;
  if (!blocks)
    return {
      dtype: kept.type as SafeDType,
      shape: turned ? [...shape.slice(0, -2), rowsEach, columns] : shape,
    };
  return {
    dtype: "U8",
    shape: [...shape.slice(0, -1).map((n, i, all) => (i === all.length - 1 ? rowsEach : n)), rowBytes],
  };
}

/** Of a file: undefined when it is none. */
export function keptIn(value: unknown): Kept | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { type, turned } = value as Partial<Record<keyof Kept, unknown>>;
  return typeof type === "string" && Object.hasOwn(numberFormats, type) && typeof turned === "boolean"
    ? { type: type as FloatFormat, turned }
    : undefined;
}

/** A value that is not a number: in halves by their exponent, in blocks by their scale. */
export function allFinite(type: FloatFormat, bytes: Uint8Array): boolean {
  if (type === "F32") {
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!; // NaN when one is NaN or infinite
    return sum === 0;
  }
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const mask = type === "BF16" ? 0x7f80 : 0x7c00;
  const step = numberFormats[type].bytes / 2;
  for (let i = 0; i < halves.length; i += step) if ((halves[i]! & mask) === mask) return false;
  return true;
}

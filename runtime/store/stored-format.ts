/**
 * The format in which a checkpoint stores a tensor. The plain one is f32 in the model's shape. A model that
 * was imported stays in the numbers that it came with:
 *
 *   F32, F16, BF16   dense, in that dtype of safetensors
 *   Q8_0, Q4_0       dtype U8 [rows, bytes]: ggml's blocks of 32 (contract/number-formats.ts), each row
 *                    filled up with zeros to whole blocks
 *
 * `transposed`: a matrix [in, out] is stored as rows of output features, [out, in], as the files of Hugging
 * Face and GGUF have it. Blocks then go along `in`, which is the order in which matrix products read them. A
 * tensor [experts, in, out] is stored as one matrix after the other.
 *
 * `moment`: a moment of such a parameter in 8 bits, dtype U8 [rows, 256], as it lies in memory: rows of
 * codes, then of scales (contract/moment-codes.ts).
 */
import { MOMENT_BLOCK, momentBytes, momentRows, type Moment } from "../contract/moment-codes.ts";
import { tensorBytes } from "../contract/tensor-layout.ts";
import { numberFormats, type FloatFormat } from "../contract/number-formats.ts";
import type { SafeDType } from "./safetensors.ts";

export interface StoredFormat {
  readonly type: FloatFormat;
  readonly transposed: boolean;
  readonly moment?: Moment;
}

export const plainFormat: StoredFormat = { type: "F32", transposed: false };
export const isPlain = ({ type, transposed, moment }: StoredFormat): boolean =>
  type === "F32" && !transposed && moment === undefined;

/** A tensor's rows as they stand in the file, one after the other. */
export interface StoredRows extends StoredFormat {
  /** Rows of all matrices together; 1 for a vector. */
  readonly rows: number;
  /** Rows of one matrix. */
  readonly rowsEach: number;
  /** Elements of a row; the zeros that fill up its last block are not counted. */
  readonly columns: number;
  readonly rowBytes: number;
}

/** `shape` is the one that the model has, whatever the format. */
export function storedRows(
  shape: readonly number[],
  { type, transposed: asked, moment }: StoredFormat,
): StoredRows {
  if (moment) {
    const rows = momentRows(tensorBytes(shape) / (4 * MOMENT_BLOCK));
    return {
      type,
      moment,
      transposed: false,
      rows,
      rowsEach: rows,
      columns: MOMENT_BLOCK,
      rowBytes: MOMENT_BLOCK,
    };
  }
  const { block, bytes } = numberFormats[type];
  const transposed = asked && shape.length > 1;
  const [columns, rowsEach] = transposed
    ? [shape.at(-2)!, shape.at(-1)!]
    : [shape.at(-1) ?? 1, shape.at(-2) ?? 1];
  const matrices = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  return {
    type,
    transposed,
    rows: matrices * rowsEach,
    rowsEach,
    columns,
    rowBytes: Math.ceil(columns / block) * bytes,
  };
}

export const storedBytes = (shape: readonly number[], format: StoredFormat): number => {
  const { rows, rowBytes } = storedRows(shape, format);
  return rows * rowBytes;
};

/** What the header of the file says of a tensor of this shape and format. */
export function inHeader(
  shape: readonly number[],
  format: StoredFormat,
): { readonly dtype: SafeDType; readonly shape: readonly number[] } {
  const { transposed, rowsEach, columns, rowBytes } = storedRows(shape, format);
  if (format.moment) return { dtype: "U8", shape: [rowsEach, columns] };
  const inBlocks = numberFormats[format.type].block > 1;
  if (!inBlocks)
    return {
      dtype: format.type as SafeDType,
      shape: transposed ? [...shape.slice(0, -2), rowsEach, columns] : shape,
    };
  return {
    dtype: "U8",
    shape: [...shape.slice(0, -1).map((n, i, all) => (i === all.length - 1 ? rowsEach : n)), rowBytes],
  };
}

/** A format in a checkpoint's state, under the names that its JSON has had from the first release on. */
export interface FormatRecord {
  readonly type: FloatFormat;
  readonly turned: boolean;
  readonly moment?: Moment;
}

export const formatRecord = ({ type, transposed, moment }: StoredFormat): FormatRecord => ({
  type,
  turned: transposed,
  ...(moment && { moment }),
});

/** What a checkpoint's state says of a format. Undefined: it is none that we know. */
export function parseFormat(value: unknown): StoredFormat | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { type, turned, moment } = value as Partial<Record<keyof FormatRecord, unknown>>;
  if (typeof type !== "string" || !Object.hasOwn(numberFormats, type) || typeof turned !== "boolean")
    return undefined;
  const format: StoredFormat = { type: type as FloatFormat, transposed: turned };
  if (moment === undefined) return format;
  return moment === "moment1" || moment === "moment2" ? { ...format, moment } : undefined;
}

const F16_EXPONENT = 0x7c00;
const BF16_EXPONENT = 0x7f80;

/**
 * Whether no number is NaN or infinite. In 16-bit floats, such a number has all bits of its exponent set; in
 * ggml's blocks, only the scale, which a block begins with, can be one. Of a moment in 8 bits, `bytes` are
 * the whole tensor, and scales can be one.
 */
export function allFinite({ type, moment }: StoredFormat, bytes: Uint8Array): boolean {
  if (type === "F32") {
    const values = moment
      ? momentBytes(moment, bytes, bytes.byteLength / MOMENT_BLOCK).scales
      : new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!; // NaN when one is NaN or infinite
    return sum === 0;
  }
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const mask = type === "BF16" ? BF16_EXPONENT : F16_EXPONENT;
  const step = numberFormats[type].bytes / 2;
  for (let i = 0; i < halves.length; i += step) if ((halves[i]! & mask) === mask) return false;
  return true;
}

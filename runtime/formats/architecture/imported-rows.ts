/**
 * The rows of an imported model's tensors as its checkpoint stores them. A number format that checkpoints
 * have stays; any other becomes the nearest one that loses nothing that matters.
 *
 *   in the published file                     in the checkpoint
 *   F32 F16 BF16 Q8_0 Q4_0                    the same, bit for bit
 *   Q4_1 Q5_0 Q5_1 Q2_K … Q6_K IQ4_NL IQ4_XS  Q8_0, which is finer than each of them: the error that it adds
 *                                             is less than half a percent of the error that they already had
 *   int8 of llama2.c                          F32, since its groups may be smaller than 32
 *
 * Vectors, position tables and routers become F32, since they are small. The rows stand in the order in which
 * products read them (store/stored-format.ts), with the two numbers of a rotary pair side by side. Only some
 * rows are in memory at a time.
 */
import { TOKEN_TABLE } from "../../contract/parameter-names.ts";
import { SinterError } from "../../base/errors.ts";
import { storedRows, type StoredFormat } from "../../store/stored-format.ts";
import type { TensorIndex } from "./fit.ts";
import { rowOf } from "./gather.ts";
import type { Link, Piece } from "./links.ts";
import { isFileFormat, numberFormats, GROUP, type FloatFormat } from "../../contract/number-formats.ts";
import { isReadFormat, quoted, type StoredTensor } from "../kit/weights.ts";

/** The formats of checkpoints, from the coarsest to the finest. */
const fineness: readonly FloatFormat[] = ["Q4_0", "Q8_0", "BF16", "F16", "F32"];
export const finest = (types: readonly FloatFormat[]): FloatFormat =>
  fineness[Math.max(...types.map((type) => fineness.indexOf(type)))]!;

/** The format that a type of a file becomes when the user asks for none. */
export function nearestFormat(type: string): FloatFormat {
  if (isFileFormat(type)) return type;
  return isReadFormat(type) ? "Q8_0" : "F32";
}

/**
 * Whether the tensor is a matrix of a product or of the embedding: only those may have fewer bits than f32.
 */
export const isMatrix = ({ pieces }: Link): boolean => pieces.every((piece) => !piece.exact);

/**
 * How the checkpoint stores a tensor. `asked` is the format that the user wants; undefined: the file's own.
 */
export function storedFormatFor(link: Link, index: TensorIndex, asked?: FloatFormat): StoredFormat {
  const type = !isMatrix(link)
    ? "F32"
    : (asked ?? finest(link.pieces.map(({ name }) => nearestFormat(index.get(name)!.type))));
  const isTransposed = link.pieces[0]!.transposed || (numberFormats[type].block > 1 && isInOut(link));
  return { type, transposed: isTransposed };
}

/**
 * Whether a published matrix is [in, out] and no embedding table. Blocks run along `in`, so such a matrix has
 * to be transposed before it can be stored in blocks.
 */
const isInOut = ({ name, pieces }: Link): boolean => !pieces[0]!.transposed && name !== TOKEN_TABLE;

/** Bytes of rows that are made at a time. */
const BYTES_AT_ONCE = 1 << 20;

/**
 * The tensor's rows in the stored format, in order, some at a time. The buffer that it yields is overwritten
 * by the next rows. Throws `input` for a type that is not read.
 */
export async function* rowsToStore(
  link: Link,
  index: TensorIndex,
  format: StoredFormat,
): AsyncGenerator<Uint8Array> {
  if (format.transposed && !link.pieces[0]!.transposed)
    return yield* columnsAsRows(link, index.get(link.pieces[0]!.name)!, format);
  for (const piece of link.pieces) yield* pieceRows(link, piece, index.get(piece.name)!, format);
}

async function* pieceRows(
  link: Link,
  piece: Piece,
  tensor: StoredTensor,
  { type }: StoredFormat,
): AsyncGenerator<Uint8Array> {
  const isVector = link.shape.length === 1;
  const columns = isVector ? 1 : piece.shape.at(-1)!;
  const rows = tensor.elements / columns;
  const { rowBytes } = storedRows([1, columns], { type, transposed: false });
  const { halves } = piece;
  const atOnce = rowsAtOnce(Math.max(rowBytes, 4 * columns), halves);
  const isSame = tensor.type === type && rowBytes * rows === tensor.bytes;
  const convert = isSame ? undefined : converter(type, columns);
  const stored = new Uint8Array(Math.min(rows, atOnce) * rowBytes);
  const reordered = halves > 0 ? new Uint8Array(stored.length) : undefined;
  for (let first = 0; first < rows; first += atOnce) {
    const count = Math.min(atOnce, rows - first);
    const bytes = stored.subarray(0, count * rowBytes);
    if (convert) convert(await tensor.floats(first * columns, count * columns), bytes);
    else await tensor.fill(first * rowBytes, bytes);
    if (!reordered) yield bytes;
    else {
      for (let r = 0; r < count; r++) {
        const from = rowOf(first + r, halves) - first;
        reordered.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), r * rowBytes);
      }
      yield reordered.subarray(0, count * rowBytes);
    }
  }
}

/** How many rows are made at a time: complete heads, where rows are reordered within each head. */
function rowsAtOnce(bytesOfRow: number, halves: number): number {
  const rows = Math.max(1, Math.floor(BYTES_AT_ONCE / bytesOfRow));
  return halves > 0 ? Math.max(halves, rows - (rows % halves)) : rows;
}

/** Encodes rows of f32 in a format; each row is filled up with zeros to a multiple of the block. */
function converter(type: FloatFormat, columns: number): (values: Float32Array, out: Uint8Array) => void {
  const { block, bytes, encode } = numberFormats[type];
  const padded = Math.ceil(columns / block) * block;
  const rowBytes = (padded / block) * bytes;
  if (padded === columns) return encode;
  const row = new Float32Array(padded);
  return (values, out) => {
    for (let at = 0, to = 0; at < values.length; at += columns, to += rowBytes) {
      row.set(values.subarray(at, at + columns));
      encode(row, out.subarray(to, to + rowBytes));
    }
  };
}

/**
 * Transposes a matrix [in, out] into the blocks of [out, in]. It reads 32 rows at a time, which give one
 * block to every row of the result; the result stays in memory until the end.
 */
async function* columnsAsRows(
  { shape }: Link,
  tensor: StoredTensor,
  { type }: StoredFormat,
): AsyncGenerator<Uint8Array> {
  const [inputs, outputs] = shape as [number, number];
  const { bytes, encode } = numberFormats[type];
  const rowBytes = Math.ceil(inputs / GROUP) * bytes;
  const out = new Uint8Array(outputs * rowBytes);
  const group = new Float32Array(GROUP);
  for (let k0 = 0; k0 < inputs; k0 += GROUP) {
    const count = Math.min(GROUP, inputs - k0);
    const values = await tensor.floats(k0 * outputs, count * outputs);
    group.fill(0);
    for (let n = 0, at = (k0 / GROUP) * bytes; n < outputs; n++, at += rowBytes) {
      for (let k = 0; k < count; k++) group[k] = values[k * outputs + n]!;
      encode(group, out.subarray(at, at + bytes));
    }
  }
  yield out;
}

/** The types of the file's matrices that the checkpoint does not have, and the formats that they become. */
export function changedTypes(
  links: readonly Link[],
  index: TensorIndex,
  format: (link: Link) => StoredFormat,
): ReadonlyMap<string, ReadonlySet<FloatFormat>> {
  const out = new Map<string, Set<FloatFormat>>();
  for (const link of links)
    if (isMatrix(link))
      for (const { name } of link.pieces) {
        const { type: from } = index.get(name)!;
        const { type: to } = format(link);
        if (from !== to) out.set(from, (out.get(from) ?? new Set()).add(to));
      }
  return out;
}

/** Throws `input` when a tensor has a type that is not read. Called before anything is written. */
export function checkReadable(links: readonly Link[], index: TensorIndex, path: string): void {
  for (const { pieces } of links)
    for (const { name } of pieces) {
      const { type, offset } = index.get(name)!;
      if (!isReadFormat(type) && !type.startsWith("I8 /"))
        throw new SinterError(
          "input",
          `${path}: tensor ${quoted(name)}, at offset ${offset}, is ${type}, which is not read here`,
          "Convert the file with the tool that made it, " +
            "to one of Q8_0, Q4_0, F16, Q4_K, Q6_K and their like.",
        );
    }
}

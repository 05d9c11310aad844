/**
 * An imported model's tensors as its checkpoint keeps them: in the numbers of the file where those are ours,
 * else in the nearest.
 *
 *   F32 F16 BF16 Q8_0 Q4_0                    as they are, bit for bit
 *   Q4_1 Q5_0 Q5_1 Q2_K … Q6_K IQ4_NL IQ4_XS  Q8_0, which is finer than each of them: what it adds is less than half a percent of what they lost
 *   int8 of llama2.c                          F32: its groups may be smaller than 32
 *
 * Vectors, position tables and routers become F32: they are small. Rows stand as products read them
 * (stored-format.ts), rotary pairs side by side; nothing is held in memory but some rows.
 */
import { SinterError } from "../../base/errors.ts";
import { storedRows, type StoredFormat } from "../../store/stored-format.ts";
import type { TensorIndex } from "./fit.ts";
import { rowOf, type Link, type Piece } from "./links.ts";
import { isFileFormat, numberFormats, GROUP, type FloatFormat } from "../../contract/number-formats.ts";
import { isReadFormat, quoted, type StoredTensor } from "../kit/weights.ts";

/** From the coarsest to the finest. */
const fineness: readonly FloatFormat[] = ["Q4_0", "Q8_0", "BF16", "F16", "F32"];
export const finest = (types: readonly FloatFormat[]): FloatFormat =>
  fineness[Math.max(...types.map((type) => fineness.indexOf(type)))]!;

/** What a type of a file becomes when nothing else is asked for. */
export const nearestFormat = (type: string): FloatFormat =>
  isFileFormat(type) ? type : isReadFormat(type) ? "Q8_0" : "F32";

/** A matrix that a product or the embedding reads: what may be kept in fewer bits. */
export const isMatrix = ({ pieces }: Link): boolean => pieces.every((piece) => !piece.exact);

/** `asked`: of this tensor; undefined: as it came. */
export function keptFor(link: Link, index: TensorIndex, asked?: FloatFormat): StoredFormat {
  const type = !isMatrix(link)
    ? "F32"
    : (asked ?? finest(link.pieces.map(({ name }) => nearestFormat(index.get(name)!.type))));
  return { type, transposed: link.pieces[0]!.turned || (numberFormats[type].block > 1 && isInOut(link)) };
}

/** A published matrix [in, out], no table: blocks go along `in`, so its rows are made of columns. */
const isInOut = ({ name, pieces }: Link): boolean => !pieces[0]!.turned && name !== "token_embedding.weight";

/** Bytes that are made at a time. */
const TOGETHER = 1 << 20;

/**
 * The tensor's rows as `kept` has them, in order, some at a time; each piece is overwritten by the next.
 * Throws `input` for a type that is not read.
 */
export async function* keptRows(
  link: Link,
  index: TensorIndex,
  kept: StoredFormat,
): AsyncGenerator<Uint8Array> {
  if (kept.transposed && !link.pieces[0]!.turned)
    return yield* columnsAsRows(link, index.get(link.pieces[0]!.name)!, kept);
  for (const piece of link.pieces) yield* pieceRows(link, piece, index.get(piece.name)!, kept);
}

async function* pieceRows(
  link: Link,
  piece: Piece,
  tensor: StoredTensor,
  kept: StoredFormat,
): AsyncGenerator<Uint8Array> {
  const vector = link.shape.length === 1;
  const columns = vector ? 1 : piece.shape.at(-1)!;
  const rows = tensor.elements / columns;
  const { rowBytes } = storedRows([1, columns], { type: kept.type, transposed: false });
  const { halves } = piece;
  const whole = Math.max(1, Math.floor(TOGETHER / Math.max(rowBytes, 4 * columns)));
  const together = halves > 0 ? Math.max(halves, whole - (whole % halves)) : whole;
  const convert =
    tensor.type === kept.type && rowBytes * rows === tensor.bytes ? undefined : converter(kept.type, columns);
  const stored = new Uint8Array(Math.min(rows, together) * rowBytes);
  const turned = halves > 0 ? new Uint8Array(stored.length) : undefined;
  for (let first = 0; first < rows; first += together) {
    const count = Math.min(together, rows - first);
    const bytes = stored.subarray(0, count * rowBytes);
    if (convert) convert(await tensor.floats(first * columns, count * columns), bytes);
    else await tensor.fill(first * rowBytes, bytes);
    if (!turned) yield bytes;
    else {
      for (let r = 0; r < count; r++) {
        const from = rowOf(first + r, halves) - first;
        turned.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), r * rowBytes);
      }
      yield turned.subarray(0, count * rowBytes);
    }
  }
}

/** Rows of f32 → a format, each filled up to whole blocks. */
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
 * [in, out] → blocks of [out, in]: groups of 32 rows at a time, each giving a block to every row. The blocks
 * of all are held until the end.
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

/** Types of the file that are not kept as they came, by what they become. */
export function changedTypes(
  links: readonly Link[],
  index: TensorIndex,
  kept: (link: Link) => StoredFormat,
): ReadonlyMap<string, ReadonlySet<FloatFormat>> {
  const out = new Map<string, Set<FloatFormat>>();
  for (const link of links)
    if (isMatrix(link))
      for (const { name } of link.pieces) {
        const { type: from } = index.get(name)!;
        const { type: to } = kept(link);
        if (from !== to) out.set(from, (out.get(from) ?? new Set()).add(to));
      }
  return out;
}

/** Throws `input`: before anything is written. */
export function checkReadable(links: readonly Link[], index: TensorIndex, path: string): void {
  for (const { pieces } of links)
    for (const { name } of pieces) {
      const { type, offset } = index.get(name)!;
      if (!isReadFormat(type) && !type.startsWith("I8 /"))
        throw new SinterError(
          "input",
          `${path}: tensor ${quoted(name)}, at offset ${offset}, is ${type}, which is not read here`,
          "Convert the file with the tool that made it, to one of Q8_0, Q4_0, F16, Q4_K, Q6_K and their " +
            "like.",
        );
    }
}

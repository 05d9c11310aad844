/**
 * Numbers for parameters that nobody has drawn or loaded: for a check of the code before weights are loaded,
 * and for benchmarks, whose speed does not depend on what they multiply. They are made quickly, because to
 * draw a number takes longer than to load one.
 */
import type { TensorPlace } from "../contract/manifest.ts";
import type { Partition } from "./partitions.ts";
import { rowWriter, wordsOf } from "./quantise.ts";
import { tensorIn, type Tensor } from "./tensors.ts";

/** So many different numbers are repeated; a prime, so that no two rows are alike. */
const FILL_FLOATS = 4099;
/**
 * So many different rows are repeated where weights are quantised, since encoding each would take too long.
 */
const QUANTISED_ROWS = 7;

export const fillParameters = ({ manifest, memory }: Partition): void =>
  fillTensors(
    manifest.tensors
      .filter((place) => place.storage === "parameter")
      .map((place) => tensorIn(memory.buffer, place)),
  );

export function fillTensors(parameters: readonly Tensor[]): void {
  const block = Float32Array.from({ length: FILL_FLOATS }, (_, i) => ((i * 7919) % 4093) / 40930 - 0.05);
  for (const tensor of parameters) {
    const rows = tensor.place.quantised && quantisedRows(tensor.place, block);
    for (let slice = 0; slice < tensor.place.slices; slice++) {
      if (rows) fillWords(tensor, slice, rows);
      else fillFloats(tensor, slice, block);
    }
  }
}

function fillWords(tensor: Tensor, slice: number, rows: readonly Int32Array[]): void {
  const data = tensor.padded(slice);
  const ld = tensor.place.rowFloats;
  for (let at = 0; at < data.length; at += ld) data.set(rows[(at / ld) % rows.length]!, at);
}

function fillFloats({ padded, place, rows, columns }: Tensor, slice: number, block: Float32Array): void {
  const data = padded(slice);
  const ld = place.rowFloats;
  if (ld === columns) {
    for (let at = 0; at < data.length; at += FILL_FLOATS) data.set(block.subarray(0, data.length - at), at);
    return;
  }
  for (let row = 0; row < rows; row++)
    for (let at = 0; at < columns; at += FILL_FLOATS)
      data.set(block.subarray(0, columns - at), row * ld + at); // the padding stays zero
}

/** A few rows as they lie in memory. */
function quantisedRows({ quantised, shape, rowFloats }: TensorPlace, block: Float32Array): Int32Array[] {
  const K = shape.at(quantised!.transposed ? -2 : -1)!;
  const write = rowWriter(quantised!.format, K);
  return Array.from({ length: QUANTISED_ROWS }, (_, n) => {
    const row = new Int32Array(rowFloats);
    const values = Float32Array.from({ length: K }, (_v, k) => block[(k + 31 * n) % FILL_FLOATS]!);
    write(values, wordsOf(row));
    return row;
  });
}

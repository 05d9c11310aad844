/**
 * Writes weights as the rows of words that a quantised module reads (contract/weight-rows.ts). Blocks of 32
 * that a file has in ggml's format go to their places as they are; f32 is encoded by ggml's rule first.
 *
 * Memory is addressed in words and halves of words, little-endian as WebAssembly's is.
 */
import type { QuantisedFormat } from "../contract/memory-formats.ts";
import { numberFormats, GROUP, type FloatFormat } from "../contract/number-formats.ts";
import { groupPlace, halfBlocks, type IntegerFormat } from "../contract/weight-rows.ts";

/** The file's format whose blocks have the same bytes. */
export const fileFormats = { bf16: "BF16", q8_0: "Q8_0", q4_0: "Q4_0" } as const satisfies Record<
  QuantisedFormat,
  FloatFormat
>;

/** A tensor's memory, as words and as halves of words. */
export interface Words {
  readonly words: Int32Array;
  readonly halves: Uint16Array;
}
export const wordsOf = ({ buffer, byteOffset, length }: Int32Array<ArrayBufferLike>): Words => ({
  words: new Int32Array(buffer, byteOffset, length),
  halves: new Uint16Array(buffer, byteOffset, 2 * length),
});

/**
 * Where every group of a row lies, in halves of words: its scale, its first piece, and from piece to piece.
 */
interface Places {
  readonly scale: Int32Array;
  readonly first: Int32Array;
  readonly step: Int32Array;
}

function placesOf(format: IntegerFormat, K: number): Places {
  const places = Array.from({ length: Math.ceil(K / GROUP) }, (_, group) =>
    groupPlace(format, group, halfBlocks(K)),
  );
  return {
    scale: Int32Array.from(places, ({ scale }) => scale / 2),
    first: Int32Array.from(places, ({ first }) => first / 2),
    step: Int32Array.from(places, ({ step }) => step / 2),
  };
}

/**
 * Writes groups g0 … g1 − 1 of the row that begins at word `row`, from encoded groups at `from` (in halves)
 * of `blocks`. Rows are always written as a whole, so what is not written is zero.
 */
export type PlaceGroups = (
  blocks: Uint16Array,
  from: number,
  to: Words,
  row: number,
  g0: number,
  g1: number,
) => void;

export function groupPlacer(format: QuantisedFormat, K: number): PlaceGroups {
  switch (format) {
    case "bf16":
      return placeHalves;
    case "q8_0":
      return q8Placer(placesOf(format, K));
    case "q4_0":
      return q4Placer(placesOf(format, K));
  }
}

/** Scale, 8 pieces of a word. */
const q8Placer =
  ({ scale, first, step }: Places): PlaceGroups =>
  (blocks, from, { words, halves }, row, g0, g1) => {
    for (let g = g0, s = from; g < g1; g++, s += 17) {
      halves[2 * row + scale[g]!] = blocks[s]!;
      const by = step[g]! >> 1;
      for (let i = 1, to = row + (first[g]! >> 1); i <= 15; i += 2, to += by)
        words[to] = blocks[s + i]! | (blocks[s + i + 1]! << 16);
    }
  };

/** Scale, 4 pieces of a word. */
const q4Placer =
  ({ scale, first, step }: Places): PlaceGroups =>
  (blocks, from, { words, halves }, row, g0, g1) => {
    for (let g = g0, s = from; g < g1; g++, s += 9) {
      halves[2 * row + scale[g]!] = blocks[s]!;
      const to = row + (first[g]! >> 1);
      const by = step[g]! >> 1;
      words[to] = blocks[s + 1]! | (blocks[s + 2]! << 16);
      words[to + by] = blocks[s + 3]! | (blocks[s + 4]! << 16);
      words[to + 2 * by] = blocks[s + 5]! | (blocks[s + 6]! << 16);
      words[to + 3 * by] = blocks[s + 7]! | (blocks[s + 8]! << 16);
    }
  };

/** bf16: element i and element i + 16 of 32 share a word. */
const placeHalves: PlaceGroups = (blocks, from, { words }, row, g0, g1) => {
  for (let to = row + 16 * g0, end = row + 16 * g1, s = from; to < end; to += 16, s += 32)
    for (let i = 0; i < 16; i++) words[to + i] = blocks[s + i]! | (blocks[s + i + 16]! << 16);
};

/** Writes rows of K weights in f32; `row`: the word at which it begins. */
export function rowWriter(
  format: QuantisedFormat,
  K: number,
): (values: Float32Array, to: Words, row?: number) => void {
  const groups = Math.ceil(K / GROUP);
  const padded = new Float32Array(groups * GROUP);
  const { block, bytes, encode } = numberFormats[fileFormats[format]];
  const encoded = new Uint8Array((padded.length / block) * bytes);
  const blocks = new Uint16Array(encoded.buffer);
  const place = groupPlacer(format, K);
  return (values, to, row = 0) => {
    padded.set(values);
    encode(padded, encoded);
    place(blocks, 0, to, row, 0, groups);
  };
}

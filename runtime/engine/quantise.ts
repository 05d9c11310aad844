/**
 * Weights → the rows of words that a quantised module reads. Groups of 32 have ggml's bytes
 * (asure/numbers.ts) and go to where compiler/ops/matmul/quantised/layout.ts says: eight groups side by side, a
 * half block of four alone at the end when their number is odd; before every 32 groups a cache line with
 * their scales. Blocks that a file has go there as they are; f32 is encoded by ggml's rule first.
 *
 * Memory is addressed in words and halves of words, little-endian as WebAssembly's is.
 */
import type { TensorPlace } from "../contract/manifest.ts";
import { numberFormats, GROUP, type FloatFormat } from "../contract/number-formats.ts";

export type MemoryFormat = NonNullable<TensorPlace["quantised"]>["format"];

export const fileFormats = { bf16: "BF16", q8_0: "Q8_0", q4_0: "Q4_0" } as const satisfies Record<
  MemoryFormat,
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

const LANES = 8;
const HALF_LANES = 4;
const STRETCH_GROUPS = 32;
const SCALE_LINE = 64; // bytes

/** Where each group of a row is: half of its scale, and of its first piece; halves from piece to piece. */
interface Places {
  readonly scale: Int32Array;
  readonly first: Int32Array;
  readonly step: Int32Array;
}

/** `pieceHalves`: of a group, what stands together: 2 bytes of q8_0, 4 of q4_0. */
function placesOf(groups: number, groupBytes: number, pieceHalves: number): Places {
  const blocksOfFour = Math.ceil(groups / HALF_LANES);
  const alone = blocksOfFour % 2 === 1 ? (blocksOfFour - 1) * HALF_LANES : groups;
  const out: Places = {
    scale: new Int32Array(groups),
    first: new Int32Array(groups),
    step: new Int32Array(groups),
  };
  for (let g = 0; g < groups; g++) {
    const lanes = g >= alone ? HALF_LANES : LANES;
    const lane = g % lanes;
    const within = g % STRETCH_GROUPS;
    const stretch = ((g - within) / STRETCH_GROUPS) * (SCALE_LINE + STRETCH_GROUPS * groupBytes);
    out.scale[g] = stretch / 2 + within;
    out.first[g] = (stretch + SCALE_LINE + (within - lane) * groupBytes) / 2 + lane * pieceHalves;
    out.step[g] = lanes * pieceHalves;
  }
  return out;
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

export function groupPlacer(format: MemoryFormat, K: number): PlaceGroups {
  const groups = Math.ceil(K / GROUP);
  switch (format) {
    case "bf16":
      return placeHalves;
    case "q8_0":
      return q8Placer(placesOf(groups, 32, 1));
    case "q4_0":
      return q4Placer(placesOf(groups, 16, 2));
  }
}

/** Scale, 16 pieces of two numbers. */
const q8Placer =
  ({ scale, first, step }: Places): PlaceGroups =>
  (blocks, from, { halves }, row, g0, g1) => {
    for (let g = g0, s = from; g < g1; g++, s += 17) {
      halves[2 * row + scale[g]!] = blocks[s]!;
      const by = step[g]!;
      for (let i = 1, to = 2 * row + first[g]!; i <= 16; i++, to += by) halves[to] = blocks[s + i]!;
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
  format: MemoryFormat,
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

/** The other way: K weights of a row. For looking at them. */
export function readRow(format: MemoryFormat, { halves }: Words, row: number, out: Float32Array): void {
  const groups = Math.ceil(out.length / GROUP);
  const { block, bytes, decode } = numberFormats[fileFormats[format]];
  const encoded = new Uint8Array(((groups * GROUP) / block) * bytes);
  const blocks = new Uint16Array(encoded.buffer);
  const decoded = new Float32Array(groups * GROUP);
  if (format === "bf16")
    for (let e = 0; e < decoded.length; e++)
      blocks[e] = halves[2 * row + Math.floor(e / GROUP) * 32 + (e % 16) * 2 + (e % GROUP < 16 ? 0 : 1)]!;
  else {
    const pieces = format === "q8_0" ? 1 : 2;
    const { scale, first, step } = placesOf(groups, format === "q8_0" ? 32 : 16, pieces);
    for (let g = 0, to = 0; g < groups; g++) {
      blocks[to++] = halves[2 * row + scale[g]!]!;
      for (let from = 2 * row + first[g]!; to % (bytes / 2) !== 0; from += step[g]!)
        for (let i = 0; i < pieces; i++) blocks[to++] = halves[from + i]!;
    }
  }
  decode(encoded, decoded);
  out.set(decoded.subarray(0, out.length));
}

/**
 * f32 weights → the rows of words that a quantised module reads. Groups of 32 become the bytes that ggml's reference quantiser makes of
 * them (formats/numbers.ts), and go to where compiler/ops/quantised/layout.ts says: eight groups side by side, a half block of four alone
 * at the end when their number is odd; before every 32 groups a cache line with their scales.
 *
 * Blocks that a file has already quantised give the same bytes again when they come here by way of f32: the largest element of a group of
 * q8_0 is ±127 · d, of q4_0 −8 · d, and both are exact.
 */
import type { TensorPlace } from "../compiler/9-bundle/manifest.ts";
import { numberFormats, GROUP, type FloatFormat } from "./formats/numbers.ts";

type Format = NonNullable<TensorPlace["quantised"]>["format"];

export const fileFormats = { bf16: "BF16", q8_0: "Q8_0", q4_0: "Q4_0" } as const satisfies Record<Format, FloatFormat>;

interface Layout {
  /** Bytes of a group's numbers; bytes of it that stand together. */
  readonly groupBytes: number;
  readonly piece: number;
}
const layouts: Readonly<Record<Exclude<Format, "bf16">, Layout>> = { q8_0: { groupBytes: 32, piece: 2 }, q4_0: { groupBytes: 16, piece: 4 } };

const GROUPS = 8, HALF_GROUPS = 4, SCALE_BYTES = 2, STRETCH_GROUPS = 32, SCALE_LINE = 64;

/** Where group g of a row is: its scale; its first piece, and bytes from piece to piece. */
function placeOf({ groupBytes, piece }: Layout, g: number, groups: number) {
  const halves = Math.ceil(groups / HALF_GROUPS), lanes = halves % 2 === 1 && g >= (halves - 1) * HALF_GROUPS ? HALF_GROUPS : GROUPS, lane = g % lanes;
  const within = g % STRETCH_GROUPS, stretch = ((g - within) / STRETCH_GROUPS) * (SCALE_LINE + STRETCH_GROUPS * groupBytes);
  return { scale: stretch + SCALE_BYTES * within, first: stretch + SCALE_LINE + (within - lane) * groupBytes + lane * piece, step: lanes * piece };
}

/** Writes rows of K weights; `row` = bytes of one row, padding included and zero. */
export function rowWriter(format: Format, K: number): (values: Float32Array, row: Uint8Array) => void {
  const padded = new Float32Array(Math.ceil(K / GROUP) * GROUP), { block, bytes, encode } = numberFormats[fileFormats[format]];
  const encoded = new Uint8Array((padded.length / block) * bytes), place = rowPlacer(format, padded.length);
  return (values, row) => {
    padded.set(values);
    encode(padded, encoded);
    place(encoded, row);
  };
}

/**
 * Puts a row that a file holds in the same format, whole blocks of it, to where the kernels expect it: nothing is decoded. `encoded` begins at an even
 * address. Rows are always written as a whole, so what is not written is zero.
 */
export function rowPlacer(format: Format, K: number): (encoded: Uint8Array, row: Uint8Array) => void {
  if (format === "bf16") return placeHalves;
  const layout = layouts[format], { groupBytes, piece } = layout, groups = Math.ceil(K / GROUP), HALF = 2; // all sizes are even
  const places = Int32Array.from({ length: groups }, (_, g) => g).map((g) => placeOf(layout, g, groups).first / HALF);
  const scales = places.map((_, g) => placeOf(layout, g, groups).scale / HALF), steps = places.map((_, g) => placeOf(layout, g, groups).step / HALF);
  const count = groupBytes / HALF, together = piece / HALF;
  return (encoded, row) => { // ggml's blocks: scale, numbers
    const from = new Uint16Array(encoded.buffer, encoded.byteOffset, groups * (1 + count)), to = new Uint16Array(row.buffer, row.byteOffset, row.length / HALF);
    for (let g = 0, at = 0; g < groups; g++) {
      const step = steps[g]!;
      to[scales[g]!] = from[at++]!;
      for (let n = 0, put = places[g]!; n < count; n += together, put += step) for (let i = 0; i < together; i++) to[put + i] = from[at++]!;
    }
  };
}

/** Element i and element i + 16 of 32 share a word. */
function placeHalves(encoded: Uint8Array, row: Uint8Array): void {
  for (let e = 0; e < encoded.length / 2; e++) {
    const to = Math.floor(e / GROUP) * 64 + (e % 16) * 4 + (e % GROUP < 16 ? 0 : 2);
    row[to] = encoded[2 * e]!;
    row[to + 1] = encoded[2 * e + 1]!;
  }
}

/** The other way: K weights of a row. For looking at them. */
export function readRow(format: Format, row: Uint8Array, out: Float32Array): void {
  const groups = Math.ceil(out.length / GROUP), { block, bytes, decode } = numberFormats[fileFormats[format]];
  const encoded = new Uint8Array(((groups * GROUP) / block) * bytes), decoded = new Float32Array(groups * GROUP);
  if (format === "bf16") for (let e = 0; e < decoded.length; e++) {
    const from = Math.floor(e / GROUP) * 64 + (e % 16) * 4 + (e % GROUP < 16 ? 0 : 2);
    encoded.set(row.subarray(from, from + 2), 2 * e);
  } else {
    const { groupBytes, piece } = layouts[format];
    for (let g = 0, to = 0; g < groups; g++, to += SCALE_BYTES + groupBytes) {
      const { scale, first, step } = placeOf(layouts[format], g, groups);
      encoded.set(row.subarray(scale, scale + SCALE_BYTES), to);
      for (let at = 0, from = first; at < groupBytes; at += piece, from += step)
        encoded.set(row.subarray(from, from + piece), to + SCALE_BYTES + at);
    }
  }
  decode(encoded, decoded);
  out.set(decoded.subarray(0, out.length));
}

/**
 * Weights in fewer bits: how a row of them lies in memory. A matrix is kept as rows of its out features, each
 * K weights along the input. Groups of 32 weights have one scale, as in ggml (github.com/ggml-org/ggml,
 * ggml-common.h), and the bytes of a group are ggml's, in another order:
 *
 *   q8_0   x = d · q, q = −127 … 127
 *   q4_0   x = d · (q − 8), q = 0 … 15
 *   bf16   x has the upper half of an f32, and no scale
 *
 * Eight groups (256 weights: a block) lie side by side, one in each 32-bit lane of a 256-bit register, so
 * that a lane's sum of products is the sum of one group: the eight sums meet their scales in one
 * multiply-add. Four groups are half a block; when the number of half blocks is odd, the last stands alone,
 * with four lanes. K is padded to half blocks with zeros.
 *
 *   q8_0   piece c = 0 … 7: lane l has elements 4c … 4c+3 of group l                       256 bytes a block
 *   q4_0   piece c = 0 … 3: lane l has bytes 4c … 4c+3 of group l, where byte j holds
 *          element j (low four bits) and element j + 16 (high four bits)                   128 bytes a block
 *   row    superblocks of 4 blocks (the last may be shorter): a cache line with the
 *          scales as f16 in the order of the groups, then the blocks
 *   bf16   chunks of 16 words: word i has element i (low half) and i + 16 (high half)      64 bytes a chunk
 *
 * The compiler's kernels and references and the runtime's writer all take the order from here.
 */
import type { QuantisedFormat } from "./memory-formats.ts";
import { bf16ToF32, f16ToF32, GROUP } from "./number-formats.ts";

/** Formats whose groups are integers with a scale. */
export type IntegerFormat = Exclude<QuantisedFormat, "bf16">;
export const isInteger = (format: QuantisedFormat): format is IntegerFormat => format !== "bf16";

/** Groups that lie side by side in a block, and in the half block that may stand alone at the row's end. */
export const LANES = 8;
export const HALF_LANES = LANES / 2;
/** Weights of half a block. */
export const HALF_BLOCK = HALF_LANES * GROUP;
export const halfBlocks = (K: number): number => Math.ceil(K / HALF_BLOCK);

/** Bytes of the numbers of one group. */
export const GROUP_BYTES: Readonly<Record<IntegerFormat, number>> = { q8_0: GROUP, q4_0: GROUP / 2 };
/** Bytes of a group that stand together in one lane. */
export const LANE_BYTES = 4;
/** Bytes of the numbers of half a block, and of its scales: four f16. */
export const HALF_BYTES: Readonly<Record<IntegerFormat, number>> = {
  q8_0: HALF_LANES * GROUP_BYTES.q8_0,
  q4_0: HALF_LANES * GROUP_BYTES.q4_0,
};
export const HALF_SCALES = 2 * HALF_LANES;

/**
 * Scales stand just before what they scale: further ahead, at the row's end, prefetchers do not reach them,
 * and a row of 8192 is read at a third of the speed.
 */
export const SUPERBLOCK_GROUPS = 32;
export const SUPERBLOCK_HALVES = SUPERBLOCK_GROUPS / HALF_LANES;
/** Bytes of a superblock's scales: a cache line. */
export const SCALE_LINE = 2 * SUPERBLOCK_GROUPS;
export const superblockBytes = (format: IntegerFormat): number =>
  SCALE_LINE + SUPERBLOCK_GROUPS * GROUP_BYTES[format];

/** Words (i32) of a row of K weights. */
export function weightWords(format: QuantisedFormat, K: number): number {
  if (!isInteger(format)) return (Math.ceil(K / GROUP) * CHUNK_BYTES) / 4;
  const halves = halfBlocks(K);
  return (halves * HALF_BYTES[format] + Math.ceil(halves / SUPERBLOCK_HALVES) * SCALE_LINE) / 4;
}

/** Half blocks of a row of so many words. */
export function halvesOf(format: IntegerFormat, words: number): number {
  const superblocks = Math.ceil((words * 4) / superblockBytes(format));
  return (words * 4 - superblocks * SCALE_LINE) / HALF_BYTES[format];
}

/** A group's lane, how many lanes there are, and the first half block of those that lie side by side. */
export interface GroupLane {
  readonly lane: number;
  readonly lanes: number;
  readonly half: number;
}

/** `halves`: half blocks of the row. */
export function groupLane(group: number, halves: number): GroupLane {
  const half = Math.floor(group / HALF_LANES);
  const alone = halves % 2 === 1 && half === halves - 1;
  const lanes = alone ? HALF_LANES : LANES;
  return { lane: group % lanes, lanes, half: alone ? half : half - (half % 2) };
}

/** Where a group of a row lies, in bytes: its scale, its first piece, and from piece to piece. */
export interface GroupPlace {
  readonly scale: number;
  readonly first: number;
  readonly step: number;
}

/** `halves`: half blocks of the row. */
export function groupPlace(format: IntegerFormat, group: number, halves: number): GroupPlace {
  const { lane, lanes, half } = groupLane(group, halves);
  const within = group % SUPERBLOCK_GROUPS;
  const superblock = ((group - within) / SUPERBLOCK_GROUPS) * superblockBytes(format);
  const block = superblock + SCALE_LINE + (half % SUPERBLOCK_HALVES) * HALF_BYTES[format];
  return {
    scale: superblock + 2 * within,
    first: block + lane * LANE_BYTES,
    step: lanes * LANE_BYTES,
  };
}

/** bf16: bytes of 32 weights, and the byte of weight e of a row. */
const CHUNK_BYTES = 2 * GROUP;
export const bf16Byte = (e: number): number =>
  Math.floor(e / GROUP) * CHUNK_BYTES + (e % 16) * 4 + (e % GROUP < 16 ? 0 : 2);

/**
 * The weights of the row that begins at byte `at` of `memory` (little-endian, as WebAssembly's is) into
 * `out`, exactly: a scale has 11 bits and a number at most 8.
 */
export function decodeWeights<Out extends Float32Array | Float64Array>(
  format: QuantisedFormat,
  memory: DataView,
  at: number,
  out: Out,
): Out {
  if (!isInteger(format)) {
    for (let e = 0; e < out.length; e++) out[e] = bf16ToF32(memory.getUint16(at + bf16Byte(e), true));
    return out;
  }
  const halves = halfBlocks(out.length);
  const put = format === "q8_0" ? decodeBytes : decodeNibbles;
  for (let from = 0, group = 0; from < out.length; from += GROUP, group++)
    put(memory, at, groupPlace(format, group, halves), out.subarray(from, from + GROUP));
  return out;
}

/** A group of q8_0; the last of a row may have fewer weights. */
function decodeBytes(
  memory: DataView,
  at: number,
  place: GroupPlace,
  out: Float32Array | Float64Array,
): void {
  const d = f16ToF32(memory.getUint16(at + place.scale, true));
  for (let e = 0; e < out.length; e++)
    out[e] = d * memory.getInt8(at + place.first + (e >> 2) * place.step + (e & 3));
}

/** A group of q4_0: each byte has an element of the first half and one of the second. */
function decodeNibbles(
  memory: DataView,
  at: number,
  place: GroupPlace,
  out: Float32Array | Float64Array,
): void {
  const d = f16ToF32(memory.getUint16(at + place.scale, true));
  for (let e = 0; e < out.length; e++) {
    const j = e & 15;
    const pair = memory.getUint8(at + place.first + (j >> 2) * place.step + (j & 3));
    out[e] = d * ((e < 16 ? pair & 15 : pair >> 4) - 8);
  }
}

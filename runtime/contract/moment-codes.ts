/**
 * The optimizer's moments in 8 bits: how they lie in memory, and which number a code stands for. Blocks of
 * 256 numbers that are neighbours in memory have one scale (Dettmers et al. 2022, "8-bit Optimizers via
 * Block-wise Quantization", arXiv:2110.02861). Within a block a code is a small float, with an exponent and a
 * linear fraction as Dettmers' dynamic codes have them, but with three bits of exponent in each: so codes
 * are computed, where theirs are looked up.
 *
 *   m     sign | 3 bits of exponent | 4 of fraction        ± F(q) · s
 *   √v           3 bits of exponent | 5 of fraction        (F(q) + F(1)) · s
 *
 *   F(q)  the f32 whose exponent and fraction begin with q, counted from 2⁻⁷, less 2⁻⁷: so F(0) = 0, the
 *         first numbers are evenly spaced, all others are within 1/16 (m), 1/32 (√v) of their neighbours
 *
 * The second moment is kept as its root, which is what a step divides by, and has no code for zero: numbers
 * that came to zero there would make steps without bounds (Li, Chen & Zhu 2023, arXiv:2309.01507, the
 * zero-point problem).
 *
 * What lies between two codes becomes the upper one as often as it is near to it: a threshold moves from step
 * to step and from number to number, in the order of Roberts' R2 sequence (2018). So a change that is smaller
 * than half a code adds up over steps, instead of being lost in each; and since no random numbers are drawn,
 * the same run has the same bits.
 *
 * A slice of a tensor is B rows of 256 codes, then as many rows of 64 words as B scales take, an f32 each. A
 * row of codes is 64 words: word w has numbers w, w + 64, w + 128, w + 192, from the lowest byte on. All
 * zero: the moments are zero.
 */
export const MOMENT_BLOCK = 256;
/** Words of a row of codes; scales of a row of scales. */
export const MOMENT_ROW_WORDS = MOMENT_BLOCK / 4;
/** Tensors of fewer numbers keep moments in f32, as in bitsandbytes (`min_8bit_size`). */
export const LEAST_IN_BLOCKS = 4096;

/** Rows of a slice of so many blocks. */
export const momentRows = (blocks: number): number => blocks + Math.ceil(blocks / MOMENT_ROW_WORDS);

/** How many blocks the rows of a slice hold: what `momentRows` undoes. */
export const blocksIn = (rows: number): number => rows - Math.ceil(rows / (MOMENT_ROW_WORDS + 1));

export type Moment = "moment1" | "moment2";

interface CodeFormat {
  /** Bits of an f32's fraction that a code leaves out. */
  readonly shift: number;
  /** The largest code without its sign. */
  readonly most: number;
  /** The number of the first code, and of the largest, in units of the scale. */
  readonly first: number;
  readonly largest: number;
  /** What is added to a number before its bits are read: 2⁻⁷ less the first number. */
  readonly offset: number;
}

/** Where F begins to count, and its bits, which end in zeros where codes have theirs. */
const START = 2 ** -7;
export const START_BITS = 0x3c000000;

const format = (shift: number, most: number, first: number): CodeFormat => {
  const step = 2 ** (shift - 23);
  return { shift, most, first, largest: 2 - step - START + first, offset: START - first };
};
export const codeFormats: Readonly<Record<Moment, CodeFormat>> = {
  moment1: format(19, 127, 0),
  moment2: format(18, 255, 2 ** -12),
};
/** By so little is a block's largest number below that of the largest code that no rounding goes beyond. */
export const HEADROOM = 2 ** -18;
/** The bit of a first moment's sign. */
export const SIGN_CODE = 128;

/** R2: by how much the threshold moves from number to number, and from step to step, in 2⁻³². */
export const NEXT_NUMBER = 0xc13fa9a9;
export const NEXT_STEP = 0x91e10da5;

/** What is added to the bits that codes leave out, in 2⁻³²; `place`: the number's in its tensor, from 0. */
export const thresholdOf = (place: number, step: number): number =>
  (Math.imul(place, NEXT_NUMBER) + Math.imul(step, NEXT_STEP)) >>> 0;
/** Half: to the nearest. */
export const nearest = (): number => 2 ** 31;

const f = Math.fround;
const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** What a code stands for, of m or √v, in units of the scale. */
export function codeValue(moment: Moment, code: number): number {
  const { shift, offset, most } = codeFormats[moment];
  bits[0] = START_BITS + ((code & most) << shift);
  const value = float[0]! - offset;
  return code > most ? -value : value;
}

/** A number of m or √v, in units of the scale, as a code; rounded to f32 as kernels do it. */
function codeOf(moment: Moment, value: number, threshold: number): number {
  const { shift, first, offset, most } = codeFormats[moment];
  float[0] = Math.max(Math.abs(value), first) + offset;
  const size = ((bits[0]! + (threshold >>> (32 - shift))) >> shift) & most;
  const isNegative = value < 0 || Object.is(value, -0);
  return size | (isNegative ? SIGN_CODE : 0);
}

/** The bytes of a slice: the codes of its blocks, then their scales. */
export interface MomentBytes {
  readonly moment: Moment;
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
}

/** `slice` begins with the slice, which has so many rows of codes and scales. */
export function momentBytes(moment: Moment, slice: ArrayBufferView, rows: number): MomentBytes {
  const blocks = blocksIn(rows);
  const { buffer, byteOffset } = slice;
  return {
    moment,
    codes: new Uint8Array(buffer, byteOffset, blocks * MOMENT_BLOCK),
    scales: new Float32Array(buffer, byteOffset + blocks * MOMENT_BLOCK, blocks),
  };
}

/** Which byte of its block a number's code is. */
export const codeByte = (i: number): number => (i % MOMENT_ROW_WORDS) * 4 + Math.floor(i / MOMENT_ROW_WORDS);

/** The numbers of a block, of m or √v, in units of its scale. */
export function unitsOf({ moment, codes }: MomentBytes, block: number): Float32Array<ArrayBuffer> {
  const own = codes.subarray(block * MOMENT_BLOCK, (block + 1) * MOMENT_BLOCK);
  return Float32Array.from(own, (_, i) => codeValue(moment, own[codeByte(i)]!));
}

/** The numbers themselves. */
export const decodeBlock = (from: MomentBytes, block: number): Float32Array<ArrayBuffer> =>
  unitsOf(from, block).map((units) => units * from.scales[block]!);

/** Numbers of m, or of √v → the codes and the scale of a block. */
export function encodeBlock(
  { moment, codes, scales }: MomentBytes,
  block: number,
  values: Float32Array,
  threshold: (i: number) => number = nearest,
): void {
  const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const scale = f(most / (codeFormats[moment].largest - HEADROOM));
  const inverse = scale > 0 ? f(1 / scale) : 0;
  scales[block] = scale;
  for (const [i, value] of values.entries())
    codes[block * MOMENT_BLOCK + codeByte(i)] = codeOf(moment, f(value * inverse), threshold(i));
}

/**
 * Streams of random numbers (contract/xoshiro.ts), one for each purpose. A stream has a name: (seed,
 * "init/wte") and (seed, "batches") depend neither on each other nor on the order in which they are made. The
 * state is four words, so a checkpoint can hold it.
 */
import { randomFrom, type Random, type RandomState } from "../contract/xoshiro.ts";

export { randomFrom, type Random, type RandomState } from "../contract/xoshiro.ts";

/** The stream for a purpose. The same seed and name give the same numbers on every machine. */
export function randomStream(seed: number, name: string): Random {
  const text = `${seed}:${name}`;
  const words = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667].map((basis) => mixedHash(text, basis));
  return randomFrom(words as unknown as RandomState);
}

/**
 * FNV-1a over the UTF-16 units, then the finalizer of MurmurHash3, so that every bit of the text affects
 * every bit of the result.
 */
function mixedHash(text: string, basis: number): number {
  let h = basis;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

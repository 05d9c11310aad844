/**
 * Streams of random numbers: xoshiro128** (Blackman & Vigna, "Scrambled linear pseudorandom number
 * generators", 2021), one stream for each purpose. A stream has a name: (seed, "init/wte") and (seed,
 * "batches") depend neither on each other nor on the order in which they are made. The state is four words,
 * so a checkpoint can hold it.
 */
export type RandomState = readonly [number, number, number, number];

export interface Random {
  /** An integer from 0 to 2^32 − 1. */
  word(): number;
  /** A number 0 ≤ u < 1 with 53 random bits. */
  unit(): number;
  /** An integer from 0 to n − 1. All are equally likely, up to a difference of n / 2^53. */
  below(n: number): number;
  state(): RandomState;
}

/** The stream for a purpose. The same seed and name give the same numbers on every machine. */
export function randomStream(seed: number, name: string): Random {
  const text = `${seed}:${name}`;
  const words = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667].map((basis) => mixedHash(text, basis));
  return randomFrom(words as unknown as RandomState);
}

export function randomFrom(state: RandomState): Random {
  let [a, b, c, d] = state;
  if ((a | b | c | d) === 0) d = 1; // xoshiro never leaves the state of zeros
  const word = (): number => {
    const scaled = Math.imul(b, 5);
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  const unit = (): number => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
  return {
    word,
    unit,
    below: (n) => Math.floor(unit() * n),
    state: () => [a >>> 0, b >>> 0, c >>> 0, d >>> 0],
  };
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

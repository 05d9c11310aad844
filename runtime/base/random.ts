/**
 * Random streams: xoshiro128** (Blackman & Vigna, "Scrambled linear pseudorandom number generators", 2021),
 * one per purpose. A stream is named: (seed, "init/wte") and (seed, "batches") do not depend on each other,
 * nor on the order in which they are made. Its state is four words, so a checkpoint can hold it.
 */
export type RandomState = readonly [number, number, number, number];

export interface Random {
  /** 0 … 2^32 − 1. */
  word(): number;
  /** 0 ≤ u < 1, 53 bits. */
  unit(): number;
  /** 0 … n − 1, each as likely as the others up to n / 2^53. */
  below(n: number): number;
  state(): RandomState;
}

/** The stream of a purpose. Same seed and name, same numbers, on every machine. */
export function randomStream(seed: number, name: string): Random {
  const text = `${seed}:${name}`;
  const words = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667].map((basis) => mixedHash(text, basis));
  return randomFrom(words as unknown as RandomState);
}

export function randomFrom(state: RandomState): Random {
  let [a, b, c, d] = state;
  if ((a | b | c | d) === 0) d = 1; // the one state that xoshiro never leaves
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
 * FNV-1a over the UTF-16 units, then the finalizer of MurmurHash3: every bit of the text reaches every bit of
 * the word.
 */
function mixedHash(text: string, basis: number): number {
  let h = basis;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

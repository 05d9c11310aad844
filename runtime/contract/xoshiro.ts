/**
 * The generator of random numbers: xoshiro128** (Blackman & Vigna, "Scrambled linear pseudorandom number
 * generators", 2021). The kernels that draw tokens have the same one (compiler/ops/sampling), so that a
 * stream goes on in either.
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

/**
 * How far two programs agree on a model. One of them (the reference) writes greedily; the other computes
 * logits of the same prefixes, so that what differs at one position does not decide about the next.
 *
 *   noise     largest |Δ logit| at a position, over the vocabulary; the mean of each row is taken off first,
 *             since softmax does not see it
 *   margin    the reference's largest logit − its second
 *
 * Tokens can differ only where the margin is below twice the noise.
 */
import { likeliestToken } from "../../runtime/sample/logprobs.ts";

export interface Agreement {
  readonly positions: number;
  /** Positions at which both take the same token. */
  readonly equal: number;
  /** Number of tokens before the first that differs: what both programs would write alike. */
  readonly together: number;
  /** The largest noise of all positions, and the median. */
  readonly noise: number;
  readonly medianNoise: number;
  /** Mean standard deviation of the reference's logits at a position. */
  readonly spread: number;
  readonly apart: readonly {
    readonly at: number;
    readonly reference: number;
    readonly other: number;
    readonly margin: number;
    readonly noise: number;
  }[];
  /** Smallest margin at a position where both take the same token. */
  readonly leastMargin: number;
}

export function agreement(reference: readonly Float32Array[], other: readonly Float32Array[]): Agreement {
  const rows = reference.map((row, i) => compare(row, other[i]!, i));
  const apart = rows.filter((r) => r.reference !== r.other);
  const noises = rows.map((r) => r.noise).toSorted((a, b) => a - b);
  return {
    positions: rows.length,
    equal: rows.length - apart.length,
    together: apart[0]?.at ?? rows.length,
    noise: noises.at(-1)!,
    medianNoise: noises[noises.length >> 1]!,
    spread: rows.reduce((sum, r) => sum + r.spread, 0) / rows.length,
    apart,
    leastMargin: Math.min(...rows.filter((r) => r.reference === r.other).map((r) => r.margin)),
  };
}

function compare(reference: Float32Array, other: Float32Array, at: number) {
  const [mean, otherMean] = [reference, other].map(
    (row) => row.reduce((sum, x) => sum + x, 0) / row.length,
  ) as [number, number];
  let noise = 0;
  let squares = 0;
  let first = 0;
  let second = -1;
  for (let i = 0; i < reference.length; i++) {
    const x = reference[i]! - mean;
    noise = Math.max(noise, Math.abs(x - (other[i]! - otherMean)));
    squares += x * x;
    if (reference[i]! > reference[first]!) [first, second] = [i, first];
    else if (i !== first && (second < 0 || reference[i]! > reference[second]!)) second = i;
  }
  return {
    at,
    noise,
    spread: Math.sqrt(squares / reference.length),
    reference: first,
    other: likeliestToken(other),
    margin: reference[first]! - reference[second]!,
  };
}

/**
 * Log-probabilities of tokens: the logarithm of the softmax of the logits, as the model gives them, before
 * any penalty, cut or temperature.
 */
import { ln } from "../contract/exp.ts";
import { weigh } from "./sampler.ts";

export interface TokenLogprob {
  readonly id: number;
  /** Natural logarithm of its probability. */
  readonly logprob: number;
  /** The likeliest ids, by falling probability. */
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}

/** ln Σ exp(logits), in f64. */
export function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  for (const v of logits) if (v > max) max = v;
  return max + ln(weigh(logits, undefined, max, 1).sum);
}

/**
 * Reads log-probabilities of ids from the logits, which are copied, since sampling overwrites them. `top`:
 * how many of the likeliest ids go with each token.
 */
export function logprobReader(logits: Float32Array, top: number): (id: number) => TokenLogprob {
  const total = logSumExp(logits);
  const best = likeliest(logits, top).map((id) => ({ id, logprob: logits[id]! - total }));
  const copy = logits.slice();
  return (id) => ({ id, logprob: copy[id]! - total, top: best });
}

/** The id of the largest logit; the lowest id among equals. */
export function likeliestToken(logits: Float32Array): number {
  let at = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[at]!) at = id;
  return at;
}

/** The ids of the k largest logits, by falling logit; of equal ones, the lower id comes first. */
export function likeliest(logits: Float32Array, k: number): number[] {
  if (k === 0) return [];
  const found: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    if (found.length === k && !(logits[id]! > logits[found[k - 1]!]!)) continue;
    let at = found.length < k ? found.length : k - 1;
    while (at > 0 && logits[id]! > logits[found[at - 1]!]!) at--;
    found.splice(at, 0, id);
    found.length = Math.min(found.length, k);
  }
  return found;
}

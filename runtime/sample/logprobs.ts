/**
 * Log-probabilities of tokens: the softmax of the logits as the model gives them, before any penalty, cut or
 * temperature.
 */

export interface TokenLogprob {
  readonly id: number;
  /** Natural logarithm of its probability. */
  readonly logprob: number;
  /** The likeliest ids, falling. */
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}

/** ln Σ exp(logits), in f64. */
export function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  let sum = 0;
  for (const v of logits) if (v > max) max = v;
  for (const v of logits) sum += Math.exp(v - max);
  return max + Math.log(sum);
}

/**
 * To be made before the logits are sampled from, which overwrites them. `top`: so many of the likeliest go
 * with each token.
 */
export function logprobReader(logits: Float32Array, top: number): (id: number) => TokenLogprob {
  const total = logSumExp(logits);
  const best = likeliest(logits, top).map((id) => ({ id, logprob: logits[id]! - total }));
  const kept = logits.slice();
  return (id) => ({ id, logprob: kept[id]! - total, top: best });
}

/** Ids of the k largest, falling; the lower id first among equals. */
function likeliest(logits: Float32Array, k: number): number[] {
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

/**
 * Picks a token from logits. Order and defaults as in llama.cpp: repetition penalty, top-k, top-p, min-p, temperature last.
 * Temperature 0 takes the likeliest. The vocabulary is never sorted as a whole: a heap gives as many as are asked for.
 */
import { SinterError } from "./errors.ts";
import type { Random } from "./random.ts";

export interface SamplerSettings {
  readonly temperature: number;
  /** Keep the k likeliest; 0 = all. */
  readonly topK: number;
  /** Keep the likeliest whose probabilities reach p together; 1 = all (Holtzman et al. 2020). */
  readonly topP: number;
  /** Keep what is at least this share of the likeliest; 0 = all (Nguyen et al. 2024). */
  readonly minP: number;
  /** Logits of recent tokens are divided by this when positive, multiplied when negative; 1 = off (Keskar et al. 2019). */
  readonly repeatPenalty: number;
  /** How many tokens count as recent. */
  readonly repeatLast: number;
}

export const samplerDefaults: SamplerSettings = { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, repeatPenalty: 1, repeatLast: 64 };

/** `logits` [V] is overwritten. `recent`: tokens so far, the newest last. `size`: ids from here on are never taken. */
export function sampleToken(logits: Float32Array, s: SamplerSettings, recent: readonly number[], random: Random, size = logits.length): number {
  const scores = logits.subarray(0, size);
  penalize(scores, recent.slice(Math.max(0, recent.length - s.repeatLast)), s.repeatPenalty);
  const best = argmax(scores);
  if (s.temperature <= 0 || s.topK === 1) return best;
  const kept = candidates(scores, best, s);
  return draw(scores, kept, scores[best]!, s.temperature, random.unit());
}

function penalize(scores: Float32Array, recent: readonly number[], penalty: number): void {
  if (penalty === 1) return;
  for (const id of new Set(recent)) {
    const score = scores[id];
    if (score !== undefined) scores[id] = score > 0 ? score / penalty : score * penalty;
  }
}

function argmax(scores: Float32Array): number {
  let best = 0;
  for (let i = 0; i < scores.length; i++) {
    if (!(scores[i]! < Infinity)) throw new SinterError("bug", `the logit of token ${i} is ${scores[i]}`, "A weight is not a number: is the checkpoint whole?");
    if (scores[i]! > scores[best]!) best = i;
  }
  return best;
}

/** Ids that survive top-k, top-p and min-p. Undefined: all of them. */
function candidates(scores: Float32Array, best: number, { topK, topP, minP }: SamplerSettings): Int32Array | undefined {
  const k = topK > 0 && topK < scores.length ? topK : scores.length;
  let kept: Int32Array | undefined;
  if (topP < 1) kept = likeliest(scores, k, topP, k < scores.length ? undefined : expSum(scores, scores[best]!), scores[best]!);
  else if (k < scores.length) kept = likeliest(scores, k, Infinity, undefined, scores[best]!);
  if (minP > 0) {
    const least = scores[best]! + Math.log(minP);
    kept = (kept ?? Int32Array.from(scores.keys())).filter((id) => scores[id]! >= least);
  }
  return kept;
}

/**
 * The k likeliest ids in falling order (the lower id first among equals), cut where their probabilities reach p. Probabilities
 * are among the k; `total` is their denominator where k = V, so that most of the vocabulary stays unsorted.
 */
function likeliest(scores: Float32Array, k: number, p: number, total: number | undefined, max: number): Int32Array {
  const heap = heapOf(scores);
  const ids = new Int32Array(k);
  const weights = new Float64Array(k);
  let n = 0, sum = 0;
  for (; n < k && !(total !== undefined && sum >= p * total); n++) {
    ids[n] = heap.pop();
    weights[n] = Math.exp(scores[ids[n]!]! - max);
    sum += weights[n]!;
  }
  if (total !== undefined || p === Infinity) return ids.subarray(0, n);
  let cut = 0;
  for (let reached = 0; cut < n && reached < p * sum; cut++) reached += weights[cut]!;
  return ids.subarray(0, Math.max(1, cut));
}

function expSum(scores: Float32Array, max: number): number {
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - max);
  return sum;
}

/** Softmax at the temperature, then the id where the cumulative probability passes u. */
function draw(scores: Float32Array, kept: Int32Array | undefined, max: number, temperature: number, u: number): number {
  const n = kept?.length ?? scores.length;
  const at = (i: number): number => kept?.[i] ?? i;
  const weights = new Float64Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += weights[i] = Math.exp((scores[at(i)]! - max) / temperature);
  let left = u * sum;
  for (let i = 0; i < n; i++) if ((left -= weights[i]!) < 0) return at(i);
  return at(n - 1);
}

/** Max-heap of all ids by score. Built in one pass (Floyd 1964), then log V per id taken. */
function heapOf(scores: Float32Array): { pop(): number } {
  const ids = Int32Array.from(scores.keys());
  let size = ids.length;
  const before = (a: number, b: number): boolean => scores[a]! > scores[b]! || (scores[a] === scores[b] && a < b);
  const sink = (from: number): void => {
    const id = ids[from]!;
    let at = from;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && before(ids[child + 1]!, ids[child]!)) child++;
      if (!before(ids[child]!, id)) break;
      ids[at] = ids[child]!;
      at = child;
    }
    ids[at] = id;
  };
  for (let i = (size >> 1) - 1; i >= 0; i--) sink(i);
  return {
    pop() {
      const top = ids[0]!;
      ids[0] = ids[--size]!;
      sink(0);
      return top;
    },
  };
}

/**
 * Draws a token from logits. Order and defaults are llama.cpp's: repetition penalty, top-k, top-p, min-p, and
 * temperature last. Temperature 0 takes the likeliest token. The vocabulary is never sorted as a whole, only
 * the part of it that can be chosen.
 *
 * The operation sample_rows (compiler/ops/sampling/sample_rows.ts) draws the same token from the same logits,
 * settings and random stream, bit for bit. So what is rounded here is rounded there: powers of e are those of
 * contract/exp.ts, and sums over many ids are made in four parts, as a kernel's lanes make them.
 */
import { SinterError } from "../base/errors.ts";
import { sampleDefaults } from "../contract/defaults.ts";
import { exp, expNumbers, ln } from "../contract/exp.ts";
import type { SamplerSettings } from "../contract/sampler-words.ts";
import type { Random } from "../base/random.ts";

export type { SamplerSettings } from "../contract/sampler-words.ts";

export const samplerDefaults: SamplerSettings = sampleDefaults;

/** A token, and how likely it was. */
export interface Drawn {
  readonly token: number;
  /** The natural logarithm of its probability among the ids that could be drawn, at the temperature. */
  readonly logprob: number;
}

/** What takes ids away before one is drawn, in this order. */
export type Cut = "topK" | "topP" | "minP";

/** Hears of a draw, step by step. The arrays are the sampler's own: they are not to be changed. */
export interface DrawListener {
  /** The ids that a cut has left. A cut that is switched off is not heard of. */
  cut(by: Cut, ids: Int32Array): void;
  /** The draw. Where the likeliest id is taken without one, at temperature 0, nothing is heard. */
  drawn(draw: Draw): void;
}

/** One draw: u · sum falls into the weight of the id that is drawn, as they lie one behind the other. */
export interface Draw extends Weights {
  /** Undefined: all ids, in their order. */
  readonly ids: Int32Array | undefined;
  /** 0 ≤ u < 1. */
  readonly u: number;
  /** Where among the ids the drawn one stands. */
  readonly at: number;
}

/**
 * `logits` [V] is overwritten. `recent` are the tokens so far, the newest last. Ids from `size` on are never
 * drawn, nor are those in `absent`. Throws `corrupt` when a logit is NaN or infinite, or all are −∞.
 */
export const sampleToken = (
  logits: Float32Array,
  s: SamplerSettings,
  recent: readonly number[],
  random: Random,
  size = logits.length,
  absent?: ReadonlySet<number>,
): number => drawToken(logits, s, recent, random, size, absent).token;

/** The same, with the token's probability. */
export function drawToken(
  logits: Float32Array,
  s: SamplerSettings,
  recent: readonly number[],
  random: Random,
  size = logits.length,
  absent?: ReadonlySet<number>,
  listener?: DrawListener,
): Drawn {
  const scores = logits.subarray(0, size);
  for (const id of absent ?? []) if (id < scores.length) scores[id] = -Infinity;
  penalize(scores, recent.slice(Math.max(0, recent.length - s.repeatLast)), s.repeatPenalty);
  const best = argmax(scores);
  if (s.temperature <= 0 || s.topK === 1) return { token: best, logprob: 0 };
  const ids = candidates(scores, best, s, listener);
  const drawn = draw(scores, ids, scores[best]!, s.temperature, random.unit());
  listener?.drawn(drawn);
  const { weights, sum, at } = drawn;
  return { token: ids?.[at] ?? at, logprob: ln(weights[at]! / sum) };
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
    if (!(scores[i]! < Infinity))
      throw new SinterError(
        "corrupt",
        `the logit of token ${i} is ${scores[i]}`,
        "A weight is not a number: is the checkpoint whole?",
      );
    if (scores[i]! > scores[best]!) best = i;
  }
  if (scores[best] === -Infinity)
    throw new SinterError(
      "corrupt",
      "no token can be drawn: the logits of all ids are -Infinity",
      "A weight is infinite, or the tokenizer has none of the model's ids: do the two belong together?",
    );
  return best;
}

/** The ids that survive top-k, top-p and min-p, by falling score. Undefined: all of them do. */
function candidates(
  scores: Float32Array,
  best: number,
  { topK, topP, minP }: SamplerSettings,
  listener?: DrawListener,
): Int32Array | undefined {
  const max = scores[best]!;
  let ids: Int32Array | undefined;
  if (topK > 0 && topK < scores.length) {
    ids = largest(scores, topK);
    listener?.cut("topK", ids);
  }
  if (topP < 1) {
    const { sum } = weigh(scores, ids, max, 1);
    ids = ids ? nucleus(scores, ids, max, topP * sum).ids : nucleusOfAll(scores, max, topP * sum);
    listener?.cut("topP", ids);
  }
  if (minP > 0) {
    const least = max + ln(minP);
    ids = (ids ?? Int32Array.from(scores.keys())).filter((id) => scores[id]! >= least);
    listener?.cut("minP", ids);
  }
  return ids;
}

/** By falling score; of equal scores, the lower id comes first. */
const falling =
  (scores: Float32Array) =>
  (a: number, b: number): number =>
    scores[b]! - scores[a]! || a - b;

/**
 * The ids of the k largest scores, by falling score. A heap of k ids holds the largest so far, with the least
 * of them on top, so that most of the vocabulary costs one comparison.
 */
function largest(scores: Float32Array, k: number): Int32Array {
  const heap = Int32Array.from({ length: k }, (_, id) => id);
  const above = (a: number, b: number): boolean =>
    scores[a]! < scores[b]! || (scores[a]! === scores[b]! && a > b);
  const sink = (id: number, from: number): void => {
    let at = from;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= k) break;
      if (child + 1 < k && above(heap[child + 1]!, heap[child]!)) child++;
      if (!above(heap[child]!, id)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = id;
  };
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(heap[i]!, i);
  for (let id = k, least = scores[heap[0]!]!; id < scores.length; id++) {
    if (!(scores[id]! > least)) continue;
    sink(id, 0);
    least = scores[heap[0]!]!;
  }
  return heap.sort(falling(scores));
}

/**
 * The shortest beginning of `sorted` whose weights reach `wanted`; at least one id, and none without weight
 * after it. `reached`: false where all of them do not, because `sorted` is not all ids, or sums are rounded.
 */
function nucleus(
  scores: Float32Array,
  sorted: Int32Array,
  max: number,
  wanted: number,
): { readonly ids: Int32Array; readonly reached: boolean } {
  let n = 0;
  let sum = 0;
  for (; n < sorted.length && sum < wanted; n++) {
    const weight = exp(scores[sorted[n]!]! - max);
    if (weight === 0) break;
    sum += weight;
  }
  return { ids: sorted.subarray(0, Math.max(1, n)), reached: sum >= wanted };
}

/** The same for the whole vocabulary: only tokens near the likeliest are sorted, as many as it takes. */
function nucleusOfAll(scores: Float32Array, max: number, wanted: number): Int32Array {
  const all = Int32Array.from(scores.keys());
  for (let depth = 4; ; depth *= 2) {
    const near = all.filter((id) => scores[id]! >= max - depth);
    const isLast = near.length === all.length || depth > DEEPEST;
    if (!isLast && weigh(scores, near, max, 1).sum < wanted) continue;
    const { ids, reached } = nucleus(scores, near.sort(falling(scores)), max, wanted);
    if (reached || isLast) return ids;
  }
}

/** A score that is lower than the largest by more has no weight. */
const DEEPEST = -expNumbers.lowest;

export interface Weights {
  /** e^((score − max) / temperature) of each id. */
  readonly weights: Float64Array;
  /** Their sum, made of four: element i is added to sum i mod 4. */
  readonly sum: number;
}

/** `ids`: undefined = all of them, in their order. */
export function weigh(
  scores: Float32Array,
  ids: Int32Array | undefined,
  max: number,
  temperature: number,
): Weights {
  const weights = new Float64Array(ids?.length ?? scores.length);
  const sums = [0, 0, 0, 0];
  for (let i = 0; i < weights.length; i++) {
    const weight = exp((scores[ids ? ids[i]! : i]! - max) / temperature);
    weights[i] = weight;
    sums[i & 3]! += weight;
  }
  return { weights, sum: sums[0]! + sums[2]! + (sums[1]! + sums[3]!) };
}

/** Softmax at the temperature, then the place at which the cumulative probability passes u. */
function draw(
  scores: Float32Array,
  ids: Int32Array | undefined,
  max: number,
  temperature: number,
  u: number,
): Draw {
  const { weights, sum } = weigh(scores, ids, max, temperature);
  let left = u * sum;
  let at = weights.findIndex((weight) => (left -= weight) < 0);
  if (at < 0) at = weights.findLastIndex((weight) => weight > 0); // the sum was rounded
  return { ids, weights, sum, u, at };
}

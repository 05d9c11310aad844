/**
 * Weights drawn at random, in the place of a checkpoint. Each matrix has a standard deviation of 1 / √in, so
 * that every part adds about as much to the residual stream as it gets; that of embeddings is small. A tied
 * output then prefers other tokens than the last one, which it would not if the token's own embedding were
 * most of the stream.
 */
import type { WeightSource } from "../../runtime/formats/outgoing.ts";
import { normalQuantile } from "../../runtime/engine/init.ts";
import { randomStream } from "../../runtime/base/random.ts";

/** Standard deviation of embeddings. Logits of a tied output have √width times this. */
const EMBEDDING_STD = 0.05;

/**
 * The numbers depend on the seed and on the tensor's name: each tensor is a piece of one list of normal
 * numbers, from a place that its name decides. Vectors are ones (norms) and zeros (biases).
 */
export function drawnWeights(seed: number): WeightSource {
  const normal = normalNumbers(seed, "normal");
  return {
    tensors: { has: () => true }, // everything that is asked for
    async read(name, shape) {
      const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (shape.length === 1) return out.fill(name.endsWith(".bias") ? 0 : 1);
      const std = /embedding/.test(name) ? EMBEDDING_STD : 1 / Math.sqrt(shape[0]!);
      const start = randomStream(seed, name).word() % normal.length;
      return fillFrom(out, normal, start, std);
    },
  };
}

/** A prime, so that tensors of usual sizes do not begin at the same places again. */
const NORMAL_NUMBERS = 1_000_003;

/** Normal numbers, drawn once; tensors take theirs from them (`fillFrom`). */
export function normalNumbers(seed: number, name: string): Float32Array {
  const { word } = randomStream(seed, name);
  return Float32Array.from({ length: NORMAL_NUMBERS }, () => normalQuantile((word() + 0.5) / 2 ** 32));
}

/** Fills a tensor with the numbers from `start` on, which go round, times a standard deviation. */
export function fillFrom<Into extends Float32Array>(
  out: Into,
  normal: Float32Array,
  start: number,
  std: number,
): Into {
  for (let i = 0, at = start; i < out.length; i++) {
    out[i] = std * normal[at]!;
    at = at + 1 === normal.length ? 0 : at + 1;
  }
  return out;
}

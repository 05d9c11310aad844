/**
 * One draw of a token, step by step, for those who want to see it: how likely each id was, what each cut
 * left, which slice of the interval from 0 to 1 each id has that is left, and where the random number fell.
 * The steps are heard from the sampler itself, while it draws.
 */
import type { Random } from "../base/random.ts";
import { drawToken, weigh, type Cut, type Draw, type SamplerSettings } from "./sampler.ts";

/** An id that could be drawn. Its slice is `from` ≤ u < `to`; the slices lie in the order of the list. */
export interface DrawSlice {
  readonly id: number;
  readonly from: number;
  readonly to: number;
}

export interface DrawSteps {
  /** How likely each id was: softmax of the logits, before any penalty, cut or temperature. */
  readonly before: Float64Array;
  /** The cuts that were made, in their order, and how many ids each has left. */
  readonly cuts: readonly { readonly by: Cut; readonly left: number }[];
  /** Which cut took each id away; ids that are left are not in it. */
  readonly cutBy: ReadonlyMap<number, Cut>;
  /** By falling probability, or by id where nothing was cut. Their widths are the probabilities. */
  readonly slices: readonly DrawSlice[];
  /** The random number; undefined where the likeliest token was taken without one, at temperature 0. */
  readonly u: number | undefined;
  readonly token: number;
}

/**
 * Draws as `drawToken` does, with the same random number, and tells how. `logits` [V] is left as it is.
 * Throws what `drawToken` throws.
 */
export function drawInSteps(
  logits: Float32Array,
  settings: SamplerSettings,
  recent: readonly number[],
  random: Random,
): DrawSteps {
  const cuts: { by: Cut; left: number }[] = [];
  const cutBy = new Map<number, Cut>();
  let left: ReadonlySet<number> = new Set(logits.keys());
  let draw: Draw | undefined;
  const { token } = drawToken(logits.slice(), settings, recent, random, logits.length, undefined, {
    cut(by, ids) {
      const kept = new Set(ids);
      for (const id of left) if (!kept.has(id)) cutBy.set(id, by);
      cuts.push({ by, left: kept.size });
      left = kept;
    },
    drawn: (heard) => (draw = heard),
  });
  const slices = draw ? slicesOf(draw) : [{ id: token, from: 0, to: 1 }];
  return { before: softmax(logits), cuts, cutBy, slices, u: draw?.u, token };
}

function slicesOf({ ids, weights, sum }: Draw): readonly DrawSlice[] {
  let to = 0;
  return Array.from(weights, (weight, i) => {
    const from = to;
    to += weight / sum;
    return { id: ids?.[i] ?? i, from, to };
  });
}

function softmax(logits: Float32Array): Float64Array {
  const max = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const { weights, sum } = weigh(logits, undefined, max, 1);
  return weights.map((weight) => weight / sum);
}

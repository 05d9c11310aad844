/**
 * Floating-point operations of a token, under the two conventions that the field has; a multiply-add is two.
 * Products of matrices only: norms, softmax, rotations and activations are left out, as everywhere (PaLM,
 * Megatron-LM, llm-foundry, nanochat).
 *
 *   forward    2 · N_mm + Σ 4 · heads · head_dim · a(s)      over the layers' attention
 *   training   3 · forward                                   4 · forward where layers are computed again
 *   a(s)       the positions that a query meets on average:
 *     full     s      seen or not (PaLM's appendix B, torchtitan, nanoGPT, MosaicML)
 *     causal   s / 2  those before it (Megatron-LM, Megatron-Bridge, llm.c)
 *
 * Under both conventions a window w shows a query w positions: w − w · (w − 1) / (2 · s) on average.
 */
import type { AttentionCost, ModelCosts } from "./costs.ts";
import type { Convention } from "./tables/choices.ts";

/** How many positions a query meets on average in a sequence of `s`. */
export function positionsSeen({ causal, window }: AttentionCost, s: number, convention: Convention): number {
  if (window !== undefined && window < s) return window - (window * (window - 1)) / (2 * s);
  return causal && convention === "causal" ? s / 2 : s;
}

export const attentionFlops = (costs: ModelCosts, sequence: number, convention: Convention): number =>
  costs.attentions.reduce(
    (sum, a) => sum + 4 * a.layers * a.heads * a.headDim * positionsSeen(a, sequence, convention),
    0,
  );

/** Of one token's forward. */
export const forwardFlops = (costs: ModelCosts, sequence: number, convention: Convention): number =>
  2 * costs.multiplying + attentionFlops(costs, sequence, convention);

/** Of one token's forward and backward, which is twice the forward. */
export const trainingFlops = (costs: ModelCosts, sequence: number, convention: Convention): number =>
  3 * forwardFlops(costs, sequence, convention);

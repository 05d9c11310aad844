/**
 * How far a model has moved from its reference, estimated from what it has written itself: of a token,
 * d = ln p − ln p of the reference.
 *
 *   k1 = d                  its mean is KL(model ‖ reference)
 *   k2 = d² / 2             its mean is not, but its gradient as a part of the loss is KL's
 *   k3 = e^−d + d − 1       its mean is, it is never negative; as a part of the loss it has the gradient of
 *                           KL(reference ‖ model), the other direction
 *
 * k1 in the loss has, on average, no gradient at all: it belongs into the reward (Schulman 2020).
 */
import type { RlSettings } from "../../contract/model.ts";
import { exp, ln } from "../../contract/exp.ts";

/** d is kept within ±20 before e^−d, as the compiled objectives keep it. */
const LARGEST_POWER = 20;

export const estimates = {
  k1: (d: number): number => d,
  k2: (d: number): number => (d * d) / 2,
  k3: (d: number): number => exp(-Math.max(-LARGEST_POWER, Math.min(LARGEST_POWER, d))) + d - 1,
} as const satisfies Record<RlSettings["estimator"], (d: number) => number>;

/** KL(p ‖ q) in nats, from all log-probabilities of one position. */
export function exactDivergence(p: Float32Array, q: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) if (p[i]! > -Infinity) sum += exp(p[i]!) * (p[i]! - q[i]!);
  return sum;
}

/** `target` 0: the weight stays as it is. In `horizon` answers, it changes by at most a fifth. */
export type KlControl = Pick<RlSettings, "target" | "horizon">;

/** By how much more the weight may change than in proportion, either way. */
const LARGEST_ERROR = 0.2;

/**
 * The weight of the divergence after a step of `answers` answers that were `measured` nats from the reference
 * on average (Ziegler et al. 2019): kl · (1 + clip(measured / target − 1, ±0.2) · answers / horizon).
 */
export function controlledKl(
  kl: number,
  measured: number,
  answers: number,
  { target, horizon }: KlControl,
): number {
  if (target === 0) return kl;
  const error = Math.max(-LARGEST_ERROR, Math.min(LARGEST_ERROR, measured / target - 1));
  return kl * (1 + (error * answers) / horizon);
}

// ---- what no policy can get round

/**
 * The most that mean reward − kl · KL(model ‖ reference) can be: kl · ln E[e^{R / kl}] over answers of the
 * reference, whose rewards these are. The policy that reaches it is the reference, times e^{R / kl}.
 */
export function bestObjective(rewards: readonly number[], kl: number): number {
  const most = rewards.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (const reward of rewards) sum += exp((reward - most) / kl);
  return most + kl * ln(sum / rewards.length);
}

/** The share of right answers of that policy, where the reference has the share `right`. */
export function bestShare(right: number, kl: number): number {
  const weight = right * exp(1 / kl);
  return weight / (1 - right + weight);
}

/**
 * The least KL(model ‖ reference), in nats per answer, of a model with the share `now` of right answers where
 * the reference has the share `before`. Less than that is an error of the estimate.
 */
export function leastDivergence(now: number, before: number): number {
  const term = (p: number, q: number): number => (p === 0 ? 0 : p * ln(p / q));
  return term(now, before) + term(1 - now, 1 - before);
}

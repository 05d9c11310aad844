/**
 * Advantages of tokens by a value head (PPO): rewards that stand at tokens, generalised advantage estimation
 * (Schulman et al. 2016), and whitening over the tokens that count.
 */
import type { RlSettings } from "../../contract/model.ts";
import { meanOf, squaresOf } from "./statistics.ts";

/** What one answer's tokens brought, and what the value head had expected at each. */
export interface ValuedAnswer {
  readonly rewards: readonly number[];
  readonly values: readonly number[];
}

export interface Gae {
  /** δ_t = r_t + γ·V_{t+1} − V_t;  A_t = δ_t + γ·λ·A_{t+1}.  Behind the last token, V and A are 0. */
  readonly advantages: readonly number[];
  /** A + V: what the value head is to learn. */
  readonly returns: readonly number[];
}

export function generalisedAdvantages(
  { rewards, values }: ValuedAnswer,
  { gamma, lambda }: Pick<RlSettings, "gamma" | "lambda">,
): Gae {
  const advantages = rewards.map(() => 0);
  let behind = 0; // A_{t+1}
  for (let t = rewards.length - 1; t >= 0; t--) {
    const delta = rewards[t]! + gamma * (values[t + 1] ?? 0) - values[t]!;
    behind = delta + gamma * lambda * behind;
    advantages[t] = behind;
  }
  return { advantages, returns: advantages.map((advantage, t) => advantage + values[t]!) };
}

/** The reward of an answer at its last token; and at each token −kl · (ln p − ln p of the reference). */
export function tokenRewards(score: number, divergences: readonly number[], kl: number): number[] {
  // without a weight, a divergence that is not finite counts nothing
  const rewards = divergences.map((divergence) => (kl === 0 ? 0 : -kl * divergence));
  rewards[rewards.length - 1]! += score;
  return rewards;
}

/**
 * All numbers less their mean, divided by their deviation (n − 1), over all answers together: each list holds
 * one answer's tokens that count. A single number is left as it is.
 */
export function whitened(answers: readonly (readonly number[])[]): number[][] {
  const all = answers.flat();
  if (all.length < 2) return answers.map((of) => [...of]);
  const mean = meanOf(all);
  const variance = squaresOf(all, mean) / (all.length - 1);
  const scale = 1 / Math.sqrt(variance + 1e-8);
  return answers.map((of) => of.map((value) => (value - mean) * scale));
}

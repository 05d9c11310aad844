/** What is logged of a step's answers, under the names that TRL has for it. */
import type { Scores } from "../rewards/read-reward.ts";
import type { Figures } from "../sources/batch-source.ts";
import type { Score } from "../rewards/reward.ts";
import type { SampledAnswer, TokenNumbers } from "./experience.ts";
import { klInReward, type PolicySettings } from "./policy-settings.ts";
import { deviationOf, meanOf, sumOf } from "./statistics.ts";

export interface ExperienceFacts {
  readonly answers: readonly SampledAnswer[];
  /** As the rewards gave them, and after what a missing end costs. */
  readonly scores: Scores;
  readonly penalised: readonly Score[];
  readonly numbers: TokenNumbers;
  readonly divergences: readonly (readonly number[])[];
  readonly settings: PolicySettings;
  readonly zeroStd?: number | undefined;
  /** What a value head is to learn. */
  readonly returns?: readonly (readonly number[])[];
}

const known = (scores: readonly Score[]): number[] => scores.filter((score) => score !== null);

export function experienceFigures(facts: ExperienceFacts): Figures {
  const { answers, scores, numbers, divergences, settings, zeroStd } = facts;
  const differences = answers.flatMap(({ logprobs }, i) =>
    numbers.logprobs[i]!.map((logprob, t) => Math.abs(logprob - logprobs[t]!)),
  );
  const ofAnswers = divergences.map(sumOf);
  return {
    ...rewardFigures(scores, settings.group),
    ...(zeroStd !== undefined && { frac_reward_zero_std: zeroStd }),
    ...lengthFigures(answers),
    entropy: meanOf(numbers.entropies.flat()),
    ...(numbers.values && valueFigures(facts, numbers.values)),
    ...(numbers.references && { kl: meanOf(divergences.flat()), "objective/kl": meanOf(ofAnswers) }),
    ...(klInReward(settings) > 0 && paidFigures(facts, ofAnswers)),
    "sampling/sampling_logp_difference/mean": meanOf(differences),
    "sampling/sampling_logp_difference/max": differences.reduce((a, b) => Math.max(a, b), 0),
  };
}

/** What is logged where a value head judges tokens (PPO). Entropies are of answers, not of tokens. */
const valueFigures = (
  { answers, numbers, returns }: ExperienceFacts,
  values: readonly (readonly number[])[],
): Figures => ({
  "objective/entropy": meanOf(numbers.entropies.map(sumOf)),
  "val/explained_variance": explained(values, returns!),
  "val/num_eos_tokens": answers.filter(({ ended }) => ended).length,
});

/**
 * The share of the returns' variance that the value head foretells; below 0: it is worse than their mean. 0
 * where they are all the same.
 */
function explained(values: readonly (readonly number[])[], returns: readonly (readonly number[])[]): number {
  // of an answer without a score there are no returns
  const scored = returns.flatMap((of, i) => of.map((value, t) => [value, value - values[i]![t]!] as const));
  const [all, missed] = [scored.map(([value]) => value), scored.map(([, by]) => by)];
  const spread = deviationOf(all);
  const share = deviationOf(missed) / spread;
  return spread === 0 ? 0 : 1 - share * share;
}

/** reward_std: the mean of the groups' deviations, as in TRL. */
export function rewardFigures({ total, each }: Scores, group: number): Figures {
  const groups = Array.from({ length: total.length / group }, (_, p) =>
    known(total.slice(p * group, (p + 1) * group)),
  );
  const ofEach = each.flatMap(({ name, scores }) => [
    [`rewards/${name}/mean`, meanOf(known(scores))] as const,
    [`rewards/${name}/std`, deviationOf(known(scores))] as const,
  ]);
  return {
    reward: meanOf(known(total)),
    reward_std: meanOf(groups.map(deviationOf)),
    ...Object.fromEntries(ofEach),
  };
}

export function lengthFigures(answers: readonly SampledAnswer[]): Figures {
  const lengths = answers.map(({ tokens }) => tokens.length);
  const ended = answers.flatMap(({ tokens, ended: has }) => (has ? [tokens.length] : []));
  return {
    "completions/mean_length": meanOf(lengths),
    "completions/min_length": lengths.reduce((a, b) => Math.min(a, b)),
    "completions/max_length": lengths.reduce((a, b) => Math.max(a, b)),
    "completions/clipped_ratio": 1 - ended.length / answers.length,
    "completions/mean_terminated_length": meanOf(ended),
  };
}

/** What the divergence takes off the reward, and what is left. */
function paidFigures({ penalised, settings }: ExperienceFacts, divergences: readonly number[]): Figures {
  const paid = -klInReward(settings) * meanOf(divergences);
  const scores = meanOf(known(penalised));
  return {
    "objective/scores": scores,
    "objective/non_score_reward": paid,
    "objective/rlhf_reward": scores + paid,
  };
}

/**
 * How much better an answer was than expected, from the rewards of a step's answers: one number for each,
 * which all of its tokens get. Answers of one prompt stand beside each other, `group` of them: to which
 * prompt one belongs is its number, never the prompt's text, which may come twice in a step.
 */
import { SinterError } from "../../base/errors.ts";
import type { RlSettings } from "../../contract/model.ts";
import type { Score } from "../rewards/reward.ts";
import { deviationOf, meanOf, sumOf } from "./statistics.ts";

/**
 * What is expected of an answer. R̄ and s: mean and deviation (n − 1) of its group.
 *
 *   group           (R − R̄) / (s + 0.0001)                 GRPO (Shao et al. 2024)
 *   mean            R − R̄                                  Dr. GRPO (Liu et al. 2025)
 *   leave_one_out   R − the mean of the others              RLOO (Ahmadian et al. 2024)
 *   batch           (R − R̄) / (that of all rewards of the step + 0.0001)
 *   whiten          (R − mean) / deviation, over all tokens of the step (REINFORCE++, Hu 2025)
 */
export type AdvantageRule = Exclude<RlSettings["advantage"], "gae">;

/** Added to a deviation that rewards are divided by, as TRL does. */
const LEAST_DEVIATION = 1e-4;

export interface Advantages {
  /** One for each answer; 0 where it has no score. */
  readonly values: readonly number[];
  /** The share of groups whose rewards are all the same: their answers teach nothing. */
  readonly zeroStd: number;
}

export interface AdvantageOptions {
  readonly rule: AdvantageRule;
  /** Answers per prompt. */
  readonly group: number;
  /** Tokens of each answer: `whiten` asks for them. */
  readonly lengths: readonly number[];
}

/**
 * An answer without a score has no part in the statistics of its group. Throws SinterError "input" for groups
 * of one, whose answers have nothing to be compared with.
 */
export function advantagesOf(
  rewards: readonly Score[],
  { rule, group, lengths }: AdvantageOptions,
): Advantages {
  if (group < 2 || rewards.length % group !== 0)
    throw new SinterError(
      "input",
      `groups of ${group} among ${rewards.length} answers: an answer is compared with others of its prompt`,
      "Use groups of at least 2 answers.",
    );
  const groups = Array.from({ length: rewards.length / group }, (_, p) =>
    rewards.slice(p * group, (p + 1) * group),
  );
  const scored = groups.map((of) => of.filter((reward) => reward !== null));
  const equal = scored.map((of) => of.every((reward) => reward === of[0]));
  const zeroStd = equal.filter(Boolean).length / groups.length;
  if (rule === "whiten") return { values: whitenedRewards(rewards, lengths), zeroStd };
  const scale = scaleFor(rule, scored);
  const values = rewards.map((reward, i) => {
    const p = Math.floor(i / group);
    // equal rewards give 0, whatever their mean is rounded to
    return reward === null || equal[p] ? 0 : (reward - meanOf(scored[p]!)) * scale(scored[p]!);
  });
  return { values, zeroStd };
}

/** By what the distance of a reward from its group's mean is multiplied. */
function scaleFor(
  rule: Exclude<AdvantageRule, "whiten">,
  scored: readonly (readonly number[])[],
): (group: readonly number[]) => number {
  if (rule === "group") return (group) => 1 / (deviationOf(group) + LEAST_DEVIATION);
  if (rule === "leave_one_out") return (group) => group.length / (group.length - 1);
  if (rule === "mean") return () => 1;
  const scale = 1 / (deviationOf(scored.flat()) + LEAST_DEVIATION);
  return () => scale;
}

/** The rewards, less their mean over tokens, divided by their deviation (n) over tokens. */
function whitenedRewards(rewards: readonly Score[], lengths: readonly number[]): number[] {
  const known = rewards.flatMap((reward, i) => (reward === null ? [] : [{ reward, length: lengths[i]! }]));
  if (known.every(({ reward }) => reward === known[0]!.reward)) return rewards.map(() => 0);
  const tokens = sumOf(known.map(({ length }) => length));
  const mean = sumOf(known.map(({ reward, length }) => reward * length)) / tokens;
  const variance =
    sumOf(known.map(({ reward, length }) => (reward - mean) * (reward - mean) * length)) / tokens;
  const scale = 1 / Math.sqrt(Math.max(variance, 1e-8));
  return rewards.map((reward) => (reward === null ? 0 : (reward - mean) * scale));
}

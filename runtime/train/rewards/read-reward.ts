/**
 * Rewards as they are written: a name, what it asks for behind a colon, and a weight before it.
 *
 *   exact_answer     share_of:aeiou     0.2*length:20     regex:^[0-9]+$
 */
import { SinterError } from "../../base/errors.ts";
import { builtInRewards, type BuiltInReward } from "./built-in.ts";
import { ruleReward, type GivenAnswer, type Reward, type Score } from "./reward.ts";

/** A reward, and what it counts in the sum of several. */
export interface WeighedReward {
  readonly reward: Reward;
  readonly weight: number;
}

export interface WrittenReward {
  readonly weight: number;
  /** Without the weight. */
  readonly text: string;
}

/** "0.2*json" → 0.2 and "json". A weight may be negative: then less of it is better. */
export function splitWeight(written: string): WrittenReward {
  const found = /^\s*(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*\*\s*(.*)$/su.exec(written);
  return found ? { weight: Number(found[1]), text: found[2]! } : { weight: 1, text: written };
}

/** Undefined: no built-in reward has this name. Throws SinterError "usage" where its argument is wrong. */
export function builtInReward(text: string): Reward | undefined {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  if (!Object.hasOwn(builtInRewards, name)) return undefined;
  const row: (typeof builtInRewards)[BuiltInReward] = builtInRewards[name as BuiltInReward];
  const argument = colon < 0 ? "" : text.slice(colon + 1);
  const asked = "argument" in row ? row.argument : undefined;
  if (argument !== "" && !asked)
    throw new SinterError("usage", `reward ${text}: nothing stands behind ${name}`, `Write ${name}.`);
  if (argument === "" && asked?.needed)
    throw new SinterError(
      "usage",
      `reward ${text}: it lacks its ${asked.name}`,
      `Write ${name}:${asked.name}.`,
    );
  return ruleReward(name, row.make(argument));
}

/** "exact_answer", "regex:PATTERN", "contains[:TEXT]": how each is written. */
export const builtInForms: readonly string[] = Object.entries(builtInRewards).map(([name, row]) => {
  if (!("argument" in row)) return name;
  return row.argument.needed ? `${name}:${row.argument.name}` : `${name}[:${row.argument.name}]`;
});

/** The scores of several rewards, and their weighted sum. */
export interface Scores {
  /** Null: no reward had anything to say about this answer. */
  readonly total: readonly Score[];
  readonly each: readonly { readonly name: string; readonly scores: readonly Score[] }[];
}

/** What a reward has nothing to say about counts nothing in the sum. */
export async function scoreAnswers(
  rewards: readonly WeighedReward[],
  answers: readonly GivenAnswer[],
): Promise<Scores> {
  const each: { readonly name: string; readonly scores: readonly Score[] }[] = [];
  for (const { reward } of rewards) each.push({ name: reward.name, scores: await reward.score(answers) });
  const total = answers.map((_, i): Score => {
    let sum: Score = null;
    for (const [r, { scores }] of each.entries()) {
      const score = scores[i];
      if (score !== null && score !== undefined) sum = (sum ?? 0) + rewards[r]!.weight * score;
    }
    return sum;
  });
  return { total, each };
}

/** What a policy is told to learn by, of what the block `rl` says. */
import { normalisations, type RlSettings } from "../../contract/model.ts";
import type { Aggregation } from "../aggregation.ts";

export interface PolicySettings extends Pick<
  RlSettings,
  | "prompts"
  | "group"
  | "answer"
  | "updates"
  | "normalise"
  | "advantage"
  | "kl"
  | "klIn"
  | "target"
  | "horizon"
  | "truncated"
  | "penalty"
  | "gamma"
  | "lambda"
> {
  readonly objective: Pick<RlSettings["objective"], "unit">;
}

/** How tokens are summed; undefined: the objective is of whole answers, which count the same. */
export const aggregationOf = ({ objective, normalise }: PolicySettings): Aggregation | undefined =>
  objective.unit === "token" ? normalisations[normalise] : undefined;

/** The weight of the divergence in the reward. */
export const klInReward = ({ kl, klIn }: PolicySettings): number => (klIn === "reward" ? kl : 0);

/** Sequences of all micro-batches of an update. */
export const answersPerRound = ({ prompts, group }: PolicySettings): number => prompts * group;

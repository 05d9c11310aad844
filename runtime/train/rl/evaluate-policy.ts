/**
 * How a policy does on prompts that are held out: it samples as it does in training, from random streams of
 * their own, so that an evaluation depends on the weights alone and changes nothing.
 */
import type { RunningModel } from "../../engine/model.ts";
import { logSumExp } from "../../sample/logprobs.ts";
import type { Scores, WeighedReward } from "../rewards/read-reward.ts";
import type { Score } from "../rewards/reward.ts";
import type { BatchShape, Figures } from "../sources/batch-source.ts";
import { answerRows } from "./answer-rows.ts";
import { exactDivergence } from "./divergence.ts";
import {
  divergencesOf,
  sampleAnswers,
  scoresOf,
  tokenNumbers,
  type SampleAsked,
  type SampledAnswer,
} from "./experience.ts";
import { lengthFigures, rewardFigures } from "./answer-figures.ts";
import { mostFrequent, passAtK } from "./pass-at-k.ts";
import type { Reference } from "./reference.ts";
import { meanOf, sumOf } from "./statistics.ts";

export interface PolicyEvaluation extends SampleAsked {
  readonly rewards: readonly WeighedReward[];
  readonly reference: Reference | undefined;
  readonly shape: BatchShape;
}

export interface EvaluatedPolicy {
  readonly figures: Figures;
  /** Tokens of the answers. */
  readonly tokens: number;
}

/** Most tokens of a vocabulary whose divergence is measured exactly. */
const SMALL_VOCABULARY = 1024;
/** How many answers it is measured along. */
const MEASURED = 32;

export async function evaluatePolicy(model: RunningModel, o: PolicyEvaluation): Promise<EvaluatedPolicy> {
  const answers = await sampleAnswers(model, o);
  const scores = await scoresOf(o.rewards, answers);
  const { reference, shape } = o;
  const numbers = reference && (await tokenNumbers(model, answerRows(answers, shape), reference));
  const divergences = numbers ? divergencesOf(numbers) : [];
  const isSmall = model.manifest.model.sizes.vocab <= SMALL_VOCABULARY;
  const figures = {
    ...rewardFigures(scores, o.group),
    ...passes(scores.total, answers, o.group),
    ...(o.group > 1 && bestOfGroups(scores, o.group)),
    ...lengthFigures(answers),
    ...(numbers && {
      kl: meanOf(divergences.flat()),
      "objective/kl": meanOf(divergences.map(sumOf)),
      entropy: meanOf(numbers.entropies.flat()),
    }),
    ...(reference && isSmall && { exact_kl: await exactKl(model, answers, reference, o.group) }),
  };
  return { figures, tokens: sumOf(answers.map(({ tokens }) => tokens.length)) };
}

/**
 * Where scores are 1 or 0: how often one answer is right; how often one of a prompt's is, as who chooses by
 * the reward would have it; and how often the most frequent one is, for which nobody has to know.
 */
function passes(
  total: readonly (number | null)[],
  answers: readonly SampledAnswer[],
  group: number,
): Figures {
  if (!total.every((score) => score === 0 || score === 1)) return {};
  const groups = Array.from({ length: total.length / group }, (_, p) => {
    const scores = total.slice(p * group, (p + 1) * group) as number[];
    const texts = answers.slice(p * group, (p + 1) * group).map(({ text }) => text);
    return { right: sumOf(scores), vote: scores[mostFrequent(texts)]! };
  });
  const pass = (k: number): number => meanOf(groups.map(({ right }) => passAtK(group, right, k)));
  if (group === 1) return { "pass@1": pass(1) };
  const votes = meanOf(groups.map(({ vote }) => vote));
  return { "pass@1": pass(1), [`pass@${group}`]: pass(group), [`maj@${group}`]: votes };
}

/**
 * Of each prompt's answers the one with the largest reward: what that is, and what each of several rewards
 * says of it. Who has the reward and no time to learn from it would choose so.
 */
function bestOfGroups({ total, each }: Scores, group: number): Figures {
  const scored = Array.from({ length: total.length / group }, (_, p) =>
    Array.from({ length: group }, (_, i) => p * group + i).filter((i) => total[i] !== null),
  ).filter((of) => of.length > 0);
  const best = scored.map((of) => of.reduce((a, b) => (total[b]! > total[a]! ? b : a)));
  const meanBest = (scores: readonly Score[]): number =>
    meanOf(best.flatMap((i) => (scores[i] === null ? [] : [scores[i]!])));
  const ofEach = each.map(({ name, scores }) => [`rewards/${name}/best@${group}`, meanBest(scores)] as const);
  return { [`best@${group}`]: meanBest(total), ...(each.length > 1 && Object.fromEntries(ofEach)) };
}

/**
 * KL(model ‖ reference) in nats per answer: at each token of an answer over the whole vocabulary, summed over
 * the answer; the mean over the first answer to each prompt.
 */
async function exactKl(
  model: RunningModel,
  answers: readonly SampledAnswer[],
  reference: Reference,
  group: number,
): Promise<number> {
  const chosen = answers.filter((_, i) => i % group === 0).slice(0, MEASURED);
  const now = await predictions(model, chosen);
  const before = await reference.within(() => predictions(model, chosen));
  return meanOf(now.map((of, i) => sumOf(of.map((p, t) => exactDivergence(p, before[i]![t]!)))));
}

/** ln p of all tokens, before each token of each answer. */
async function predictions(
  model: RunningModel,
  answers: readonly SampledAnswer[],
): Promise<readonly (readonly Float32Array[])[]> {
  const all: Float32Array[][] = [];
  for (const { prompt, tokens } of answers) {
    const rows: Float32Array[] = [];
    for (const t of tokens.keys()) {
      const [fed, at] = t === 0 ? [prompt, 0] : [[tokens[t - 1]!], prompt.length + t - 1];
      const logits = await model.feed(fed, at);
      const total = logSumExp(logits);
      rows.push(logits.map((logit) => logit - total));
    }
    all.push(rows);
  }
  return all;
}

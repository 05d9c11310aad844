/**
 * What a step of policy learning learns from: answers that the model samples, what they are worth, and what
 * model and reference say of their tokens. Everything follows from the weights, the seed and the number of
 * the step; random streams are named, so that no bit depends on how answers are put together.
 */
import type { Batch, RunningModel } from "../../engine/model.ts";
import { SinterError } from "../../base/errors.ts";
import { decode, type Tokenizer } from "../../tokenizers/base/tokenizer.ts";
import { aggregationWeights } from "../aggregation.ts";
import type { PromptExample } from "../examples/example.ts";
import { scoreAnswers, type Scores, type WeighedReward } from "../rewards/read-reward.ts";
import type { Score } from "../rewards/reward.ts";
import { rollOut, type Rollout } from "../rollouts.ts";
import type { BatchShape, Figures } from "../sources/batch-source.ts";
import { advantagesOf } from "./advantages.ts";
import { answerRows, type AnswerRows } from "./answer-rows.ts";
import { experienceFigures } from "./answer-figures.ts";
import { aggregationOf, klInReward, type PolicySettings } from "./policy-settings.ts";
import type { Reference } from "./reference.ts";
import { sumOf } from "./statistics.ts";
import { generalisedAdvantages, tokenRewards, whitened } from "./token-advantages.ts";

/** A prompt, as tokens too. */
export interface Prompt {
  readonly example: PromptExample;
  readonly ids: readonly number[];
}

/** An answer that was sampled for a prompt. */
export interface SampledAnswer extends Rollout {
  readonly prompt: readonly number[];
  readonly of: Prompt;
  /** Its text, without special tokens. */
  readonly text: string;
}

export interface SampleAsked {
  readonly prompts: readonly Prompt[];
  /** Answers to each. */
  readonly group: number;
  /** Most tokens of an answer. */
  readonly most: number;
  readonly seed: number;
  /** Default: 1, what training learns from. 0: the likeliest answers. */
  readonly temperature?: number;
  /** The name of their random streams, before prompt and sample: the step's number. */
  readonly key: readonly (string | number)[];
  readonly tokenizer: Tokenizer;
  readonly signal?: AbortSignal | undefined;
}

/** Answers to each prompt, those of one prompt beside each other. All of what the model says can be drawn. */
export async function sampleAnswers(model: RunningModel, o: SampleAsked): Promise<readonly SampledAnswer[]> {
  const { tokenizer, most, seed, temperature = 1, signal } = o;
  const asked = o.prompts.flatMap((of, p) =>
    Array.from({ length: o.group }, (_, sample) => ({ of, key: [...o.key, p, sample] })),
  );
  const rollouts = await rollOut(
    model,
    asked.map(({ of, key }) => ({ prompt: of.ids, key })),
    {
      most,
      ends: endsOf(tokenizer),
      temperature,
      seed,
      absent: idsWithoutToken(model, tokenizer),
      signal,
    },
  );
  return rollouts.map((rollout, i): SampledAnswer => {
    const { of } = asked[i]!;
    const said = rollout.ended ? rollout.tokens.slice(0, -1) : rollout.tokens;
    return { ...rollout, of, prompt: of.ids, text: decode(tokenizer, said, { special: false }) };
  });
}

/** Rows of the model's table that stand for no token. */
function idsWithoutToken(model: RunningModel, { size, absent = new Set() }: Tokenizer): number[] {
  const { vocab } = model.manifest.model.sizes;
  return Array.from({ length: vocab }, (_, id) => id).filter((id) => id >= size || absent.has(id));
}

/** The tokens that end an answer. */
export const endsOf = ({ endOfText, beginOfText, stops }: Tokenizer): readonly number[] =>
  [...new Set([endOfText, beginOfText, ...stops])].filter((id) => id !== undefined);

export const scoresOf = (
  rewards: readonly WeighedReward[],
  answers: readonly SampledAnswer[],
): Promise<Scores> =>
  scoreAnswers(
    rewards,
    answers.map(({ of: { example }, text }) => ({
      row: example.row,
      prompt: example.prompt,
      text,
      columns: example.columns,
    })),
  );

/** What model and reference say of the counted tokens of each answer. */
export interface TokenNumbers {
  readonly logprobs: readonly (readonly number[])[];
  readonly entropies: readonly (readonly number[])[];
  /** Of a model with a value head. */
  readonly values: readonly (readonly number[])[] | undefined;
  /** Undefined: there is no reference. */
  readonly references: readonly (readonly number[])[] | undefined;
}

/** Says it by the module's own `evaluate`: a step from the same weights has ratios of exactly 1. */
export async function tokenNumbers(
  model: RunningModel,
  rows: AnswerRows,
  reference: Reference | undefined,
): Promise<TokenNumbers> {
  const hasValues = model.manifest.model.head !== undefined;
  const own = await evaluatedRows(model, rows, hasValues ? ["logprobs", "entropies", "values"] : ownOutputs);
  const others = await reference?.within(() => evaluatedRows(model, rows, ["logprobs"]));
  return {
    logprobs: rows.read(own.logprobs!),
    entropies: rows.read(own.entropies!),
    values: own.values && rows.read(own.values),
    references: others && rows.read(others.logprobs!),
  };
}

type Output = "logprobs" | "entropies" | "values";
const ownOutputs = ["logprobs", "entropies"] as const;

async function evaluatedRows(
  model: RunningModel,
  { batches }: AnswerRows,
  outputs: readonly Output[],
): Promise<Partial<Record<Output, Float32Array[]>>> {
  const found: Partial<Record<Output, Float32Array[]>> = {};
  for (const batch of batches) {
    await model.evaluate(withNothingKnown(batch));
    for (const name of outputs) (found[name] ??= []).push(model.rowOutput(name).slice());
  }
  return found;
}

/** A module asks for all that its objective reads, also where only log-probabilities are wanted. */
function withNothingKnown(batch: Batch): Batch {
  const none = new Float32Array(batch.tokens.length);
  return {
    ...batch,
    oldLogprobs: none,
    referenceLogprobs: none,
    advantages: none,
    returns: none,
    oldValues: none,
  };
}

export interface ExperienceAsked extends Omit<SampleAsked, "group" | "most"> {
  readonly settings: PolicySettings;
  readonly rewards: readonly WeighedReward[];
  readonly reference: Reference | undefined;
  readonly shape: BatchShape;
}

export interface Experience {
  /** The micro-batches of one update. */
  readonly micro: readonly Batch[];
  readonly figures: Figures;
  /** Mean nats per answer from the reference; 0 where there is none. */
  readonly divergence: number;
}

/** Samples, scores and measures the answers of a step. */
export async function gatherExperience(model: RunningModel, o: ExperienceAsked): Promise<Experience> {
  const { settings, shape } = o;
  const answers = await sampleAnswers(model, { ...o, group: settings.group, most: settings.answer });
  const scores = await scoresOf(o.rewards, answers);
  const rows = answerRows(answers, shape);
  const numbers = await tokenNumbers(model, rows, o.reference);
  const divergences = divergencesOf(numbers);
  const penalised = answers.map(({ ended }, i) => afterPenalty(scores.total[i]!, ended, settings));
  const credit = creditOf(answers, penalised, divergences, numbers, settings);
  const isLearnt = (i: number): boolean =>
    scores.total[i] !== null && (answers[i]!.ended || settings.truncated !== "mask");
  if (!answers.some((_, i) => isLearnt(i))) throw nothingLeft(settings);
  return {
    micro: microBatches(rows, rows.learning(isLearnt), numbers, credit, o),
    figures: experienceFigures({ answers, scores, numbers, divergences, penalised, settings, ...credit }),
    divergence: sumOf(divergences.map(sumOf)) / answers.length,
  };
}

const nothingLeft = ({ answer, truncated }: PolicySettings): SinterError =>
  new SinterError(
    "input",
    truncated === "mask"
      ? `nothing can be learnt from this step's answers: all are cut at ${answer} tokens, or have no score`
      : "nothing can be learnt from this step's answers: no reward has anything to say about them",
    "Longer answers: --set rl.answer=N; learn from cut ones too: --set rl.truncated=penalty.",
  );

/** ln p − ln p of the reference, of each token; 0 where there is no reference. */
export const divergencesOf = ({ logprobs, references }: TokenNumbers): readonly (readonly number[])[] =>
  logprobs.map((of, i) => of.map((logprob, t) => (references ? logprob - references[i]![t]! : 0)));

const afterPenalty = (score: Score, ended: boolean, { truncated, penalty }: PolicySettings): Score =>
  score === null || ended || truncated !== "penalty" ? score : score - penalty;

/** What each token is told of how good it was. */
interface Credit {
  readonly advantages: readonly (readonly number[])[];
  /** For the value head. */
  readonly returns?: readonly (readonly number[])[];
  readonly zeroStd?: number;
}

function creditOf(
  answers: readonly SampledAnswer[],
  scores: readonly Score[],
  divergences: readonly (readonly number[])[],
  { values }: TokenNumbers,
  settings: PolicySettings,
): Credit {
  const { advantage: rule, group, gamma, lambda } = settings;
  const kl = klInReward(settings);
  if (rule !== "gae") {
    // of an answer as a whole: the sum of its tokens' divergences
    const rewards = scores.map((score, i) =>
      score === null || kl === 0 ? score : score - kl * sumOf(divergences[i]!),
    );
    const lengths = answers.map(({ tokens }) => tokens.length);
    const { values: ofAnswers, zeroStd } = advantagesOf(rewards, { rule, group, lengths });
    return { advantages: answers.map(({ tokens }, i) => tokens.map(() => ofAnswers[i]!)), zeroStd };
  }
  const scored = answers.map((_, i) =>
    scores[i] === null
      ? undefined
      : generalisedAdvantages(
          { rewards: tokenRewards(scores[i]!, divergences[i]!, kl), values: values![i]! },
          { gamma, lambda },
        ),
  );
  const white = whitened(scored.map((of) => of?.advantages ?? []));
  return { advantages: white, returns: scored.map((of) => of?.returns ?? []) };
}

/** The batches with all that the objective may read of their rows. */
function microBatches(
  rows: AnswerRows,
  learning: readonly Batch[],
  { logprobs, references, values }: TokenNumbers,
  { advantages, returns }: Credit,
  { settings, shape }: Pick<ExperienceAsked, "settings" | "shape">,
): readonly Batch[] {
  const how = aggregationOf(settings);
  const weights = how && aggregationWeights(how, learning, { ...shape, longest: settings.answer });
  const known = {
    oldLogprobs: rows.write(logprobs),
    advantages: rows.write(advantages),
    ...(references && { referenceLogprobs: rows.write(references) }),
    ...(returns && { returns: rows.write(returns) }),
    ...(values && { oldValues: rows.write(values) }),
    ...(weights && { weights }),
  };
  return learning.map((batch, b) => ({
    ...batch,
    ...Object.fromEntries(Object.entries(known).map(([name, of]) => [name, of[b]!])),
  }));
}

/**
 * What reward models have of their own: a scalar head, where it is read, and what scores are counted from.
 */
import { basename } from "node:path";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { loadBest } from "../../../runtime/store/checkpoint.ts";
import { toUse } from "../../../runtime/store/identity.ts";
import { readRewardScale, writeRewardScale } from "../../../runtime/store/reward-scale.ts";
import { answerTo, type PairExample } from "../../../runtime/train/examples/example.ts";
import {
  measureRewards,
  scaleOf,
  scoreAnswers,
  type AnswerTokens,
} from "../../../runtime/train/score-answers.ts";
import { encodePairs, scoredAtEnd, type PairRows } from "../../../runtime/train/sources/answer-rows.ts";
import { learntTokens } from "../../../runtime/train/sources/learnt-rows.ts";
import type { Reward } from "../../../runtime/train/rewards/reward.ts";
import { answerSource, unitCount, type JudgedAnswers } from "../../../runtime/train/sources/answer-source.ts";
import type { RunOptions } from "../options/run-options.ts";
import { loadRun, openRunAt } from "../runs/use-run.ts";
import type { Io, Say } from "../terminal/io.ts";
import { amountOfAnswers, encodeBoth, type EncodeAnswersOptions, type TwoParts } from "./answer-data.ts";
import type { Start } from "./begin.ts";
import type { StageExamples } from "./example-data.ts";
import { recordedObjective } from "./prefer.ts";
import { previewAnswers } from "./preview.ts";
import { formatOf } from "../runs/run-format.ts";
import { headOf, stageModules } from "./stage-modules.ts";
import type { StageKind } from "./stage.ts";

export const rewardStage: StageKind<"reward", "pair", TwoParts<JudgedAnswers<PairRows>>> = {
  stage: "reward",
  kinds: ["pair"],
  answers: false,
  model: withHead,
  compile: stageModules.reward,
  async encode(examples, o, say) {
    const encoded = await scoredPairs(examples, { ...o, stage: "reward" }, say);
    const { objective } = o.settings;
    if (objective.equation.includes("margin") && !encoded.train.rows.margins)
      throw new SinterError(
        "input",
        `${objective.name} asks by how much scores should differ, and no row says it`,
        'Write "margin": 1.5 into every row, or use --set objective=reward',
      );
    return encoded;
  },
  preview: ({ train }, o, io) => previewAnswers(train, o, io),
  record: ({ objective }) => ({ settings: recordedObjective(objective) }),
  data({ record, tokenizer }, _settings, { train, heldOut }) {
    const { seed } = record.settings;
    const source = answerSource({ train, heldOut, seed, tokenizer, identity: record.data.sha256 });
    return {
      source: {
        ...source,
        measure: (learner, most) =>
          measureRewards(learner, source.evaluate(learner.model.entry("evaluate"), { most })),
      },
      train: amountOfAnswers(train),
      heldOut: amountOfAnswers(heldOut),
      best: { patience: record.stage!.patience },
      headline: ["accuracy", "margin"],
      finished: (start) => keepScale(start, heldOut ?? train),
    };
  },
};

/** The model with a scalar head; its own, where the spec has one. */
function withHead(model: Model): Model {
  return model.head ? model : { ...model, head: headOf("reward") };
}

/** Pairs as rows of which the one is counted that scores the answer. */
export async function scoredPairs(
  examples: StageExamples<"pair">,
  o: EncodeAnswersOptions,
  say: Say,
): Promise<TwoParts<JudgedAnswers<PairRows>>> {
  const encode = (some: readonly PairExample[], each: Parameters<typeof encodePairs>[1]) =>
    encodePairs(some, each, "end");
  const { train, heldOut } = await encodeBoth<PairExample, PairRows>(examples, examples, o, encode, say);
  const answers = (rows: PairRows): JudgedAnswers<PairRows> => ({ rows, each: 2 });
  return { train: answers(train), heldOut: heldOut && answers(heldOut) };
}

/**
 * Scores the chosen answers with the weights that the run is used by, and keeps what scores are counted from.
 */
async function keepScale({ model, run }: Start, answers: JudgedAnswers<PairRows>): Promise<void> {
  const files = nodeFiles();
  await loadBest(files, run.folder, model, { what: "weights", accept: toUse(run) });
  const { rows } = answers;
  const chosen = Array.from({ length: unitCount(answers) }, (_, pair): AnswerTokens => {
    const [from, to] = [rows.starts[2 * pair]!, rows.starts[2 * pair + 1]!];
    return { prompt: [], answer: [...rows.tokens.subarray(from, to)] };
  });
  await writeRewardScale(files, run.folder, scaleOf(await scoreAnswers(model, chosen)));
}

/** A reward model that is open. */
export interface OpenReward extends Reward {
  /** What each answer is worth: its score, less the mean score of the answers that people chose. */
  rewards(answers: readonly AnswerTokens[]): Promise<number[]>;
  close(): Promise<void>;
}

/**
 * The reward of a run of `sinter reward`. Answers are written in its own format and tokens, whoever gave
 * them; one that is too long for it gets no score.
 */
export async function openReward(
  dir: string,
  options: Pick<RunOptions, "workers" | "target">,
  io: Io,
): Promise<OpenReward> {
  const run = await openRunAt(dir, io);
  if (run.record.stage?.stage !== "reward")
    throw new SinterError("input", `${dir} is no run of sinter reward`, "Name one: --reward DIR");
  const { mean } = await readRewardScale(nodeFiles(), run.folder);
  const { tokenizer, record } = run;
  const format = formatOf(record.stage!.chatFormat, tokenizer);
  const { model } = await loadRun(
    run,
    { ...options, cache: undefined, adapter: undefined, weights: undefined, numerics: undefined },
    io,
  );
  const rewards = async (answers: readonly AnswerTokens[]): Promise<number[]> =>
    (await scoreAnswers(model, answers)).map((score) => score - mean);
  return {
    name: basename(run.folder),
    rewards,
    async score(answers) {
      const { context } = model.entry("evaluate");
      const tokens = await Promise.all(
        answers.map(async ({ row, prompt, text }) => {
          const example = answerTo(row, prompt, [{ role: "assistant", content: text }]);
          const { ids } = scoredAtEnd(await learntTokens(example, { format, tokenizer, loss: "last" }));
          return { prompt: [], answer: ids.slice(0, -1) };
        }),
      );
      const fits = tokens.filter(({ answer }) => answer.length <= context);
      const scores = new Map((await rewards(fits)).map((reward, i) => [fits[i]!, reward]));
      return tokens.map((one) => scores.get(one) ?? null);
    },
    async close() {
      format.close();
      await model.close();
    },
  };
}

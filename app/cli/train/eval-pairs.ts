/**
 * Evaluation of a run that has learnt from pairs: how often it prefers the chosen answer. A reward model does
 * so by its scores; a model that has learnt preferences by what it has made likelier than its reference.
 */
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { counted, percent } from "../../../runtime/contract/amounts.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { readReference, REFERENCE_FILE } from "../../../runtime/store/reference-file.ts";
import { checkpointFile } from "../../../runtime/store/checkpoint.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { StageRecord } from "../../../runtime/store/run-record.ts";
import { referenceLogprobs } from "../../../runtime/train/reference.ts";
import { scoresOf } from "../../../runtime/train/score-answers.ts";
import type { AnswerLengths } from "../../../runtime/train/sources/answer-rows.ts";
import {
  batchOfAnswers,
  evaluatedUnits,
  unitCount,
  type JudgedAnswers,
} from "../../../runtime/train/sources/answer-source.ts";
import { winRate, type WinRate } from "../../../runtime/train/win-rate.ts";
import { loadRun, type UsedRun } from "../runs/use-run.ts";
import { type Io, sayer, type Say } from "../terminal/io.ts";
import { checkOwnData, chosenPart, readToEvaluate, type EvalDataAsked } from "./eval-data.ts";
import { lengthsOf, type TwoParts } from "./answer-data.ts";
import type { StageExamples } from "./example-data.ts";
import {
  askedOf,
  encodePreferences,
  giveReference,
  keyOf,
  readsReference,
  type PreferAnswers,
} from "./prefer.ts";
import { scoredPairs } from "./reward.ts";
import { startOf } from "./rl.ts";
import { formatOf } from "../runs/run-format.ts";

/** Returns the exit code. */
export async function evalPairs(
  run: Run,
  stage: StageRecord & { readonly stage: "prefer" | "reward" },
  asked: EvalDataAsked,
  io: Io,
): Promise<number> {
  const say = sayer(io, asked.json);
  const examples = await readToEvaluate(
    { stage: stage.stage, kinds: ["pair"] as const },
    run,
    stage,
    asked,
    say,
    io,
  );
  if (asked.data === undefined) checkOwnData(examples, run, "pairs");
  const parts = await encoded(run, stage, examples, say);
  if (stage.stage === "prefer" && asked.data === undefined)
    await takeReference(run, parts as TwoParts<PreferAnswers>);
  const [answers, part] = chosenPart<JudgedAnswers>(parts, asked, "pairs");
  const used = await loadRun(run, { ...asked, cache: undefined }, io);
  try {
    if (stage.stage === "prefer" && asked.data !== undefined) await askReference(used, answers);
    const rate = winRate(await marginsOf(used, answers, stage));
    // of a reward model the rows say where scores are read, and not how long answers are
    const lengths = stage.stage === "reward" ? undefined : lengthsOf(answers);
    io.out(asked.json ? jsonOf(rate, lengths, part, used) : textOf(rate, lengths, part, used));
    return exitCodes.ok;
  } finally {
    await used.model.close();
  }
}

async function encoded(
  { record, tokenizer, bundle }: Run,
  { stage, chatFormat, dropWrong }: StageRecord,
  examples: StageExamples<"pair">,
  say: Say,
): Promise<TwoParts<JudgedAnswers>> {
  const format = formatOf(chatFormat, tokenizer);
  const { model } = bundle.manifest;
  const { context } = record.settings;
  try {
    const o = { format, tokenizer, context, vocab: model.sizes.vocab, dropWrong };
    if (stage === "reward") return await scoredPairs(examples, { ...o, stage }, say);
    return await encodePreferences(examples, { ...o, settings: model.prefer! }, say);
  } finally {
    format.close();
  }
}

/** What the reference said of the run's own pairs. */
async function takeReference(run: Run, parts: TwoParts<PreferAnswers>): Promise<void> {
  if (!readsReference(run)) return;
  const found = await readReference(nodeFiles(), run.folder, await keyOf(run, askedOf(parts)));
  if (found) return giveReference(parts, found);
  throw new SinterError("input", `${run.folder}/${REFERENCE_FILE} is gone`, "Restore it from a copy.");
}

/** Asks the reference, the model as the run began with it, what it says of other pairs. */
async function askReference({ run, model }: UsedRun, answers: JudgedAnswers): Promise<void> {
  if (!readsReference(run)) return;
  const file = `${run.folder}/${checkpointFile(0)}`;
  if (!(await nodeFiles().exists(file)))
    throw new SinterError(
      "input",
      `${file} is not there: what the reference says is known of this run's own pairs alone`,
      "Leave --data out: the pairs that the run has held out are judged. For others, train a reward model.",
    );
  const start = await startOf(run, model);
  answers.reference = await start.within(() => referenceLogprobs(model, answers));
}

/** Of each pair, by how much the chosen answer is preferred. */
async function marginsOf(
  { model }: UsedRun,
  answers: JudgedAnswers,
  { stage, settings }: StageRecord,
): Promise<readonly number[]> {
  const shape = model.entry("evaluate");
  const averages = /length|mean\((chosen|rejected)\.logp\)/.test(String(settings?.["equation"]));
  const margins: number[] = [];
  for (const units of evaluatedUnits(unitCount(answers), shape.batch / 2)) {
    const batch = batchOfAnswers({ ...answers, each: 2 }, shape, units);
    await model.evaluate(batch);
    const logprobs = stage === "reward" ? undefined : model.rowOutput("logprobs");
    const scores = logprobs
      ? Array.from({ length: shape.batch }, (_, b) => ratioOf(b, batch, logprobs, shape.context, averages))
      : scoresOf(model, batch);
    for (let b = 0; b < shape.batch; b += 2) {
      const [chosen, rejected] = [scores[b], scores[b + 1]];
      if (chosen !== undefined && rejected !== undefined) margins.push(chosen - rejected);
    }
  }
  return margins;
}

/** How much likelier answer b is than by the reference, in nats; of the answer or of a token of it. */
function ratioOf(
  b: number,
  { targets, referenceLogprobs }: ReturnType<typeof batchOfAnswers>,
  logprobs: Float32Array,
  context: number,
  averages: boolean,
): number | undefined {
  let [sum, count] = [0, 0];
  for (let r = b * context; r < (b + 1) * context; r++) {
    if (targets[r]! < 0) continue;
    sum += logprobs[r]! - (referenceLogprobs?.[r] ?? 0);
    count++;
  }
  if (count === 0) return undefined;
  return averages ? sum / count : sum;
}

const jsonOf = (rate: WinRate, lengths: AnswerLengths | undefined, part: string, { step }: UsedRun): string =>
  `${JSON.stringify({
    win_rate: rate.rate,
    win_rate_low: rate.low,
    win_rate_high: rate.high,
    ties: rate.ties,
    pairs: rate.pairs,
    margin: rate.meanMargin,
    ...(lengths && { "lengths/chosen": lengths.chosen, "lengths/rejected": lengths.rejected }),
    part,
    step,
  })}\n`;

function textOf(rate: WinRate, lengths: AnswerLengths | undefined, part: string, { step }: UsedRun): string {
  const { pairs, ties, rate: share, low, high, meanMargin } = rate;
  const interval = `${percent(low, 1)} … ${percent(high, 1)}`;
  const [chosen, rejected] = [lengths?.chosen, lengths?.rejected].map((length) => length?.toFixed(1));
  const ofTokens = lengths && `counted tokens of an answer: ${chosen} chosen, ${rejected} rejected\n`;
  return (
    `the chosen answer wins in ${percent(share, 1)} (95 %: ${interval}) ` +
    `of ${counted(pairs - ties, "pair")}, ${counted(ties, "tie")} apart; ` +
    `margin ${meanMargin.toFixed(4)} (${part}, step ${step})\n` +
    (ofTokens ?? "")
  );
}

/**
 * Evaluation of a run that has learnt from examples: the loss over answers, and what it answers itself: how
 * many answers are right to the letter, how many end by themselves, and how long they are.
 */
import { exitCodes } from "../../../runtime/base/errors.ts";
import { counted, percent, thousands } from "../../../runtime/contract/amounts.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { StageRecord } from "../../../runtime/store/run-record.ts";
import { answerExamples, answerFigures, type AnswerFigures } from "../../../runtime/train/answers.ts";
import { evaluateBatches, type Evaluation } from "../../../runtime/train/evaluate.ts";
import { exampleSource } from "../../../runtime/train/sources/example-source.ts";
import { rowCount, type LearntExample, type LearntRows } from "../../../runtime/train/sources/learnt-rows.ts";
import type { ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import { LiveLine } from "../terminal/live-line.ts";
import { type Io, sayer } from "../terminal/io.ts";
import { checkOwnData, chosenPart, readToEvaluate, type EvalDataAsked } from "./eval-data.ts";
import { encodeStage } from "./example-data.ts";
import { formatOf } from "../runs/run-format.ts";
import { loadRun, untilInterrupted, type UsedRun } from "../runs/use-run.ts";

interface Chosen {
  readonly examples: readonly LearntExample[];
  readonly rows: LearntRows;
  readonly part: string;
}

/** Returns the exit code. */
export async function evalExamples(
  run: Run,
  stage: StageRecord,
  asked: EvalDataAsked,
  io: Io,
): Promise<number> {
  const format = formatOf(stage.chatFormat, run.tokenizer);
  try {
    const chosen = await chosenExamples(run, stage, asked, format, io);
    const used = await loadRun(run, { ...asked, cache: undefined }, io);
    try {
      const loss = await lossOver(used, chosen.rows);
      const figures = await figuresOf(used, chosen.examples, format, asked, io);
      io.out(asked.json ? jsonOf(loss, figures, chosen, used) : textOf(loss, figures, chosen, used));
      return exitCodes.ok;
    } finally {
      await used.model.close();
    }
  } finally {
    format.close();
  }
}

async function chosenExamples(
  run: Run,
  stage: StageRecord,
  asked: EvalDataAsked,
  format: ChatFormat,
  io: Io,
): Promise<Chosen> {
  const { record, tokenizer, bundle } = run;
  const say = sayer(io, asked.json);
  const read = await readToEvaluate({ stage: "sft", kinds: ["answer", "text"] }, run, stage, asked, say, io);
  if (asked.data === undefined && !stage.heldOut) checkOwnData(read, run, "examples");
  const { loss = "answers", dropWrong } = stage;
  const { context } = record.settings;
  const { vocab } = bundle.manifest.model.sizes;
  const rows = await encodeStage(read, { format, tokenizer, loss, context, vocab, dropWrong }, say);
  const [chosen, part] = chosenPart(rows, asked, "examples");
  return { examples: chosen === rows.heldOut ? read.heldOut : read.train, rows: chosen, part };
}

async function lossOver({ model, run }: UsedRun, rows: LearntRows): Promise<Evaluation> {
  const { tokenizer, record } = run;
  const { seed } = record.settings;
  const source = exampleSource({ train: rows, heldOut: rows, seed, tokenizer, identity: "" });
  const batches = source.evaluate(model.entry("evaluate"));
  return evaluateBatches(model, batches, source.bytes, { breathe: nodeHost.breathe });
}

/** Undefined: there is nothing to answer. */
async function figuresOf(
  { model, run }: UsedRun,
  examples: readonly LearntExample[],
  format: ChatFormat,
  { answers, json }: EvalDataAsked,
  io: Io,
): Promise<AnswerFigures | undefined> {
  const questions = examples.filter((example) => example.kind === "answer").slice(0, answers);
  if (questions.length === 0) return undefined;
  const live = json || !io.tty ? undefined : new LiveLine(io, (line) => io.err(line));
  const interrupted = untilInterrupted();
  try {
    const all = await answerExamples(model, questions, {
      format,
      tokenizer: run.tokenizer,
      tokens: run.bundle.manifest.model.sample.tokens,
      signal: interrupted.signal,
      heard: (_, count) => live?.show(() => `answered ${count} of ${questions.length}`),
    });
    return all.length === 0 ? undefined : answerFigures(all);
  } finally {
    interrupted.done();
    live?.end();
  }
}

function jsonOf(
  e: Evaluation,
  figures: AnswerFigures | undefined,
  { rows, part }: Chosen,
  { step }: UsedRun,
): string {
  const facts = {
    eval_loss: e.loss,
    perplexity: e.perplexity,
    examples: rowCount(rows),
    num_tokens: e.tokens,
    part,
    step,
    ...(figures && {
      answers: figures.answers,
      exact_match: figures.exactMatch,
      stopped: figures.stopped,
      "completions/mean_length": figures.meanLength,
    }),
  };
  return `${JSON.stringify(facts)}\n`;
}

function textOf(
  e: Evaluation,
  figures: AnswerFigures | undefined,
  { rows, part }: Chosen,
  { step }: UsedRun,
): string {
  const examples = counted(rowCount(rows), "example");
  const over = `${thousands(e.tokens)} tokens of ${examples}, ${part}, step ${step}`;
  const loss = `answer loss ${e.loss.toFixed(4)}  perplexity ${e.perplexity.toFixed(3)}  (${over})\n`;
  if (!figures) return loss;
  const { answers, exactMatch, stopped, meanLength } = figures;
  return (
    `${loss}of ${counted(answers, "answer")}: ${percent(exactMatch, 1)} right to the letter, ` +
    `${percent(stopped, 1)} ended by themselves, ${meanLength.toFixed(1)} tokens on average\n`
  );
}

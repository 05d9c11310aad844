/**
 * Evaluation of a run that has learnt from examples: the loss over answers, and what it answers itself: how
 * many answers are right to the letter, how many end by themselves, and how long they are.
 */
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { counted, percent, thousands } from "../../../runtime/contract/amounts.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { StageRecord } from "../../../runtime/store/run-record.ts";
import { answerExamples, answerFigures, type AnswerFigures } from "../../../runtime/train/answers.ts";
import { evaluateBatches, type Evaluation } from "../../../runtime/train/evaluate.ts";
import type { ExampleKind } from "../../../runtime/train/examples/example.ts";
import { exampleSource } from "../../../runtime/train/sources/example-source.ts";
import { rowCount, type LearntExample, type LearntRows } from "../../../runtime/train/sources/learnt-rows.ts";
import type { ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import type { RunOptions } from "../options/run-options.ts";
import { LiveLine } from "../terminal/live-line.ts";
import type { Io } from "../terminal/io.ts";
import { encodeStage, readStageData, type StageExamples } from "./example-data.ts";
import { formatOf } from "./stage-format.ts";
import { loadRun, untilInterrupted, type UsedRun } from "../runs/use-run.ts";

export interface EvalExamplesAsked extends Omit<RunOptions, "cache"> {
  /** Undefined: what the run has held out of its own. */
  readonly data: string | undefined;
  readonly part: "all" | "train" | "held-out" | undefined;
  /** Most questions that are answered. */
  readonly answers: number;
  readonly json: boolean;
}

interface Chosen {
  readonly examples: readonly LearntExample[];
  readonly rows: LearntRows;
  readonly part: string;
}

/** Returns the exit code. */
export async function evalExamples(
  run: Run,
  stage: StageRecord,
  asked: EvalExamplesAsked,
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
  { data, part, json }: EvalExamplesAsked,
  format: ChatFormat,
  io: Io,
): Promise<Chosen> {
  const { record, tokenizer, bundle } = run;
  const say = (line: string): void => (json ? io.err(`${line}\n`) : io.out(`${line}\n`));
  const own = data === undefined;
  const read = await readStageData(
    { stage: "sft", kinds: ["answer", "text"] },
    {
      data: data ?? record.data.path,
      eval: own ? stage.heldOut?.path : undefined,
      dropWrong: stage.dropWrong,
      share: own ? record.settings.heldOut : 0,
    },
    say,
    io,
  );
  checkOwn(read, run, stage, own);
  const { loss = "answers", dropWrong } = stage;
  const { context } = record.settings;
  const { vocab } = bundle.manifest.model.sizes;
  const rows = await encodeStage(read, { format, tokenizer, loss, context, vocab, dropWrong }, say);
  const wanted = part ?? (rows.heldOut ? "held-out" : "all");
  if (wanted === "held-out" && rows.heldOut)
    return { examples: read.heldOut, rows: rows.heldOut, part: "held-out" };
  if (wanted === "held-out")
    throw new SinterError("usage", "nothing is held out of these examples", "Leave --part out.");
  return { examples: read.train, rows: rows.train, part: own ? "training" : "all" };
}

/** What is held out follows from the file, so it has to be the file that the run began with. */
function checkOwn(
  { data }: Pick<StageExamples<ExampleKind>, "data">,
  { record }: Run,
  { heldOut }: StageRecord,
  own: boolean,
): void {
  if (!own || heldOut || data.sha256 === record.data.sha256) return;
  throw new SinterError(
    "input",
    "the data are not those that this run began with, so what it has held out is not known",
    "Name examples that it has not seen: --data FILE",
  );
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
  { answers, json }: EvalExamplesAsked,
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

/** `sinter eval DIR`: the loss of a trained model over a text, or what it answers to questions. */
import type { Corpus, DocumentCounts, DatasetSplit } from "../../../runtime/train/sources/batch-source.ts";
import { openCorpus } from "../../../runtime/train/sources/corpus.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { evaluateBatches, type Evaluation } from "../../../runtime/train/evaluate.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { counted, thousands } from "../../../runtime/contract/amounts.ts";
import { learntText, textRuleOf, type Run } from "../../../runtime/store/run-folder.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import { dataPath, readData, readDataAgain } from "../train/data-text.ts";
import { evalExamples } from "../train/eval-examples.ts";
import { evalPairs } from "../train/eval-pairs.ts";
import { evalPolicy } from "../train/eval-policy.ts";
import { flag, oneWord, read, text, whole, wholeWithin, withDefault } from "../options/option.ts";
import { adapterOption, targetOption, workersOption } from "../options/run-options.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { loadRun, openRunAt } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";
import { numericsOption, weightsOption } from "../options/weights.ts";

const parts = ["all", "train", "held-out"] as const;
type PartName = (typeof parts)[number];

const options = {
  adapter: adapterOption,
  weights: weightsOption,
  numerics: numericsOption,
  data: text(
    "<file>",
    "UTF-8 text, or examples for a run that has learnt from some; - is standard input " +
      "(default: what it was trained on)",
  ),
  text: flag("of a run that has learnt from examples: the loss over a text, --data or the one of its base"),
  answers: withDefault(
    "200",
    whole("<n>", "of a run that has learnt from examples: most questions to answer", { least: 0 }),
  ),
  part: read(
    text("<name>", "all, train or held-out (default: all of another text, the held-out part of its own)"),
    (given, name) => oneWord(parts, given, name),
  ),
  context: whole(
    "<n>",
    "tokens of a window, at most the model's context (default: the context of training)",
    { least: 1 },
  ),
  stride: whole(
    "<n>",
    "tokens from window to window (not where rows are documents); below the context, every token is " +
      "predicted from context − stride before it at least (default: the context)",
    { least: 1 },
  ),
  workers: workersOption("threads (default: all cores)"),
  target: targetOption(),
  json: flag("machine-readable"),
};

export const evalVerb = defineVerb({
  name: "eval",
  summary: "the loss of a trained model, and what it answers",
  arguments: [{ name: "<dir>", help: "folder of a run" }],
  options,
  examples: [
    "sinter eval runs/shakespeare",
    "sinter eval runs/shakespeare --data other.txt --json",
    "sinter eval runs/shakespeare --weights q8_0",
    "sinter eval runs/gpt2 --data wikitext.txt --context 1024 --stride 512",
    "sinter eval runs/answers --data test.jsonl --answers 1000",
  ],
  async run([dir], asked, io) {
    const run = await openRunAt(dir!, io);
    if (run.record.stage && !asked.text) {
      const given = (["context", "stride"] as const).find((name) => asked[name] !== undefined);
      if (given)
        throw new SinterError("usage", `--${given} is for texts, and this run has learnt from examples`);
      const { stage } = run.record;
      if (stage.stage === "prefer" || stage.stage === "reward")
        return evalPairs(run, { ...stage, stage: stage.stage }, asked, io);
      if (stage.stage === "rl") return evalPolicy(run, stage, asked, io);
      return evalExamples(run, stage, asked, io);
    }
    const isDocuments = run.record.settings.rows === "documents";
    if (isDocuments && asked.stride !== undefined)
      throw new SinterError(
        "usage",
        "--stride means nothing where rows are documents",
        "Leave it out: every document is a row, and counts once.",
      );
    const { model: spec } = run.bundle.manifest;
    const within = (name: string, value: number | undefined, most: number): number | undefined =>
      value === undefined ? undefined : wholeWithin(name, value, { least: 1, most });
    const context = within("--context", asked.context, spec.sizes.context) ?? spec.train.context;
    const stride = within("--stride", asked.stride, context) ?? context;
    const wanted = { data: asked.data, part: asked.part, row: isDocuments ? context : undefined };
    const { corpus, rows, chosen } = await textToEvaluate(run, wanted, io);
    const { model, step } = await loadRun(run, { ...asked, cache: undefined }, io, {
      variant: context === spec.train.context ? undefined : withWindows(spec, context),
    });
    try {
      const batches = rows.read(model.entry("evaluate"), { stride });
      const e = await evaluateBatches(model, batches, corpus.bytes, { breathe: nodeHost.breathe });
      const { documents } = rows;
      const facts = {
        loss: e.loss,
        perplexity: e.perplexity,
        bits_per_byte: e.bitsPerByte,
        tokens: e.tokens,
        part: chosen,
        context,
        stride,
        step,
        ...(documents && { documents: documents.count, cut_documents: documents.cut }),
      };
      const line = asked.json ? JSON.stringify(facts) : lineOf(e, chosen, rows, { context, stride, step });
      io.out(`${line}\n`);
      return exitCodes.ok;
    } finally {
      await model.close();
    }
  },
});

interface Windows {
  readonly context: number;
  readonly stride: number;
  readonly step: number;
}

function lineOf(
  e: Evaluation,
  chosen: PartName,
  { documents }: DatasetSplit,
  { context, stride, step }: Windows,
): string {
  const loss = `loss ${e.loss.toFixed(4)}  perplexity ${e.perplexity.toFixed(3)}`;
  const rows = documents
    ? documentsText(documents, context)
    : `windows of ${context}${stride < context ? ` every ${stride}` : ""}`;
  const part = chosen === "all" ? "all of the text" : `its ${chosen} part`;
  const read = [`${thousands(e.tokens)} tokens`, part, rows, `step ${step}`];
  return `${loss}  ${e.bitsPerByte.toFixed(4)} bits per byte  (${read.join(", ")})`;
}

const documentsText = ({ count, cut }: DocumentCounts, context: number): string =>
  `${thousands(count)} documents${cut > 0 ? `, of which ${thousands(cut)} cut at ${context} tokens` : ""}`;

/**
 * The model as it is compiled for evaluation in windows of this context: with as many tokens at once as
 * before, and at least one window.
 */
function withWindows(spec: Model, context: number): Model {
  const { train } = spec;
  const batch = Math.max(1, Math.floor((train.batch * train.context) / context));
  return { ...spec, train: { ...train, batch, context } };
}

interface Chosen {
  readonly corpus: Corpus;
  readonly rows: DatasetSplit;
  readonly chosen: PartName;
}

interface Wanted {
  readonly data: string | undefined;
  readonly part: PartName | undefined;
  /** Tokens of a document's row. */
  readonly row: number | undefined;
}

/**
 * The text to evaluate on: the one that a run was trained on, or the base of a stage. Of that, only the
 * held-out part tells something, so that part is the default: what a stage has forgotten is seen beside the
 * base's own figure.
 */
async function textToEvaluate(run: Run, { data, part, row }: Wanted, io: Io): Promise<Chosen> {
  if (data === undefined && run.record.imported)
    throw new SinterError(
      "usage",
      `${run.record.model} was imported, and no text belongs to it`,
      "Name one: --data FILE",
    );
  const learnt = learntText(run.record);
  const text = data === undefined ? readDataAgain(learnt?.path, io) : readData(dataPath(data, io), io);
  const { settings } = run.record;
  const { vocab } = run.bundle.manifest.model.sizes;
  const train = { ...settings, context: row ?? settings.context };
  const rule = learnt?.rule ?? textRuleOf(run.record);
  const corpus = openCorpus(text, { tokenizer: run.tokenizer, vocab, train, rule });
  const { tokens, documents } = corpus.all;
  const named = data ?? "the text";
  if (documents?.count === 0)
    throw new SinterError(
      "input",
      `${named} holds no document`,
      "Documents are lines, or what stands between <|endoftext|>.",
    );
  if (!documents && tokens < 2)
    throw new SinterError(
      "input",
      `${named} is too short: ${counted(tokens, "token")}`,
      "At least two are needed: one to predict from, one to predict.",
    );
  const own = (await sha256(text)) === learnt?.sha256;
  const share = learnt?.heldOut ?? settings.heldOut;
  const chosen = part ?? (own && share > 0 ? "held-out" : "all");
  if (chosen === "all") return { corpus, rows: corpus.all, chosen };
  const both = corpus.split(share);
  return { corpus, rows: chosen === "train" ? both.train : both.heldOut, chosen };
}

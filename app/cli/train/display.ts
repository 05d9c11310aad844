/**
 * Prints a training run: on a terminal, one line that is written over; elsewhere, a line every two seconds;
 * with --json, every event.
 */
import { counted, sizeText, thousands } from "../../../runtime/contract/amounts.ts";
import {
  ProgressMeter,
  figureTexts,
  liveLine,
  plainLine,
  type TrainingProgress,
} from "../../../runtime/report/progress.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { withFieldNames } from "../../../runtime/train/log.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { LiveLine } from "../terminal/live-line.ts";
import type { Amount, TrainingData } from "./begin.ts";
import { changesText, type Change } from "./changes.ts";
import type { Io } from "../terminal/io.ts";

const PLAIN_MS = 2000;
const LIVE_MS = 80;

export class Display {
  readonly #io: Io;
  readonly #json: boolean;
  readonly #meter: ProgressMeter;
  readonly #live: LiveLine;
  #shown = -Infinity;
  #last: TrainingProgress | undefined;
  #steps = 0;
  #shownAs: (event: TrainEvent) => object = (event) => event;
  #step = 0;
  readonly #headline: readonly string[];

  /** `headline`: the metrics that are shown with an evaluation. */
  constructor(io: Io, json: boolean, meter: ProgressMeter, headline: readonly string[] = []) {
    this.#headline = headline;
    this.#io = io;
    this.#json = json;
    this.#meter = meter;
    this.#live = new LiveLine(io, (text) => io.out(text));
  }

  /** Events are printed with the field's names, as in the log of a stage. */
  useFieldNames(): void {
    this.#shownAs = withFieldNames;
  }

  start(
    { record, bundle, tokenizer }: Run,
    model: RunningModel,
    { train, heldOut }: Pick<TrainingData, "train" | "heldOut">,
    from: number | undefined,
  ): void {
    const { settings: s } = record;
    const { target, workers, memoryBytes } = model;
    this.#steps = s.steps;
    this.#step = from ?? 0;
    const facts = {
      model: record.model,
      parameters: bundle.manifest.parameters,
      target,
      workers,
      step: from ?? 0,
      steps: s.steps,
    };
    if (this.#json)
      return this.#line(
        JSON.stringify({
          kind: "start",
          ...facts,
          tokens: train.tokens,
          heldOut: heldOut.tokens,
          ...documentFacts(train, heldOut),
          ...exampleFacts(train, heldOut),
        }),
      );
    const known = `${amountOf(train, tokenizer.name)} to learn from, ${amountOf(heldOut)} held out`;
    this.#line(`${known}; ${s.batch * s.accumulate} × ${s.context} tokens a step`);
    const cut = (train.documents?.cut ?? 0) + (heldOut.documents?.cut ?? 0);
    if (cut > 0) this.#line(cutLine(cut, s.context));
    const place = `target ${target}, ${counted(workers, "worker")}, ${sizeText(memoryBytes)}`;
    this.#line(from === undefined ? place : `${place}; going on after step ${from}`);
  }

  /** Says where the report is served. */
  watched(url: string): void {
    this.#line(this.#json ? JSON.stringify({ kind: "watch", url }) : `the report follows the run at ${url}`);
  }

  /** Prints settings that change from this step on. */
  changed(step: number, changes: readonly Change[]): void {
    if (changes.length === 0) return;
    this.#line(
      this.#json
        ? JSON.stringify({ kind: "settings", step, changes })
        : `settings after step ${step}: ${changesText(changes)}`,
    );
  }

  /**
   * Shows how far the evaluation at the end is: one line that is written over, or a line every two seconds.
   */
  evaluating(tokens: number, of: number): void {
    this.working(`evaluating the held-out part: ${thousands(tokens)} of ${thousands(of)} tokens`);
  }

  /** Explains what is shown; programs get none of it. */
  remark(text: string): void {
    if (!this.#json) this.#above(text);
  }

  /** Shows how far something is that takes long, as `evaluating` does. */
  working(text: string): void {
    const now = performance.now();
    if (this.#json || now - this.#shown < (this.#io.tty ? LIVE_MS : PLAIN_MS)) return;
    this.#shown = now;
    if (this.#io.tty) this.#live.show(() => `${text} (Ctrl-C stops it; the weights are saved)`);
    else this.#line(text);
  }

  event(event: TrainEvent): void {
    if (event.kind === "step") this.#step = event.step;
    const progress = this.#meter.add(event);
    if (this.#json) return this.#line(JSON.stringify(this.#shownAs(event)));
    if (event.kind === "eval") this.#above(evaluationLine(event, this.#headline));
    if (event.kind === "sample") this.#above(sampleText(event));
    if (progress) this.#progress(progress);
  }

  /** `stage`: of a run after pre-training. */
  end(end: "done" | "interrupted", folder: string, stage?: string): void {
    if (this.#json) return this.#line(JSON.stringify({ kind: "end", end, folder }));
    this.#live.end();
    const goOn = `sinter ${stage ?? "train"} --resume --out ${folder}`;
    const use = usesOf[stage ?? "train"]!(folder);
    if (end === "done") this.#line(`done: ${folder} (report.html shows the curves; ${use})`);
    else if (this.#step < this.#steps)
      this.#line(`stopped after step ${this.#step}, saved; go on with: ${goOn}`);
    else
      this.#line(
        `all ${this.#steps} steps are made, and saved; the evaluation at the end was stopped. It is ` +
          `made by: ${goOn}`,
      );
  }

  #progress(progress: TrainingProgress): void {
    const now = performance.now();
    const last = progress.last.step === progress.steps;
    if (this.#last === undefined && !this.#io.tty) this.#shown = -Infinity;
    this.#last = progress;
    if (now - this.#shown < (this.#io.tty ? LIVE_MS : PLAIN_MS) && !last) return;
    this.#shown = now;
    if (this.#io.tty) this.#live.show((columns) => liveLine(progress, columns));
    else this.#line(plainLine(progress));
  }

  /** Prints above the live line. */
  #above(text: string): void {
    this.#live.clear();
    this.#line(text);
    this.#shown = -Infinity;
  }

  /** Removes the live line, because something else is about to be printed, or the run has failed. */
  close(): void {
    this.#live.end();
  }

  #line(text: string): void {
    this.#io.out(`${text}\n`);
  }
}

/** What people do next with a run, by the verb that made it. */
const usesOf: Readonly<Record<string, (folder: string) => string>> = {
  train: (folder) => `sinter sample ${folder} -p "…"`,
  sft: (folder) => `sinter chat ${folder}`,
  prefer: (folder) => `sinter chat ${folder}`,
  reward: (folder) => `sinter rl --from RUN --reward ${folder}`, // it scores, and says nothing
  rl: (folder) => `sinter chat ${folder}`,
};

/** A text; of a question, with its answer. */
const sampleText = ({ step, prompt, text }: TrainEvent & { readonly kind: "sample" }): string =>
  prompt === ""
    ? `step ${step}  sample:\n${indent(text)}`
    : `step ${step}  ${prompt.trimEnd()}\n${indent(text)}`;

function evaluationLine(
  { step, loss, perplexity, bitsPerByte, metrics, whole }: TrainEvent & { readonly kind: "eval" },
  headline: readonly string[],
): string {
  const parts = [
    `step ${step}`,
    loss === undefined ? "validation" : `validation ${loss.toFixed(4)}`,
    ...(perplexity === undefined ? [] : [`perplexity ${perplexity.toFixed(2)}`]),
    ...(bitsPerByte === undefined ? [] : [`${bitsPerByte.toFixed(3)} bits per byte`]),
    ...figureTexts(metrics, headline),
  ];
  return [...parts, ...(whole ? ["(all of the held-out part)"] : [])].join("  ");
}

const indent = (text: string): string =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");

/**
 * "28,830 documents (176,123 tokens, characters)", "90,000 tokens (bytes)", "900 examples (4,321 of 12,345
 * tokens learnt, characters)", "20 prompts (117 tokens, bytes)", which are answered and not learnt.
 */
function amountOf({ tokens, documents, examples }: Amount, tokenizer?: string): string {
  if (examples?.learnt === 0) {
    const count = counted(examples.count, "prompt");
    return tokenizer === undefined ? count : `${count} (${thousands(tokens)} tokens, ${tokenizer})`;
  }
  if (examples) {
    const count = counted(examples.count, "example");
    const learnt = `${thousands(examples.learnt)} of ${thousands(tokens)} tokens learnt`;
    return tokenizer === undefined ? count : `${count} (${learnt}, ${tokenizer})`;
  }
  const inTokens = `${thousands(tokens)} tokens`;
  if (!documents) return tokenizer === undefined ? thousands(tokens) : `${inTokens} (${tokenizer})`;
  const count = counted(documents.count, "document");
  return tokenizer === undefined ? count : `${count} (${inTokens}, ${tokenizer})`;
}

const cutLine = (cut: number, context: number): string =>
  `note: ${thousands(cut)} document${cut === 1 ? " is" : "s are"} too long for a row of ${context}, and ` +
  "cut: " +
  "the end is not learnt from them";

const exampleFacts = ({ examples: a }: Amount, { examples: b }: Amount): object =>
  a && b ? { examples: a.count, heldOutExamples: b.count, learntTokens: a.learnt } : {};

const documentFacts = ({ documents: a }: Amount, { documents: b }: Amount): object =>
  a && b ? { documents: a.count, heldOutDocuments: b.count, cutDocuments: a.cut + b.cut } : {};

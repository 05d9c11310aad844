/**
 * What learning from preferences has of its own: pairs of answers or judged ones as rows, what the reference
 * says of them, and words about what its curves show.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Objective } from "../../../runtime/contract/objective.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { readReference, REFERENCE_FILE, writeReference } from "../../../runtime/store/reference-file.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import { evaluateObjective } from "../../../runtime/train/evaluate.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import type { JudgedExample, PairExample } from "../../../runtime/train/examples/example.ts";
import { referenceLogprobs } from "../../../runtime/train/reference.ts";
import {
  encodeJudged,
  encodePairs,
  judgedOf,
  type JudgedRows,
  type PairRows,
} from "../../../runtime/train/sources/answer-rows.ts";
import { answerSource, type JudgedAnswers } from "../../../runtime/train/sources/answer-source.ts";
import { ktoSource, type KtoAnswers } from "../../../runtime/train/sources/kto-source.ts";
import type { Say } from "../terminal/io.ts";
import { amountOfAnswers, encodeBoth, lengthLines, lengthsOf, type TwoParts } from "./answer-data.ts";
import type { Start, TrainingData } from "./begin.ts";
import { previewAnswers } from "./preview.ts";
import { stageModules } from "./stage-modules.ts";
import type { EncodeStage, StageKind } from "./stage.ts";
import type { StageExamples } from "./example-data.ts";

type PreferKind = "pair" | "judged";
type PreferExample = PairExample | JudgedExample;
export type PreferAnswers = JudgedAnswers<PairRows> | KtoAnswers;

export const preferStage: StageKind<"prefer", PreferKind, TwoParts<PreferAnswers>> = {
  stage: "prefer",
  kinds: ["pair", "judged"],
  answers: true,
  compile: stageModules.prefer,
  async encode(examples, o, say) {
    const encoded = await encodePreferences(examples, o, say);
    for (const line of lengthLines(lengthsOf(encoded.train))) say(line);
    return encoded;
  },
  preview: ({ train }, o, io) => previewAnswers(train, o, io),
  record: ({ objective }) => ({ settings: recordedObjective(objective) }),
  data(run, { objective }, { train, heldOut }) {
    const { record, tokenizer } = run;
    const common = { seed: record.settings.seed, tokenizer, identity: record.data.sha256 };
    const source = isKto(train)
      ? ktoSource({
          ...common,
          train,
          heldOut: heldOut as KtoAnswers | undefined,
          measure: ({ model, signal, breathe }, batches, z) =>
            evaluateObjective(model, batches, { signal, breathe, settings: { z } }),
        })
      : answerSource({ ...common, train, heldOut });
    return {
      source,
      train: amountOfAnswers(train),
      heldOut: amountOfAnswers(heldOut),
      best: { patience: record.stage!.patience },
      keepsStart: readsReference(run), // what it says of other pairs is asked of it when they are evaluated
      headline: isKto(train)
        ? ["rewards/chosen", "rewards/rejected"]
        : ["rewards/accuracies", "rewards/margins"],
      ready: (start) => withReference(start, { train, heldOut }),
      remark: remarks(objective),
    };
  },
};

/** Whether the objective compares with a reference. */
export const readsReference = ({ bundle }: Run): boolean =>
  bundle.manifest.modules.train!.entries.some(({ inputs }) => inputs.includes("reference_logprobs"));

const isKto = (answers: PreferAnswers): answers is KtoAnswers => answers.each === 1;

/** What a record has of an objective: all that decides its numbers. */
export const recordedObjective = ({
  name,
  equation,
  settings,
}: Objective): Readonly<Record<string, string | number>> => ({ objective: name, equation, ...settings });

/** Pairs, or, for an objective of single answers, each answer by itself, as rows. */
export async function encodePreferences(
  examples: StageExamples<"pair"> | StageExamples<PreferKind>,
  { settings, ...rest }: EncodeStage<"prefer">,
  say: Say,
): Promise<TwoParts<PreferAnswers>> {
  const train: readonly PreferExample[] = examples.train;
  const heldOut: readonly PreferExample[] = examples.heldOut;
  const o = { ...rest, stage: "prefer" as const };
  if (settings.objective.unit === "answer") {
    const judged = { train: judgedOf(train), heldOut: judgedOf(heldOut) };
    const rows = await encodeBoth<JudgedExample, JudgedRows>(examples, judged, o, encodeJudged, say);
    const answers = (of: JudgedRows): KtoAnswers => ({ rows: of, each: 1 });
    return { train: answers(rows.train), heldOut: rows.heldOut && answers(rows.heldOut) };
  }
  const pairs = { train: train.filter(isPair), heldOut: heldOut.filter(isPair) };
  if (pairs.train.length === 0)
    throw new SinterError(
      "input",
      `${settings.objective.name} learns from pairs of answers, and these are judged one by one`,
      "Use the objective that learns from such: --set objective=kto",
    );
  const encode = (some: readonly PairExample[], each: Parameters<typeof encodePairs>[1]) =>
    encodePairs(some, each, "tokens");
  const rows = await encodeBoth<PairExample, PairRows>(examples, pairs, o, encode, say);
  const answers = (of: PairRows): JudgedAnswers<PairRows> => ({ rows: of, each: 2 });
  return { train: answers(rows.train), heldOut: rows.heldOut && answers(rows.heldOut) };
}

const isPair = (example: PreferExample): example is PairExample => example.kind === "pair";

/** The rows that the reference is asked about, by the names that their file has for them. */
export function askedOf({
  train,
  heldOut,
}: TwoParts<PreferAnswers>): Readonly<Record<string, PreferAnswers>> {
  const mismatched = (of: PreferAnswers | undefined): KtoAnswers | undefined =>
    of && isKto(of) ? { rows: { ...of.rows, ...of.rows.mismatched }, each: 1 } : undefined;
  const asked = {
    train,
    held_out: heldOut,
    mismatched: mismatched(train),
    mismatched_held_out: mismatched(heldOut),
  };
  return Object.fromEntries(Object.entries(asked).flatMap(([name, of]) => (of ? [[name, of]] : [])));
}

/** Takes what the reference says from the run's folder, or computes it before the first step. */
export async function withReference(start: Start, parts: TwoParts<PreferAnswers>): Promise<void> {
  const { model, run, step, signal, progress } = start;
  if (!model.entry("evaluate").inputs.includes("reference_logprobs")) return;
  const files = nodeFiles();
  const asked = askedOf(parts);
  const key = await keyOf(run, asked);
  const found = await readReference(files, run.folder, key);
  if (!found && step > 0)
    throw new SinterError(
      "input",
      `${run.folder}/${REFERENCE_FILE} is gone, and weights that have learnt are no reference`,
      "Restore it from a copy, or begin another run with --out DIR.",
    );
  const arrays: Record<string, Float32Array> = { ...found };
  if (!found) {
    for (const [name, answers] of Object.entries(asked)) {
      const count = answers.rows.numbers.length;
      arrays[name] = await referenceLogprobs(model, answers, {
        signal,
        breathe: nodeHost.breathe,
        progress: (done) =>
          progress(`the reference: ${done} of ${count} answers (${name.replaceAll("_", " ")})`),
      });
    }
    await writeReference(files, run.folder, key, arrays);
  }
  giveReference(parts, arrays);
}

/** Hands out what the reference says of each part. */
export function giveReference(
  { train, heldOut }: TwoParts<PreferAnswers>,
  arrays: Readonly<Record<string, Float32Array>>,
): void {
  for (const [answers, name] of [
    [train, "train"],
    [heldOut, "held_out"],
  ] as const) {
    if (!answers) continue;
    answers.reference = arrays[name]!;
    if (isKto(answers))
      answers.mismatchedReference = arrays[name === "train" ? "mismatched" : "mismatched_held_out"]!;
  }
}

/** What the reference's numbers depend upon. */
export async function keyOf(
  { record }: Run,
  asked: Readonly<Record<string, PreferAnswers>>,
): Promise<Readonly<Record<string, string>>> {
  const { from, settings, stage, data, files } = record;
  const tokenizer = Object.entries(files).filter(([name]) => name.startsWith("tokenizer/"));
  const rows = Object.values(asked).flatMap(({ rows: { tokens, targets } }) => [tokens, targets]);
  const hashes: string[] = [];
  for (const part of rows)
    hashes.push(await sha256(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));
  return {
    weights: from ? `${from.id} at step ${from.step}` : `drawn from seed ${settings.seed}`,
    tokenizer: await sha256(JSON.stringify(tokenizer.map(([name, file]) => [name, file.sha256]))),
    template: stage!.chatFormat,
    data: `${data.sha256} ${stage!.heldOut?.sha256 ?? settings.heldOut}`,
    objective: String(stage!.settings?.["equation"]),
    rows: await sha256(hashes.join(" ")),
  };
}

/** How far, in nats, chosen answers may become less likely without a word about it. */
const FALLEN = 2;

/** Says once what surprises people: that chosen answers may become less likely while all goes well. */
function remarks({ settings }: Objective): TrainingData["remark"] & {} {
  let first: number | undefined;
  let said = false;
  return (event: TrainEvent) => {
    const now = event.kind === "eval" ? event.metrics?.["logps/chosen"] : undefined;
    if (now === undefined || said) return undefined;
    first ??= now;
    if (now > first - FALLEN) return undefined;
    said = true;
    return (
      `note: chosen answers have become less likely (ln p ${first.toFixed(1)} → ${now.toFixed(1)}). ` +
      "That is no fault: what is learnt is the margin over the rejected ones" +
      ("nll" in settings ? "; --set nll=0.1 holds them" : "")
    );
  };
}

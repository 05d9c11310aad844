/**
 * Which two answers a person sees next: of two pairs that are drawn, the one that the judge is less sure of.
 * Not of many: answers of which it is least sure are such as are alike, or badly written, and teach little
 * (bench/EXPERIMENTS.md, 2026-11-28).
 */
import { randomStream } from "../../runtime/base/random.ts";
import type { RunningModel } from "../../runtime/engine/model.ts";
import { renderPrompt } from "../../runtime/tokenizers/chat/render-dialogue.ts";
import { sampleAnswers } from "../../runtime/train/rl/experience.ts";
import type { Classroom } from "./classroom.ts";

/** So many pairs are drawn for one that is shown. */
const CANDIDATES = 2;
/** So many answers are drawn for two that differ, to one question after the other. */
const DRAWN = 4;
const TRIED = 8;
/** Below 1, where practice draws: slips of the pen are rarer, and manners as different. */
const TEMPERATURE = 0.7;

export interface PairToJudge {
  readonly question: string;
  /** a stands on the left. */
  readonly answers: readonly [a: string, b: string];
}

/** One score for each answer. */
export type Scores = (pair: PairToJudge) => Promise<readonly number[]>;

export interface PairWanted {
  readonly questions: readonly string[];
  /** With the seed, what is drawn follows from these. */
  readonly stream: string;
  readonly number: number;
  /** What the judge says of two answers; undefined: a pair is taken as it comes. */
  readonly scores?: Scores | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Undefined: the model always says the same. Rejects with the signal's reason. */
export async function nextPair(
  model: RunningModel,
  room: Classroom,
  { scores, ...wanted }: PairWanted,
): Promise<PairToJudge | undefined> {
  let best: { readonly pair: PairToJudge; readonly margin: number } | undefined;
  for (let candidate = 0; candidate < (scores ? CANDIDATES : 1); candidate++) {
    const pair = await drawnPair(model, room, wanted, candidate);
    if (!pair || !scores) return pair ?? best?.pair;
    const [a, b] = await scores(pair);
    const margin = Math.abs(a! - b!);
    if (!best || margin < best.margin) best = { pair, margin };
  }
  return best?.pair;
}

async function drawnPair(
  model: RunningModel,
  room: Classroom,
  { questions, stream, number, signal }: PairWanted,
  candidate: number,
): Promise<PairToJudge | undefined> {
  const random = randomStream(room.seed, `${stream}/${number}/${candidate}`);
  for (let tried = 0; tried < TRIED; tried++) {
    const question = questions[random.below(questions.length)]!;
    const key = [stream, number, candidate, tried];
    const texts = await answersTo(model, room, { question, count: DRAWN, key, signal });
    const [a, b] = new Set(texts);
    if (a !== undefined && b !== undefined) return { question, answers: [a, b] };
  }
  return undefined;
}

export interface AnswersWanted {
  readonly question: string;
  readonly count: number;
  readonly key: readonly (string | number)[];
  readonly signal?: AbortSignal | undefined;
}

/** Answers that are drawn, and have ended by themselves. */
export async function answersTo(
  model: RunningModel,
  { tokenizer, format, seed, settings }: Classroom,
  { question, count, key, signal }: AnswersWanted,
): Promise<readonly string[]> {
  const prompt = [{ role: "user", content: question }] as const;
  const ids = await renderPrompt(format, tokenizer, prompt);
  const example = { kind: "prompt", row: 1, prompt, columns: {} } as const;
  const made = await sampleAnswers(model, {
    prompts: [{ example, ids }],
    group: count,
    most: settings("rl").answer,
    seed,
    temperature: TEMPERATURE,
    key,
    tokenizer,
    signal,
  });
  return made.filter(({ ended, text }) => ended && text.trim() !== "").map(({ text }) => text.trim());
}

/** Pairs and judged answers of a stage as rows, and what is said of them. */
import { counted, thousands } from "../../../runtime/contract/amounts.ts";
import type { StageName } from "../../../runtime/contract/model.ts";
import { droppedLine, type Dropped } from "../../../runtime/train/examples/read-examples.ts";
import { answerLengths, type AnswerLengths } from "../../../runtime/train/sources/answer-rows.ts";
import {
  unitCount,
  type AnswerRows,
  type JudgedAnswers,
} from "../../../runtime/train/sources/answer-source.ts";
import type { EncodeEachOptions } from "../../../runtime/train/sources/learnt-rows.ts";
import { nameOf } from "../terminal/input.ts";
import type { Amount } from "./begin.ts";
import { checkIds, type StageExamples } from "./example-data.ts";
import type { ExampleKind } from "../../../runtime/train/examples/example.ts";

export interface TwoParts<T> {
  readonly train: T;
  readonly heldOut: T | undefined;
}

type Encode<E, R> = (
  examples: readonly E[],
  o: EncodeEachOptions,
) => Promise<{ readonly rows: R; readonly dropped: readonly Dropped[] }>;

export interface EncodeAnswersOptions extends Omit<EncodeEachOptions, "from" | "stage"> {
  readonly stage: StageName;
  readonly vocab: number;
}

/** Encodes both parts of the data; what is left out is said. */
export async function encodeBoth<E, R extends AnswerRows>(
  { data, heldOutFile }: Pick<StageExamples<ExampleKind>, "data" | "heldOutFile">,
  parts: { readonly train: readonly E[]; readonly heldOut: readonly E[] },
  o: EncodeAnswersOptions,
  encode: Encode<E, R>,
  say: (line: string) => void,
): Promise<TwoParts<R>> {
  const one = async (examples: readonly E[], path: string | undefined): Promise<R> => {
    const { rows, dropped } = await encode(examples, { ...o, from: nameOf(path ?? "the data") });
    for (const each of dropped) say(droppedLine(each));
    checkIds(rows, o);
    return rows;
  };
  const heldOutPath = (heldOutFile ?? data).path;
  return {
    train: await one(parts.train, data.path),
    heldOut: parts.heldOut.length === 0 ? undefined : await one(parts.heldOut, heldOutPath),
  };
}

/** Of row i of answers: whether it is the better one of its pair, or wanted. */
export const isChosen =
  ({ rows, each }: Pick<JudgedAnswers, "rows" | "each">) =>
  (i: number): boolean =>
    "labels" in rows && each === 1 ? rows.labels[i]! > 0 : i % 2 === 0;

/** How much longer one kind of answers may be than the other without a word about it. */
const MUCH_LONGER = 1.2;

/** "answers have 12.3 tokens (chosen) and 20.1 (rejected) on average", with a warning where they differ. */
export function lengthLines({ chosen, rejected }: AnswerLengths): readonly string[] {
  const means = `${chosen.toFixed(1)} tokens (chosen) and ${rejected.toFixed(1)} (rejected)`;
  const line = `answers have ${means} on average`;
  const ratio = Math.max(chosen, rejected) / Math.min(chosen, rejected);
  if (!(ratio > MUCH_LONGER)) return [line];
  const longer = chosen > rejected ? "longer" : "shorter";
  return [
    line,
    `note: the chosen ones are ${longer} by more than 20 %, and a model may learn no more than that; ` +
      "watch the length of its answers, or average over tokens: --set average=true",
  ];
}

export const lengthsOf = (answers: JudgedAnswers): AnswerLengths =>
  answerLengths(answers.rows, isChosen(answers));

export const amountOfAnswers = (answers: JudgedAnswers | undefined): Amount => ({
  tokens: answers?.rows.tokens.length ?? 0,
  examples: { count: answers ? unitCount(answers) : 0, learnt: answers?.rows.counted ?? 0 },
});

/** "200 pairs (4,321 tokens, 1,234 of them answers)". */
export const answersLine = ({ rows, each }: JudgedAnswers): string =>
  `${counted(unitCount({ rows, each }), each === 2 ? "pair" : "answer")} ` +
  `(${thousands(rows.tokens.length)} tokens, ${thousands(rows.counted)} of them answers)`;

/**
 * Answers of which it is known which is better, as rows of tokens: pairs, whose rows stand beside each other
 * (2i the chosen answer, 2i + 1 the rejected one), and single answers that were judged.
 */
import { SinterError } from "../../base/errors.ts";
import { answerTo, type JudgedExample, type PairExample } from "../examples/example.ts";
import {
  encodeEach,
  learntTokens,
  rowCount,
  type EncodedRows,
  type EncodeEachOptions,
  type LearntRows,
  type LearntTokens,
} from "./learnt-rows.ts";

/** What is counted of an answer: each of its tokens, or the row at which a scalar head scores it. */
export type CountedPart = "tokens" | "end";

const tokensOf = async (
  { prompt, row }: PairExample | JudgedExample,
  answer: PairExample["chosen"],
  o: EncodeEachOptions,
  part: CountedPart,
): Promise<LearntTokens> => {
  const found = await learntTokens(answerTo(row, prompt, answer), { ...o, loss: "answers" });
  return part === "tokens" ? found : scoredAtEnd(found);
};

/**
 * The row of an answer that is scored: the one whose input is the answer's last token, by where it stands. It
 * is marked by a target that nobody predicts.
 *
 *   tokens    <|user|>  2  +  2  <|end|>  <|assistant|>  4  <|end|>
 *   targets      −1    −1 −1 −1    −1         −1         −1  <|end|>
 */
export function scoredAtEnd({ ids, learnt }: LearntTokens): LearntTokens {
  const last = learnt.lastIndexOf(true);
  const upTo = ids.slice(0, last + 1);
  return { ids: [...upTo, ids[last]!], learnt: [...upTo.map(() => false), true] };
}

export interface PairRows extends LearntRows {
  /** One for each pair; absent where no row says one. */
  readonly margins?: Float32Array;
}

/** Throws SinterError "input" as encodeExamples does, and where only some rows have a margin. */
export async function encodePairs(
  examples: readonly PairExample[],
  o: EncodeEachOptions,
  part: CountedPart,
): Promise<Omit<EncodedRows, "rows"> & { readonly rows: PairRows }> {
  const { rows, dropped, kept } = await encodeEach(examples, o, async (pair) => [
    await tokensOf(pair, pair.chosen, o, part),
    await tokensOf(pair, pair.rejected, o, part),
  ]);
  const margins = kept.flatMap(({ margin }) => (margin === undefined ? [] : [margin]));
  if (margins.length === 0) return { rows, dropped };
  const lacking = kept.find(({ margin }) => margin === undefined);
  if (!lacking) return { rows: { ...rows, margins: Float32Array.from(margins) }, dropped };
  throw new SinterError(
    "input",
    `${o.from}, row ${lacking.row}: it has no margin, and others have`,
    'Write "margin": 1.5 into every row, or into none.',
  );
}

export interface JudgedRows extends LearntRows {
  /** 1 for an answer that is wanted, −1 for one that is not. */
  readonly labels: Float32Array;
  /**
   * Row i: the prompt of row i, and the answer to another prompt. What the model and the reference think of
   * these tells how far they are apart (the z of KTO). Empty where no such answer has room.
   */
  readonly mismatched: LearntRows;
}

/** Each answer of a pair by itself: the chosen one is wanted, the rejected one is not. */
export const judgedOf = (examples: readonly (PairExample | JudgedExample)[]): readonly JudgedExample[] =>
  examples.flatMap((example) => {
    if (example.kind === "judged") return [example];
    const { row, prompt, chosen, rejected } = example;
    const one = { kind: "judged", row, prompt } as const;
    return [
      { ...one, answer: chosen, good: true },
      { ...one, answer: rejected, good: false },
    ];
  });

export async function encodeJudged(
  examples: readonly JudgedExample[],
  o: EncodeEachOptions,
): Promise<Omit<EncodedRows, "rows"> & { readonly rows: JudgedRows }> {
  const { rows, dropped, kept } = await encodeEach(examples, o, async (one) => [
    await tokensOf(one, one.answer, o, "tokens"),
  ]);
  const other = otherAnswers(kept);
  const { rows: mismatched } = await encodeEach(kept, o, async (one) => {
    const answer = other(one);
    const found = answer && (await tokensOf(one, answer, o, "tokens"));
    return [found && found.ids.length - 1 <= o.context ? found : { ids: [], learnt: [] }];
  }).catch((error: unknown) => {
    if (error instanceof SinterError) throw noOther(o.from);
    throw error;
  });
  return {
    rows: { ...rows, labels: Float32Array.from(kept, ({ good }) => (good ? 1 : -1)), mismatched },
    dropped,
  };
}

const noOther = (from: string): SinterError =>
  new SinterError(
    "input",
    `${from}: kto compares with answers to other prompts, and there is one prompt only`,
    "Use rows of two prompts at least.",
  );

/**
 * For each example the answer of the one before it that has another prompt; before the first comes the last.
 */
function otherAnswers(
  examples: readonly JudgedExample[],
): (example: JudgedExample) => JudgedExample["answer"] | undefined {
  const prompts = examples.map(({ prompt }) => JSON.stringify(prompt));
  const at = new Map(examples.map((example, i) => [example, i]));
  return (example) => {
    const i = at.get(example)!;
    for (let back = 1; back < examples.length; back++) {
      const j = (i - back + examples.length) % examples.length;
      if (prompts[j] !== prompts[i]) return examples[j]!.answer;
    }
    return undefined;
  };
}

/** Mean tokens of an answer, by whether it is the better one. */
export interface AnswerLengths {
  readonly chosen: number;
  readonly rejected: number;
}

/** `isChosen`: of row i. */
export function answerLengths(
  { starts, targets, ...rows }: LearntRows,
  isChosen: (i: number) => boolean,
): AnswerLengths {
  const sums = { chosen: [0, 0], rejected: [0, 0] };
  for (let i = 0; i < rowCount(rows); i++) {
    const sum = sums[isChosen(i) ? "chosen" : "rejected"];
    sum[0]!++;
    for (let r = starts[i]!; r < starts[i + 1]!; r++) if (targets[r]! >= 0) sum[1]!++;
  }
  const mean = ([count, tokens]: number[]): number => tokens! / count!;
  return { chosen: mean(sums.chosen), rejected: mean(sums.rejected) };
}

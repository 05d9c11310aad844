/** How often "it" looks at the right noun: by a head, by any position that is always the same, by chance. */
import type { HeadPlace } from "../../../runtime/look/inside.ts";
import type { Asked } from "./ask.ts";

export const shareOf = <T>(all: readonly T[], is: (one: T) => boolean): number =>
  all.filter(is).length / all.length;

/** How a head looks at the meant noun. */
export interface HeadScore extends HeadPlace {
  /** Of the sentences: those in which the meant noun has more weight than every other one. */
  readonly right: number;
  /** The mean weight on the meant noun. */
  readonly weight: number;
}

export function headScores(asked: readonly Asked[]): readonly HeadScore[] {
  return asked[0]!.looks.map(({ layer, head }, i) => {
    const weightOf = ({ looks }: Asked, at: number): number => looks[i]!.at[at]!;
    const isRight = (one: Asked): boolean =>
      one.nounsAt.every((at) => at === one.meantAt || weightOf(one, at) < weightOf(one, one.meantAt));
    const weight = asked.reduce((sum, one) => sum + weightOf(one, one.meantAt), 0) / asked.length;
    return { layer, head, right: shareOf(asked, isRight), weight };
  });
}

/** The head that is right most often; of equal ones, the one with more weight there. */
export const bestHead = (asked: readonly Asked[]): HeadScore =>
  headScores(asked).toSorted((a, b) => b.right - a.right || b.weight - a.weight)[0]!;

/** What is always looked at, without a look at the sentence's meaning. */
export interface FixedPosition {
  readonly name: string;
  /** Of the sentences: those in which the meant noun stands there. */
  readonly right: number;
}

/**
 * The best of all positions that are the same in every sentence: counted in tokens from the beginning, in
 * tokens back from "it", and in nouns from either end.
 */
export function bestFixedPosition(asked: readonly Asked[]): FixedPosition {
  const ways: readonly (readonly [(n: number) => string, (one: Asked, n: number) => number | undefined])[] = [
    [(n) => `token ${n}`, (_, n) => n],
    [(n) => `${n} tokens before "it"`, ({ tokens }, n) => tokens.length - 1 - n],
    [(n) => `noun ${n}`, ({ nounsAt }, n) => nounsAt[n - 1]],
    [(n) => `noun ${n} from the end`, ({ nounsAt }, n) => nounsAt.at(-n)],
  ];
  const longest = Math.max(...asked.map(({ tokens }) => tokens.length));
  const positions = ways.flatMap(([name, at]) =>
    Array.from({ length: longest - 1 }, (_, i): FixedPosition => {
      const right = shareOf(asked, (one) => at(one, i + 1) === one.meantAt);
      return { name: name(i + 1), right };
    }),
  );
  return positions.toSorted((a, b) => b.right - a.right)[0]!;
}

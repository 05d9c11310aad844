/** How looks at nouns are counted, on sentences that are made by hand. */
import { expect, test } from "vitest";
import type { Asked } from "../../../app/studies/pronouns/ask.ts";
import { bestFixedPosition, bestHead, headScores } from "../../../app/studies/pronouns/measure.ts";

/** Eight tokens, of which the last one is "it"; weights of two heads on the two nouns. */
function sentence(nounsAt: readonly number[], meantAt: number, weights: readonly [number, number][]): Asked {
  const looks = weights.map((pair, head) => {
    const at = new Float32Array(8);
    nounsAt.forEach((place, i) => (at[place] = pair[i]!));
    return { layer: 0, head, at };
  });
  const words = { before: "", deed: "", cue: "", meant: "", nouns: [] };
  return { sentence: words, tokens: [0, 1, 2, 3, 4, 5, 6, 7], nounsAt, meantAt, looks, isRight: true };
}

test("a head is right where the meant noun has more weight than any other", () => {
  const asked = [
    sentence([2, 5], 2, [
      [0.5, 0.25],
      [0.5, 0.25],
    ]),
    sentence([2, 5], 5, [
      [0.25, 0.5],
      [0.5, 0.25],
    ]),
    sentence([2, 5], 5, [
      [0.25, 0.25],
      [0, 1],
    ]), // equal weights are not right
  ];
  expect(headScores(asked).map(({ right }) => right)).toEqual([2 / 3, 2 / 3]);
  expect(headScores(asked)[0]!.weight).toBeCloseTo((0.5 + 0.5 + 0.25) / 3, 10);
  expect(bestHead(asked).head).toBe(1); // of equal ones, the one with more weight
});

test("the best fixed position is found, whatever it is counted from", () => {
  const none: [number, number][] = [];
  const first = [sentence([1, 5], 1, none), sentence([2, 4], 2, none), sentence([3, 6], 6, none)];
  expect(bestFixedPosition(first)).toEqual({ name: "noun 1", right: 2 / 3 });
  const back = [sentence([1, 5], 5, none), sentence([5, 6], 5, none), sentence([3, 5], 3, none)];
  expect(bestFixedPosition(back).right).toBe(2 / 3);
});

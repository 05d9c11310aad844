/** The sentences of specs/it.sinter: nothing but their meaning says which noun "it" is. */
import { expect, test } from "vitest";
import { checkSource } from "../../../../compiler/2-check/check.ts";
import { learnedBpe } from "../../../../runtime/tokenizers/bpe/learn-bpe.ts";
import { readTokenizerJson } from "../../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import {
  pronounDeeds,
  pronounKinds,
  pronounSentences,
  pronounText,
} from "../../../../runtime/train/sources/builtin-pronouns.ts";
import { specs } from "../../../support/sources.ts";

const text = pronounText();
const lines = text.trimEnd().split("\n");
const parts = { validation: pronounSentences("validation"), "held-out": pronounSentences("held-out") };
const asked = Object.entries(parts);
const kinds = Object.values(pronounKinds);
const nouns: readonly string[] = kinds.flatMap((kind) => kind.nouns);

/** The two nouns of a sentence that may be meant, in the order of the alphabet. */
const pairOf = (sentence: string): string =>
  sentence
    .split(/\W+/)
    .filter((word) => nouns.includes(word))
    .toSorted()
    .join(" ");

test("no pair of nouns that is asked is learnt, and none is asked in both parts", () => {
  const pairs = [lines, ...asked.map(([, part]) => part.map(({ before }) => before))].map(
    (sentences) => new Set(sentences.map(pairOf)),
  );
  expect(pairs.map(({ size }) => size)).toEqual([240, 48, 48]);
  expect(new Set(pairs.flatMap((each) => [...each])).size).toBe(240 + 48 + 48);
});

/** Of a sentence that is learnt: the noun that did what its last word says, and what it was. */
function meaningOf(line: string): string {
  const [words, deed] = [line.split(/\W+/), /(\w+)\.$/.exec(line)![1]];
  const kind = kinds.find(({ cues }) => cues.some((cue) => words.includes(cue)))!;
  const meant = kind.nouns[(pronounDeeds as readonly string[]).indexOf(deed!)]!;
  expect(words, line).toContain(meant);
  return `${kind.cues.find((cue) => words.includes(cue))} ${meant}`;
}
const learntMeanings = new Set(lines.map(meaningOf));

test.each(asked)("%s: the meant noun is never learnt with its cue, and the cue fits no other", (_, part) => {
  expect(learntMeanings.size).toBe(kinds.length * pronounDeeds.length * 4);
  for (const { before, cue, meant, deed } of part) {
    expect(learntMeanings.has(`${cue} ${meant}`), before).toBe(false);
    expect(meaningOf(`${before} ${deed}.`)).toBe(`${cue} ${meant}`);
    const kind: readonly string[] = kinds.find(({ nouns }) =>
      (nouns as readonly string[]).includes(meant),
    )!.nouns;
    expect(
      pairOf(before)
        .split(" ")
        .filter((noun) => kind.includes(noun)),
    ).toEqual([meant]);
  }
});

test.each(asked)(
  "%s: each noun is meant as often as not, before the other as often as behind it",
  (_, part) => {
    const meant = (at: number): number => part.filter(({ meant, nouns }) => nouns[at] === meant).length;
    expect([meant(0), meant(1), part.length]).toEqual([part.length / 2, part.length / 2, 960]);
    for (const noun of nouns) {
      const with_ = part.filter(({ nouns }) => nouns.includes(noun));
      expect(with_.filter((s) => s.meant === noun)).toHaveLength(with_.length / 2);
    }
  },
);

test("the cue alone says nothing about the next word: every kind has a noun for each deed", () => {
  for (const { nouns, cues } of kinds) expect([nouns.length, cues.length]).toEqual([pronounDeeds.length, 5]);
});

test("every word is one token of the tokenizer that the text teaches, and the spec has its size", () => {
  const { vocab } = checkSource(specs.find(({ file }) => file === "specs/it.sinter")!.text).models[0]!.sizes;
  const reading = readTokenizerJson({ json: learnedBpe(text, vocab), from: "tokenizer.json" });
  if (!("tokenizer" in reading)) throw new Error(reading.unsupported);
  expect(reading.tokenizer.size).toBe(vocab);
  for (const { before, deed } of parts["held-out"])
    expect(reading.tokenizer.encode(`${before} ${deed}.`), before).toHaveLength(
      `${before} ${deed}.`.match(/\w+|\W/g)!.filter((part) => part !== " ").length,
    );
});

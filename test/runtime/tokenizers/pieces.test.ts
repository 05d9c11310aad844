/** Pre-tokenizers: the scanners against their published expressions, on texts of every kind of character. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  byExpression,
  nextPiece,
  pieceRuleNames,
  pieceRules,
  ruleOf,
  type NextPiece,
} from "../../../runtime/tokenizers/bpe/pieces.ts";
import { partEnd } from "../../../runtime/tokenizers/bpe/count-pieces.ts";
import { cpuMs, dataText, withData } from "../../support/tokenizer-data.ts";

function cut(text: string, next: NextPiece): string[] {
  const out: string[] = [];
  for (let from = 0, to = 0; from < text.length; from = to) {
    to = next(text, from);
    expect(to).toBeGreaterThan(from);
    out.push(text.slice(from, to));
  }
  return out;
}

/** One character of each class, and the characters that JavaScript classifies differently. */
const characters = [
  "a",
  "Z",
  "é",
  "ß",
  "ſ",
  "ǅ",
  "中",
  "ّ",
  "1",
  "٣",
  "Ⅷ",
  "½",
  "²",
  " ",
  "  ",
  "\t",
  "\n",
  "\r",
  "\r\n",
  "\u0085",
  "\u00a0",
  "\u2028",
  "\u3000",
  "\ufeff",
  "\u200b",
  "'",
  "'s",
  "'RE",
  "'ll",
  "'ſ",
  "'x",
  ".",
  "!",
  "_",
  "#",
  "/",
  "🦙",
  "𝔘",
  "𝟙",
  "\ud83e",
  "\udd99",
  "\u0000",
];
const text = fc.array(fc.constantFrom(...characters), { maxLength: 24 }).map((parts) => parts.join(""));

describe("pre-tokenizers", () => {
  it.each(["gpt2", "llama3"] as const)("%s: the scanner cuts where the expression does", (name) => {
    const scan = pieceRules[name].scan;
    const expression = byExpression(pieceRules[name].expression);
    fc.assert(
      fc.property(text, (t) => {
        expect(cut(t, scan)).toEqual(cut(t, expression));
      }),
      { numRuns: 20_000, seed: 1 },
    );
  });

  it.skipIf(!withData).each(["gpt2", "llama3"] as const)(
    "%s: on corpora, too (needs ../shared/data)",
    (name) => {
      for (const corpus of ["wikitext-2-valid", "dutch-novel", "tinyshakespeare"]) {
        const t = dataText(`corpora/${corpus}.txt`).slice(0, 200_000);
        expect(cut(t, pieceRules[name].scan)).toEqual(cut(t, byExpression(pieceRules[name].expression)));
      }
    },
  );

  it.each(pieceRuleNames)("%s: loses nothing, and takes no longer for hostile text", (name) => {
    fc.assert(
      fc.property(text, (t) => {
        expect(cut(t, nextPiece(name)).join("")).toBe(t);
      }),
      { numRuns: 2000, seed: 2 },
    );
    for (const unit of [" ", "\n", "a", "A", "'", "1", ".", " \n", "aA", "ـ", " a"]) {
      const t = unit.repeat(50_000);
      const next = nextPiece(name);
      const began = cpuMs();
      for (let at = 0; at < t.length;) at = next(t, at);
      expect(cpuMs() - began, JSON.stringify(unit)).toBeLessThan(500);
    }
  });

  it("the published examples", () => {
    expect(cut("I'll say it's 12345 o'clock!!\n\n  Now", nextPiece("gpt2"))).toEqual([
      "I",
      "'ll",
      " say",
      " it",
      "'s",
      " 12345",
      " o",
      "'",
      "clock",
      "!!",
      "\n\n ",
      " Now",
    ]);
    expect(cut("I'LL say it's 12345 o'clock!!\n\n  Now", nextPiece("llama3"))).toEqual([
      "I",
      "'LL",
      " say",
      " it",
      "'s",
      " ",
      "123",
      "45",
      " o",
      "'clock",
      "!!\n\n",
      " ",
      " Now",
    ]);
    expect(cut("fooBar's 12345", nextPiece("o200k"))).toEqual(["foo", "Bar's", " ", "123", "45"]);
    expect(cut("a 123", nextPiece("qwen2"))).toEqual(["a", " ", "1", "2", "3"]);
    expect(cut("a\n\n\nb", nextPiece("cl100k"))).toEqual(["a", "\n\n\n", "b"]);
  });

  it("an expression of a file is one of the table's, letter by letter", () => {
    for (const name of pieceRuleNames)
      for (const published of pieceRules[name].published) expect(ruleOf(published)).toBe(name);
    expect(ruleOf(`${pieceRules.gpt2.published[0]}|(a+)+$`)).toBeUndefined();
    expect(ruleOf("__proto__")).toBeUndefined();
  });

  it("long texts are cut where no piece goes on", () => {
    fc.assert(
      fc.property(
        fc
          .array(fc.constantFrom("ab", " ", ".", "\n", "1", "🦙", " c"), { minLength: 20, maxLength: 60 })
          .map((p) => p.join("")),
        (t) => {
          const end = partEnd(t, 0, 12);
          expect(end).toBeGreaterThan(0);
          if (end === t.length || !/[^\s] $/.test(t.slice(0, end + 1))) return;
          for (const name of pieceRuleNames)
            expect([...cut(t.slice(0, end), nextPiece(name)), ...cut(t.slice(end), nextPiece(name))]).toEqual(
              cut(t, nextPiece(name)),
            );
        },
      ),
      { numRuns: 3000, seed: 3 },
    );
  });
});

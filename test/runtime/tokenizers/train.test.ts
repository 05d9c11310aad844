/**
 * The trainer of tokenizers: a reference training, the definition on small texts, speed, and the file that it
 * writes.
 */
import { Tokenizer as HuggingFace } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import { byteCharacters } from "../../../runtime/tokenizers/base/byte-level.ts";
import { pieceCounter } from "../../../runtime/tokenizers/bpe/count-pieces.ts";
import { nextPiece, pieceRuleNames, type PieceRuleName } from "../../../runtime/tokenizers/bpe/pieces.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { trainBpe, type TrainedBpe } from "../../../runtime/tokenizers/bpe/train-bpe.ts";
import { tokenizerJson } from "../../../runtime/tokenizers/bpe/write-tokenizer-json.ts";
import { cpuMs, dataText, vectors, withData } from "../../support/tokenizer-data.ts";

const END = "<|endoftext|>";

function train(
  text: string,
  vocab: number,
  {
    special = [END],
    rule = "gpt2",
    atLeast = 1,
  }: { special?: string[]; rule?: PieceRuleName; atLeast?: number } = {},
): TrainedBpe {
  const counter = pieceCounter(rule, special);
  counter.add(text);
  return trainBpe(counter.counts, { vocab, special, atLeast });
}

const nameOf = ({ tokens, special }: TrainedBpe, id: number): string =>
  special[id] ?? Array.from(tokens[id]!, (byte) => byteCharacters[byte]!).join("");
const mergeNames = (trained: TrainedBpe): string[] =>
  trained.merges.map(([a, b]) => `${nameOf(trained, a)} ${nameOf(trained, b)}`);

function read(json: string): Tokenizer {
  const reading = readTokenizerJson({ json: new TextEncoder().encode(json), from: "tokenizer.json" });
  if (!("tokenizer" in reading)) throw new Error(reading.unsupported);
  return reading.tokenizer;
}

describe.skipIf(!withData)("training on real text (needs ../shared/data)", () => {
  it("makes exactly the reference's merges and vocabulary", () => {
    const trained = train(dataText("vectors/bpe-train/corpus.en"), 500);
    expect(mergeNames(trained)).toEqual(
      dataText("vectors/bpe-train/reference-merges.txt").trimEnd().split("\n"),
    );
    const vocab = JSON.parse(dataText("vectors/bpe-train/reference-vocab.json")) as Record<string, number>;
    expect(Object.fromEntries(trained.tokens.map((_, id) => [nameOf(trained, id), id]))).toEqual(vocab);
  });

  it("takes seconds for 10 MB and 4,096 merges", () => {
    const text = [
      ...["tinystories", "tinyshakespeare", "wikitext-2-valid", "dutch-novel"].map((file) =>
        dataText(`corpora/${file}.txt`),
      ),
      dataText("sft/gsm8k-train.jsonl"),
    ].join("\n");
    expect(text.length).toBeGreaterThan(10e6);
    const began = cpuMs();
    const trained = train(text, 4096 + 257, { atLeast: 2 });
    expect(trained.merges.length).toBeGreaterThanOrEqual(4096);
    expect(cpuMs() - began).toBeLessThan(10_000);
  });

  it.each(pieceRuleNames)(
    "writes a tokenizer.json that gives equal ids here and in @huggingface/tokenizers: %s",
    (rule) => {
      const json = tokenizerJson(
        train(dataText("corpora/dutch-novel.txt").slice(0, 200_000), 1000, {
          rule,
          special: [END, "<|pad|>"],
        }),
        rule,
      );
      const ours = read(json);
      const theirs = new HuggingFace(JSON.parse(json) as object, {});
      expect(ours.size).toBe(1000);
      const texts = [
        ...vectors("gpt-2").map(({ text }) => text),
        dataText("corpora/wikitext-2-valid.txt").slice(0, 20_000),
        "don't DON'T it's\r\n\r\n x\t\t1234567 ٣٤٥ 中文字",
      ];
      for (const text of texts) {
        const ids = ours.encode(text);
        expect(ids, JSON.stringify(text.slice(0, 60))).toEqual(
          theirs.encode(text, { add_special_tokens: false }).ids,
        );
        expect(decode(ours, ids)).toBe(text);
      }
      expect(ours.encode(`a${END}<|pad|>b`, { special: true })).toEqual(
        theirs.encode(`a${END}<|pad|>b`, { add_special_tokens: false }).ids,
      );
      expect(ours.endOfText).toBe(0);
    },
  );
});

describe("training", () => {
  /** The definition: count all pairs anew for every merge. */
  function slow(text: string, merges: number): string[] {
    const words = new Map<string, number>();
    const next = nextPiece("gpt2");
    for (let from = 0, to = 0; from < text.length; from = to) {
      to = next(text, from);
      words.set(text.slice(from, to), (words.get(text.slice(from, to)) ?? 0) + 1);
    }
    const split = [...words].map(([word, count]) => ({ symbols: [...word], count }));
    const out: string[] = [];
    for (let m = 0; m < merges; m++) {
      const counts = new Map<string, number>();
      for (const { symbols, count } of split)
        for (let i = 0; i + 1 < symbols.length; i++)
          counts.set(
            `${symbols[i]}\n${symbols[i + 1]}`,
            (counts.get(`${symbols[i]}\n${symbols[i + 1]}`) ?? 0) + count,
          );
      let best: string | undefined;
      const above = (a: string, b: string): boolean => {
        const [a0, a1] = a.split("\n");
        const [b0, b1] = b.split("\n");
        return a0! > b0! || (a0 === b0 && a1! > b1!);
      };
      for (const [pair, count] of counts)
        if (
          best === undefined ||
          count > counts.get(best)! ||
          (count === counts.get(best) && above(pair, best))
        )
          best = pair;
      if (best === undefined) break;
      const [left, right] = best.split("\n");
      for (const word of split)
        for (let i = 0; i + 1 < word.symbols.length; i++)
          if (word.symbols[i] === left && word.symbols[i + 1] === right)
            word.symbols.splice(i, 2, left! + right!);
      out.push(`${left} ${right}`);
    }
    return out;
  }

  it("equals the definition, also on runs of one letter", () => {
    let state = 11;
    const below = (n: number): number => (state = (state * 48271) % 2147483647) % n;
    for (let round = 0; round < 60; round++) {
      const text = Array.from({ length: 30 }, () =>
        Array.from({ length: 1 + below(9) }, () => "abc"[below((round % 3) + 1)]).join(""),
      ).join(".");
      const trained = train(text, 257 + 25);
      const fast = mergeNames(trained);
      expect(fast).toEqual(slow(text, fast.length));
    }
  });

  it("ends early when nothing is left to join, and leaves rare pairs alone", () => {
    expect(train("ab ab", 1000).merges.length).toBe(2); // "ab", " ab"
    expect(train("ab ab cd", 1000, { atLeast: 2 }).merges.length).toBe(1);
  });

  it("counts nothing of special tokens", () => {
    expect(mergeNames(train(`${END}`.repeat(50) + "ab ab ab", 258))).toEqual(["a b"]);
  });

  it("refuses what makes no sense", () => {
    expect(() => train("a", 200)).toThrow(SinterError);
    expect(() => train("a", 300, { special: ["x", "x"] })).toThrow(/different/);
  });

  it("tells how far it is", () => {
    const counter = pieceCounter("gpt2", []);
    const seen: number[] = [];
    counter.add("the quick brown fox jumps over the lazy dog, and the quick cat too");
    trainBpe(counter.counts, { vocab: 280, special: [], atLeast: 1, onProgress: (done) => seen.push(done) });
    expect(seen.at(-1)).toBe(280);
  });
});

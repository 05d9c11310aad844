/**
 * Published tokenizers compared with @huggingface/tokenizers, made from the same files: random texts, and
 * Llama 3 as a tokenizer.json.
 */
import { Tokenizer as HuggingFace } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byteCharacters } from "../../../runtime/tokenizers/base/byte-level.ts";
import { pieceRules } from "../../../runtime/tokenizers/bpe/pieces.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { dataText, published, vectors, withData } from "../../support/tokenizer-data.ts";

const byteLevel = (use_regex: boolean): object => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
});

function gpt2Json(): object {
  const merges = dataText("tokenizers/gpt2/vocab.bpe")
    .split("\n")
    .slice(1)
    .filter((line) => line !== "");
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: byteLevel(true),
    post_processor: null,
    decoder: byteLevel(true),
    model: { type: "BPE", vocab: JSON.parse(dataText("tokenizers/gpt2/encoder.json")) as object, merges },
  };
}

/**
 * Llama 3's ranks file as transformers converts it: all ways to make each token are merges, in the order of
 * the ranks of their parts.
 */
function llama3Merges(names: readonly string[], ids: ReadonlyMap<string, number>): [string, string][] {
  const merges: [string, string][] = [];
  for (const name of names) {
    const ways: [number, number][] = [];
    for (let cut = 1; cut < name.length; cut++) {
      const left = ids.get(name.slice(0, cut));
      const right = ids.get(name.slice(cut));
      if (left !== undefined && right !== undefined) ways.push([left, right]);
    }
    for (const [left, right] of ways.sort((a, b) => a[0] - b[0] || a[1] - b[1]))
      merges.push([names[left]!, names[right]!]);
  }
  return merges;
}

const llama3PreTokenizer = {
  type: "Sequence",
  pretokenizers: [
    {
      type: "Split",
      pattern: { Regex: pieceRules.llama3.published[0] },
      behavior: "Isolated",
      invert: false,
    },
    byteLevel(false),
  ],
};

const LLAMA3_BEGIN = "<|begin_of_text|>";
const llama3PostProcessor = {
  type: "Sequence",
  processors: [
    byteLevel(true),
    {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: LLAMA3_BEGIN, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { [LLAMA3_BEGIN]: { id: LLAMA3_BEGIN, ids: [128000], tokens: [LLAMA3_BEGIN] } },
    },
  ],
};

function llama3Json(): object {
  const lines = dataText("tokenizers/llama3/tokenizer.model").trimEnd().split("\n");
  const names = lines.map((line) =>
    Array.from(Buffer.from(line.split(" ")[0]!, "base64"), (byte) => byteCharacters[byte]!).join(""),
  );
  const ids = new Map(names.map((name, id) => [name, id]));
  const flags = { special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
  return {
    added_tokens: [...published.llama3().special].map(([content, id]) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: llama3PreTokenizer,
    post_processor: llama3PostProcessor,
    decoder: byteLevel(true),
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      ignore_merges: true,
      vocab: Object.fromEntries(ids),
      merges: llama3Merges(names, ids),
    },
  };
}

function read(json: object): Tokenizer {
  const reading = readTokenizerJson({
    json: new TextEncoder().encode(JSON.stringify(json)),
    from: "tokenizer.json",
  });
  if (!("tokenizer" in reading)) throw new Error(reading.unsupported);
  return reading.tokenizer;
}

/**
 * Words, signs, white space and characters of many scripts, without those that JavaScript's \s, which the
 * package uses, treats differently.
 */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "don't",
        " the",
        "  ",
        "\n\n",
        "\t",
        " 12345",
        "I'LL",
        "über",
        " Straße",
        "!!!",
        " (",
        "🦙",
        "中文",
        " हिन्दी",
        "ﬁ",
      ),
      fc.string({ unit: "grapheme", maxLength: 6 }),
    ),
    { maxLength: 20 },
  )
  .map((parts) =>
    parts
      .join("")
      .replace(/[\ufeff\u0085]/gu, "")
      .toWellFormed(),
  );

describe.skipIf(!withData)("beside @huggingface/tokenizers (needs ../shared/data)", () => {
  it("GPT-2: equal ids of random texts, which come back", () => {
    const gpt2 = published.gpt2();
    const theirs = new HuggingFace(gpt2Json(), {});
    fc.assert(
      fc.property(text, (t) => {
        const ids = gpt2.encode(t);
        expect(ids).toEqual(theirs.encode(t, { add_special_tokens: false }).ids);
        expect(decode(gpt2, ids)).toBe(t);
      }),
      { numRuns: 2000, seed: 4 },
    );
  });

  it(
    "Llama 3 as tokenizer.json: llama.cpp's cases, Meta's special tokens, and random texts as from the " +
      "ranks",
    () => {
      const llama3 = published.llama3();
      const json = read(llama3Json());
      for (const { text: t, ids } of vectors("llama-bpe")) expect(json.encode(t)).toEqual(ids);
      expect([json.size, json.beginOfText, json.endOfText, json.special.size]).toEqual([
        llama3.size,
        128000,
        128001,
        256,
      ]);
      expect([...json.stops].sort()).toEqual([...llama3.stops].sort());
      fc.assert(
        fc.property(text, (t) => {
          expect(json.encode(t)).toEqual(llama3.encode(t));
          expect(decode(llama3, llama3.encode(t))).toBe(t);
        }),
        { numRuns: 2000, seed: 5 },
      );
    },
  );

  it("Llama 2: random texts come back from both of its files", () => {
    const llama2 = published.llama2();
    const llama2c = published.llama2c();
    fc.assert(
      fc.property(text, (t) => {
        const plain = t.replaceAll("\u2581", "");
        const ids = llama2.encode(plain);
        expect(decode(llama2, ids)).toBe(plain);
        expect(llama2c.encode(plain)).toEqual(ids);
      }),
      { numRuns: 2000, seed: 6 },
    );
  });

  it("a lone surrogate becomes U+FFFD, as in TextEncoder", () => {
    for (const name of ["gpt2", "llama3", "llama2"] as const)
      expect(decode(published[name](), published[name]().encode("a\ud83e b\udd99"))).toBe("a\ufffd b\ufffd");
  });
});

/**
 * tokenizer.json files: those that are read here, and those with expressions of their own, which are read in
 * a thread that can be ended.
 */
import { Tokenizer as HuggingFace } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { pieceRules } from "../../../runtime/tokenizers/bpe/pieces.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { data, dataText, vectors, withData } from "../../support/tokenizer-data.ts";

type Json = Record<string, unknown>;
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const reading = (value: unknown) => readTokenizerJson({ json: bytes(value), from: "tokenizer.json" });

function read(value: unknown): Tokenizer {
  const found = reading(value);
  if (!("tokenizer" in found)) throw new Error(found.unsupported);
  return found.tokenizer;
}

const added = (content: string, id: number, special = true, more: Json = {}): Json => ({
  id,
  content,
  special,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  ...more,
});
const ids = (names: readonly string[]): Record<string, number> =>
  Object.fromEntries(names.map((name, id) => [name, id]));

/** A tokenizer.json over characters with ▁ for spaces, like Llama 2's: bytes, a few letters, merges. */
const byteNames = Array.from(
  { length: 256 },
  (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`,
);
const spNames = ["<unk>", "<s>", "</s>", ...byteNames, "▁", "a", "b", "c", "▁a", "ab", "▁ab", "é", "▁▁"];
const sp = (change: Json = {}, model: Json = {}): Json => ({
  version: "1.0",
  added_tokens: [added("<unk>", 0), added("<s>", 1), added("</s>", 2)],
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    pair: [],
    special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
  },
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "▁" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
  model: {
    type: "BPE",
    dropout: null,
    unk_token: "<unk>",
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: true,
    vocab: ids(spNames),
    merges: ["▁ a", "a b", "▁ ab", "▁a b", "▁ ▁"],
    ...model,
  },
  ...change,
});

describe("BPE over characters", () => {
  const texts = ["ab", " ab", "  ab  a", "", "a", "abcab é", "🦙 ab", "a\nb", "▁ab"];

  it.each([
    ["byte fallback", sp()],
    ["no byte fallback, unknown ones joined", sp({}, { byte_fallback: false })],
    ["no byte fallback, each unknown one by itself", sp({}, { byte_fallback: false, fuse_unk: false })],
    [
      "Metaspace, always",
      sp({
        normalizer: null,
        pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
      }),
    ],
    [
      "Metaspace, never",
      sp({
        normalizer: null,
        pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "never", split: true },
      }),
    ],
  ])("%s: ids as @huggingface/tokenizers has them", (_, json) => {
    const ours = read(json);
    const theirs = new HuggingFace(json, {});
    for (const text of texts)
      expect(ours.encode(text), JSON.stringify(text)).toEqual(
        theirs.encode(text, { add_special_tokens: false }).ids,
      );
  });

  it("knows what begins and ends a text, gives it back, and keeps special tokens apart", () => {
    const tokenizer = read(sp());
    expect([tokenizer.beginOfText, tokenizer.endOfText, tokenizer.size]).toEqual([1, 2, spNames.length]);
    for (const text of texts.filter((t) => !t.includes("▁")))
      expect(decode(tokenizer, tokenizer.encode(text))).toBe(text);
    expect(tokenizer.encode("</s>").includes(2)).toBe(false);
    expect(tokenizer.encode("</s>", { special: true })).toEqual([2]);
  });

  it("the space before the text: at the beginning alone, where the file says so", () => {
    const first = read(
      sp({
        normalizer: null,
        pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: true },
      }),
    );
    const a = spNames.indexOf("a");
    const marked = spNames.indexOf("▁a");
    expect(first.encode("a</s>a", { special: true })).toEqual([marked, 2, a]);
    expect(read(sp()).encode("a</s>a", { special: true })).toEqual([marked, 2, marked]);
  });

  it("a merge that would make a special token is left out", () => {
    const json = sp({}, { vocab: ids([...spNames, "<", "s>", "/s>"]), merges: ["< s>", "▁ a"] });
    expect(read(json).encode("<s>")).not.toContain(1);
  });
});

describe("added tokens that are found in the normalized text", () => {
  const lower = (special: boolean): Tokenizer =>
    read(
      sp({
        added_tokens: [
          added("<s>", 1),
          added("</s>", 2),
          added("<ABC>", spNames.length, special, { normalized: true }),
        ],
        normalizer: { type: "Lowercase" },
      }),
    );
  const id = spNames.length;

  it("are found whatever the case, when asked for", () => {
    expect(lower(true).encode("a<abc>b<Abc>", { special: true })).toEqual([
      spNames.indexOf("a"),
      id,
      spNames.indexOf("b"),
      id,
    ]);
    expect(lower(true).encode("a<abc>")).not.toContain(id);
    expect(lower(false).encode("<aBc>")).toEqual([id]);
  });

  it("never in what a stranger wrote, in any case", () => {
    const tokenizer = lower(true);
    for (const said of ["<ABC>", "<abc>", "<aBC> and <ABC>", "x<abC", "</s><abc>"]) {
      const ids = tokenizer.encode(`${tokenizer.plain!(said)}</s>`, { special: true });
      expect(ids.filter((token) => token === id || token === 2)).toEqual([2]);
      expect(decode(tokenizer, ids.slice(0, -1))).toBe(said.toLowerCase());
    }
    expect(tokenizer.plain!("plain")).toBe("plain");
  });
});

describe.skipIf(!withData)("TinyStories-656K's file (needs ../shared/data)", () => {
  it("has the ids of @huggingface/tokenizers", () => {
    const json = data("checkpoints/tinystories-656k/tokenizer.json");
    const parsed = JSON.parse(new TextDecoder().decode(json)) as object;
    const ours = read(parsed);
    const theirs = new HuggingFace(parsed, {});
    for (const text of [
      ...vectors("gpt-2").map((v) => v.text),
      dataText("corpora/tinystories.txt").slice(0, 20_000),
    ])
      expect(ours.encode(text), JSON.stringify(text.slice(0, 50))).toEqual(
        theirs.encode(text, { add_special_tokens: false }).ids,
      );
  });
});

it(
  "an added token behind a gap has the id that the file says, and it is said that the library would give " +
    "it another",
  () => {
    const tokenizer = read(
      sp({
        added_tokens: [added("<unk>", 0), added("<s>", 1), added("<far>", 400), added("<farther>", 402)],
      }),
    );
    expect(tokenizer.encode("<far>", { special: true })).toEqual([400]);
    expect(tokenizer.note).toBe(
      "tokenizer.json says other ids of added tokens than huggingface/tokenizers would give them, and " +
        'they count: "<far>" (400) and 1 more',
    );
  },
);

describe("ids with gaps, as some published vocabularies have them", () => {
  const json = {
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    model: { type: "BPE", vocab: { a: 0, b: 2, ab: 5, c: 3 }, merges: ["a b"] },
  };

  it.each([
    ["bytes", json],
    ["characters", sp({}, { vocab: { ...ids(spNames), later: 400 } })],
  ])("%s: the tokenizer says which are absent; they stand for nothing", (kind, file) => {
    const tokenizer = read(file);
    expect([...(tokenizer.absent ?? [])]).toEqual(
      kind === "bytes" ? [1, 4] : Array.from({ length: 400 - spNames.length }, (_, i) => spNames.length + i),
    );
    const [gap] = tokenizer.absent!;
    expect(tokenizer.bytes(gap!)).toEqual(new Uint8Array(0));
    expect(() => tokenizer.bytes(tokenizer.size)).toThrow(RangeError);
  });

  it("encodes and decodes around them", () => {
    const tokenizer = read(json);
    expect([tokenizer.size, tokenizer.encode("abcb")]).toEqual([6, [5, 3, 2]]);
    expect(decode(tokenizer, [5, 4, 3, 1, 2])).toBe("abcb");
    expect(read(sp()).absent).toBeUndefined();
  });
});

describe("GPT-2's files as tokenizer.json", () => {
  it.skipIf(!withData)("gives llama.cpp's ids (needs ../shared/data)", () => {
    const vocab = JSON.parse(dataText("tokenizers/gpt2/encoder.json")) as Record<string, number>;
    const merges = dataText("tokenizers/gpt2/vocab.bpe")
      .split("\n")
      .slice(1)
      .filter((line) => line !== "");
    const tokenizer = read({
      added_tokens: [added("<|endoftext|>", 50256)],
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
      decoder: { type: "ByteLevel" },
      model: { vocab, merges },
    });
    for (const { text, ids: wanted } of vectors("gpt-2")) expect(tokenizer.encode(text)).toEqual(wanted);
    expect(tokenizer.endOfText).toBe(50256);
  });
});

describe.skipIf(!withData)("byte-level files with several pre-tokenizers (need ../shared/data)", () => {
  const byteLevel = (use_regex: boolean): Json => ({
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex,
  });
  it.each([
    ["digits one by one, then words", [{ type: "Digits", individual_digits: true }, byteLevel(true)]],
    ["runs of digits, then words", [{ type: "Digits", individual_digits: false }, byteLevel(true)]],
    [
      "one expression after another",
      [
        {
          type: "Split",
          pattern: { Regex: pieceRules.qwen2.published[0] },
          behavior: "Isolated",
          invert: false,
        },
        byteLevel(true),
      ],
    ],
    ["none", [byteLevel(false)]],
  ])("%s: ids as @huggingface/tokenizers has them", (_, pretokenizers) => {
    const merges = dataText("tokenizers/gpt2/vocab.bpe")
      .split("\n")
      .slice(1)
      .filter((line) => line !== "");
    const json = {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: "Sequence", pretokenizers },
      post_processor: null,
      decoder: byteLevel(true),
      model: { type: "BPE", vocab: JSON.parse(dataText("tokenizers/gpt2/encoder.json")) as Json, merges },
    };
    const ours = read(json);
    const theirs = new HuggingFace(json, {});
    for (const text of [
      "In 2024, 12345 of them: 3.14 x2  \n\n 007",
      "٣٤ of them",
      "a  1  b",
      "",
      "don't 5",
      dataText("corpora/wikitext-2-valid.txt").slice(0, 5000),
    ])
      expect(ours.encode(text), text.slice(0, 40)).toEqual(
        theirs.encode(text, { add_special_tokens: false }).ids,
      );
    // ½ and Ⅷ are numbers for Rust's is_numeric, which the original uses, and here. The package's \d+ matches
    // decimal digits only.
    expect(decode(ours, ours.encode("½ of Ⅷ"))).toBe("½ of Ⅷ");
  });
});

// ---- other models, and other expressions

const wordPiece = {
  added_tokens: [added("[UNK]", 0), added("[CLS]", 1), added("[SEP]", 2)],
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: null,
  decoder: { type: "WordPiece", prefix: "##", cleanup: false },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: ids(["[UNK]", "[CLS]", "[SEP]", "token", "##izer", "##s", "a", "[", "]", "cls", "."]),
  },
};

const unigram = {
  added_tokens: [added("<unk>", 0), added("</s>", 1)],
  normalizer: null,
  pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
  decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
  model: {
    type: "Unigram",
    unk_id: 0,
    byte_fallback: false,
    vocab: [
      ["<unk>", 0],
      ["</s>", 0],
      ["▁", -3],
      ["a", -2],
      ["b", -2.5],
      ["▁ab", -2],
      ["▁a", -2.2],
      ["/", -9],
      ["s", -9],
      ["<", -9],
      [">", -9],
    ],
  },
};

const withSplit = (Regex: string): Json =>
  sp({
    normalizer: null,
    pre_tokenizer: { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false },
  });

describe("other models", () => {
  it("WordPiece: tokens, text, and special tokens only when asked for", () => {
    const tokenizer = read(wordPiece);
    expect(tokenizer.encode("Tokenizers a.")).toEqual([3, 4, 5, 6, 10]);
    expect(decode(tokenizer, [3, 4, 5, 6])).toBe("tokenizers a");
    expect(tokenizer.encode("[CLS]")).toEqual([7, 9, 8]);
    expect(tokenizer.encode("[CLS] a", { special: true })).toEqual([1, 6]);
    expect([tokenizer.size, [...tokenizer.special.keys()]]).toEqual([11, ["[UNK]", "[CLS]", "[SEP]"]]);
  });

  it("Unigram: a special token is not made of plain text, though its score is the best", () => {
    const tokenizer = read(unigram);
    expect(tokenizer.encode("ab a")).toEqual([5, 6]);
    expect(tokenizer.encode("</s>")).not.toContain(1);
    expect(tokenizer.encode("ab</s>", { special: true })).toEqual([5, 1]);
    expect(decode(tokenizer, [5, 6])).toBe("ab a");
    expect(tokenizer.endOfText).toBe(1);
  });
});

it.each([
  [
    "a byte-level pre_tokenizer with a model other than BPE",
    { ...wordPiece, pre_tokenizer: { type: "ByteLevel", add_prefix_space: false } },
  ],
  ['normalizer "Precompiled"', { ...unigram, normalizer: { type: "Precompiled", precompiled_charsmap: "" } }],
  ["model Unigram with the key", { ...unigram, model: { ...unigram.model, more: 1 } }],
  ['post_processor "Other"', sp({ post_processor: { type: "Other" } })],
  [
    "a post_processor that puts 2 tokens before a text",
    sp({
      post_processor: {
        type: "TemplateProcessing",
        single: [
          { SpecialToken: { id: "<s>", type_id: 0 } },
          { SpecialToken: { id: "</s>", type_id: 0 } },
          { Sequence: { id: "A", type_id: 0 } },
        ],
      },
    }),
  ],
])("%s is refused by name", (what, json) => {
  const found = reading(json);
  expect("unsupported" in found && found.unsupported).toContain(what);
});

describe("expressions that are not in the table", () => {
  const open = (value: unknown): Tokenizer => otherJson({ json: bytes(value), from: "tokenizer.json" });

  it("are named where no thread can be ended; one class or character is as good as known", () => {
    expect(reading(withSplit("a+b"))).toEqual({
      unsupported: expect.stringContaining('split at "a+b"') as string,
    });
    for (const plain of ["a+", " ", String.raw`\p{L}+`, String.raw`[^\s]`])
      expect(reading(withSplit(plain))).toHaveProperty("tokenizer");
  });

  it("run in a thread, which gives what the same reader gives here", () => {
    const json = sp({
      added_tokens: [added("<unk>", 0), added("<s>", 1, true, { normalized: true }), added("</s>", 2)],
      pre_tokenizer: { type: "Split", pattern: { Regex: "a+b|c" }, behavior: "Isolated", invert: false },
    });
    const here = readTokenizerJson({ json: bytes(json), from: "tokenizer.json" }, { anyExpression: true });
    const there = open(json);
    if (!("tokenizer" in here)) throw new Error(here.unsupported);
    for (const text of ["aab abc c", " <s>a</s>", ""])
      for (const special of [true, false])
        expect(there.encode(text, { special })).toEqual(here.tokenizer.encode(text, { special }));
    const all: number[] = [];
    there.encodeInParts!("aab abc", (ids) => all.push(...ids));
    expect(all).toEqual(here.tokenizer.encode("aab abc"));
    expect([there.size, there.beginOfText, there.endOfText, there.addsSpace, [...there.special]]).toEqual([
      here.tokenizer.size,
      1,
      2,
      true,
      [...here.tokenizer.special],
    ]);
    for (let id = 0; id < there.size; id++) expect(there.bytes(id)).toEqual(here.tokenizer.bytes(id));
    expect(() => there.bytes(there.size)).toThrow(RangeError);
    expect(there.encode(there.plain!(" <s>"), { special: true })).not.toContain(1);
  });

  it("one that would take for ever is ended, and the message names the file", () => {
    const tokenizer = open(withSplit("(a|a)*b$"));
    const began = performance.now();
    expect(() => tokenizer.encode(`${"a".repeat(60)}c`)).toThrow(/tokenizer\.json: no answer within/);
    expect(performance.now() - began).toBeLessThan(100_000);
    expect(() => tokenizer.encode("a")).toThrow(/tokenizer\.json/);
  });

  it.each([
    ["a+(?<name>b)", /group/],
    ["(a)\\1", /\\1/],
    ["a*", /content with nothing/],
    ["[a&&b]", /class within/],
    ["\\bword", /\\b/],
    ["(?i:ss)", /fold together/],
  ])("%s is refused by name", (expression, says) => {
    expect(() => open(withSplit(expression))).toThrow(says);
    expect(() => open(withSplit(expression))).toThrow(/tokenizer\.json/);
  });

  it("a file that contradicts itself", () => {
    expect(() => open({ ...wordPiece, model: { type: "Unigram", vocab: 5 } })).toThrow(
      /tokenizer\.json: model\.vocab/,
    );
  });
});

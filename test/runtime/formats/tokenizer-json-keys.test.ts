/**
 * Feeds every key of tokenizer.json: a key that is read changes the tokenizer or is refused, and one without
 * effect does neither.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import {
  addedTokenKeys,
  componentKeys,
  fileKeys,
  modelKeys,
} from "../../../runtime/tokenizers/json/tokenizer-json-keys.ts";
import type { KeyTable, KnownKey } from "../../../runtime/base/known-keys.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";

type Json = Record<string, unknown>;
const { models } = JSON.parse(
  readFileSync(new URL("../tokenizers/library.json", import.meta.url), "utf8"),
) as { models: Record<string, Json> };

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
const token = (content: string, id: number, more: Json = {}): Json => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
  ...more,
});
const size = (model: Json): number => Object.keys(model.vocab as object).length;

const file = (model: string, change: Json = {}): Json => ({
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [token("<s>", size(models[model]!))],
  normalizer: null,
  pre_tokenizer: model === "byte" ? byteLevel : null,
  post_processor: null,
  decoder: null,
  model: models[model]!,
  ...change,
});

const texts = [
  "",
  "a",
  " ab ",
  "ab<s>",
  "The quick  12!",
  "Àé 日本\u0001b",
  "  w <S> <s>b",
  "xy▁a b_c'swx",
  "日 é",
  "aab abb",
  "a<s> b",
  "x <s>",
  "xx zz zzz",
  "A!b b-c 1 2 123",
  "T",
  "éx",
  "Ta b",
];

/** Everything that a tokenizer answers, or why the file is refused. */
function answers(json: Json): string {
  try {
    const reading = readTokenizerJson({
      json: new TextEncoder().encode(JSON.stringify(json)),
      from: "tokenizer.json",
    });
    if (!("tokenizer" in reading)) return `refused: ${reading.unsupported}`;
    const { tokenizer } = reading;
    const encoded = texts.flatMap((text) =>
      [true, false].map((special) => {
        try {
          return tokenizer.encode(text, { special });
        } catch (error) {
          return (error as Error).message;
        }
      }),
    );
    const bytes = Array.from({ length: tokenizer.size }, (_, id) => [...tokenizer.bytes(id)].join());
    return JSON.stringify([
      encoded,
      bytes,
      [...tokenizer.special],
      tokenizer.beginOfText,
      tokenizer.addsSpace,
    ]);
  } catch (error) {
    if (error instanceof SinterError) return `refused: ${error.message}`;
    throw error;
  }
}

function feed(known: KnownKey, before: Json, after: Json, idle: readonly Json[]): void {
  const was = answers(before);
  expect(was).not.toMatch(/^refused/);
  if (known.effect === "none") for (const other of idle) expect(answers(other)).toBe(was);
  else if (known.effect === "refused") expect(answers(after)).toMatch(/^refused: tokenizer\.json: model: /);
  else expect(answers(after)).not.toBe(was);
}

const keysOf = (table: KeyTable): (readonly [string, KnownKey])[] => Object.entries(table);
const another = (known: KnownKey): unknown => ("another" in known ? known.another : undefined);
const strange = [true, false, 7, { a: [1] }];

/** A component in its usual form, in which the keys of its table are changed. */
const usual: Readonly<Record<string, Json>> = {
  "normalizer Sequence": { normalizers: [{ type: "Lowercase" }] },
  "normalizer Strip": { strip_left: true, strip_right: true },
  "normalizer Prepend": { prepend: "▁" },
  "normalizer Replace": { pattern: { String: " " }, content: "▁" },
  "normalizer BertNormalizer": {
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: true,
    lowercase: true,
  },
  "pre_tokenizer Sequence": {
    pretokenizers: [
      { type: "Digits", individual_digits: true },
      { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
    ],
  },
  "pre_tokenizer ByteLevel": { ...byteLevel },
  "pre_tokenizer Split": { pattern: { String: "a" }, behavior: "MergedWithPrevious", invert: false },
  "pre_tokenizer Digits": { individual_digits: false },
  "pre_tokenizer Punctuation": { behavior: "Isolated" },
  "pre_tokenizer Metaspace": { replacement: "▁", split: true },
  "pre_tokenizer CharDelimiterSplit": { delimiter: " " },
  "post_processor Sequence": { processors: [{ type: "BertProcessing", sep: ["b", 1], cls: ["a", 0] }] },
  "post_processor TemplateProcessing": {
    single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    pair: [],
  },
  "post_processor RobertaProcessing": { cls: ["a", 0], sep: ["b", 1] },
  "post_processor BertProcessing": { cls: ["a", 0], sep: ["b", 1] },
  "decoder Sequence": { decoders: [{ type: "Replace", pattern: { String: "▁" }, content: " " }] },
  "decoder Replace": { pattern: { String: "▁" }, content: " " },
  "decoder Strip": { content: " ", start: 1, stop: 0 },
  "decoder Metaspace": { replacement: "▁" },
  "decoder WordPiece": { prefix: "##" },
};
const modelOf = (section: string, type: string): string =>
  section === "decoder" && type === "WordPiece" ? "wordpiece" : type === "ByteLevel" ? "byte" : "char";

describe("keys of the file", () => {
  it.each(keysOf(fileKeys))("%s", (key, known) =>
    feed(
      known,
      file("char"),
      file("char", { [key]: another(known) }),
      strange.map((value) => file("char", { [key]: value })),
    ),
  );
});

describe("keys of an added token", () => {
  const lower = { normalizer: { type: "Lowercase" } };
  it.each(keysOf(addedTokenKeys))("%s", (key, known) => {
    const id = size(models.char!);
    const with_ = (more: Json): Json => file("char", { ...lower, added_tokens: [token("<s>", id, more)] });
    feed(known, with_({}), with_({ [key]: another(known) }), []);
  });
});

describe.each(Object.entries(modelKeys))("keys of the model %s", (type, table) => {
  const name = { BPE: "char", WordPiece: "wordpiece", WordLevel: "wordlevel", Unigram: "unigram2" }[type]!;
  const { vocab } = models[name]!;
  const bpe = {
    byte_fallback: false,
    fuse_unk: false,
    vocab: { ...(vocab as Json), zzz: size(models.char!) },
  };
  const base: Json = {
    ...models[name]!,
    ...(type === "BPE" ? bpe : type === "Unigram" ? { byte_fallback: false } : {}),
  };
  it.each(keysOf(table))("%s", (key, known) => {
    const with_ = (model: Json): Json =>
      file("char", { added_tokens: [], pre_tokenizer: { type: "WhitespaceSplit" }, model });
    feed(known, with_(base), with_({ ...base, [key]: another(known) }), []);
  });
});

describe.each(
  Object.entries(componentKeys).flatMap(([section, types]) =>
    Object.entries(types).map(([type, table]) => [section, type, table] as const),
  ),
)("keys of the %s %s", (section, type, table) => {
  const component = { type, ...usual[`${section} ${type}`] };
  const model = modelOf(section, type);
  it.each(keysOf(table))("%s", (key, known) => {
    const with_ = (change: Json): Json => file(model, { [section]: { ...component, ...change } });
    feed(
      known,
      with_({}),
      with_({ [key]: another(known) }),
      strange.map((value) => with_({ [key]: value })),
    );
  });

  it("another key is refused by name", () => {
    expect(answers(file(model, { [section]: { ...component, brand_new: 1 } }))).toBe(
      `refused: ${section} ${type} with the key "brand_new"`,
    );
  });
});

it("another key of the file is named, no more; of a model or an added token it is refused", () => {
  const reading = readTokenizerJson({
    json: new TextEncoder().encode(JSON.stringify(file("char", { brand_new: 1 }))),
    from: "tokenizer.json",
  });
  expect("tokenizer" in reading && reading.tokenizer.note).toBe(
    "tokenizer.json has a key that is not known here, and is ignored: brand_new",
  );
  expect(answers(file("char", { brand_new: 1 }))).toBe(answers(file("char")));
  expect(answers(file("char", { model: { ...models.char!, brand_new: 1 } }))).toBe(
    'refused: model BPE with the key "brand_new"',
  );
  expect(answers(file("char", { added_tokens: [token("<s>", size(models.char!), { brand_new: 1 })] }))).toBe(
    'refused: added_tokens with the key "brand_new"',
  );
});

it.each(["normalizer", "pre_tokenizer", "post_processor", "decoder"])(
  "a %s of another type is refused by name",
  (section) => {
    expect(answers(file("char", { [section]: { type: "BrandNew" } }))).toMatch(
      new RegExp(`^refused: ${section} "BrandNew"`),
    );
  },
);

/**
 * The keys of tokenizer.json (huggingface/tokenizers, the serialization of each component). An unknown key at
 * the top level gives a line for the user; an unknown key of a component is refused, since it may change ids.
 */
import { shown, type JsonNode } from "../base/json-fields.ts";
import { isObject } from "../../base/schema.ts";
import { Unsupported } from "./json-steps.ts";
import { none, read, refused, refuseKeys, unknownKeys, type KeyTable } from "../../base/known-keys.ts";

const type = { type: read("which component it is", "NoSuchType") };
const offsets = none("for offsets, which nobody asks for here");
const NO_DROPOUT = "it draws other tokens each time";

export const fileKeys = {
  version: none("of the file's form, 1.0"),
  truncation: none("a setting of the program that wrote the file; texts are cut where they are used"),
  padding: none("a setting of the program that wrote the file; texts are filled up where they are used"),
  added_tokens: read("tokens that are found before all others", [{ id: 0, content: "a" }]),
  normalizer: read("what happens to a text first", { type: "Lowercase" }),
  pre_tokenizer: read("where a text is cut", { type: "Digits", individual_digits: true }),
  post_processor: read("the token before a text", { type: "BertProcessing", sep: ["b", 1], cls: ["a", 0] }),
  decoder: read("what tokens stand for in a text", { type: "CTC" }),
  model: read("vocabulary and merges", { type: "WordLevel", vocab: { a: 0 }, unk_token: "a" }),
} as const satisfies KeyTable;

export const addedTokenKeys = {
  id: read("its id", 4),
  content: read("its name", "ab"),
  single_word: read("not within a word", true),
  lstrip: read("takes the white space before it", true),
  rstrip: read("takes the white space behind it", true),
  normalized: read("found in the normalized text", true),
  special: read("plain text never becomes it", false),
} as const satisfies KeyTable;

export const modelKeys = {
  BPE: {
    ...type,
    dropout: refused(NO_DROPOUT, [0], 0.1, "Set it to null: texts are encoded without it."),
    unk_token: read("what an unknown character becomes", "b"),
    continuing_subword_prefix: refused("pieces that go on in a word have a sign before them", [""], "##"),
    end_of_word_suffix: refused("pieces at the end of a word have a sign behind them", [""], "</w>"),
    fuse_unk: read("unknown characters in a row are one token", true),
    byte_fallback: read("unknown characters become bytes", true),
    ignore_merges: read("a piece that is a token stays whole", true),
    vocab: read("names and ids", { a: 1 }),
    merges: read("in order of rank", ["b a"]),
  },
  WordPiece: {
    ...type,
    unk_token: read("what an unknown word becomes", "b"),
    continuing_subword_prefix: read("before pieces that go on", "@@"),
    max_input_chars_per_word: read("longer words are unknown", 1),
    vocab: read("names and ids", { a: 1 }),
  },
  WordLevel: {
    ...type,
    unk_token: read("what an unknown word becomes", "b"),
    vocab: read("names and ids", { a: 1 }),
  },
  Unigram: {
    ...type,
    unk_id: read("what an unknown character becomes", 1),
    byte_fallback: read("unknown characters become bytes", true),
    vocab: read("pieces and scores", [["a", 1]]),
  },
} as const satisfies Readonly<Record<string, KeyTable>>;

const sequence = (of: string): KeyTable => ({ ...type, [of]: read("components in order", []) });
const byteLevelOffsets = { ...type, add_prefix_space: offsets, trim_offsets: offsets, use_regex: offsets };

/** The keys by section, then by the component's type. Other types are refused where they are read. */
export const componentKeys: Readonly<
  Record<"normalizer" | "pre_tokenizer" | "post_processor" | "decoder", Readonly<Record<string, KeyTable>>>
> = {
  normalizer: {
    Sequence: sequence("normalizers"),
    NFC: type,
    NFD: type,
    NFKC: type,
    NFKD: type,
    Lowercase: type,
    StripAccents: type,
    Strip: {
      ...type,
      strip_left: read("white space at the beginning", false),
      strip_right: read("white space at the end", false),
    },
    Prepend: { ...type, prepend: read("what is put before a text", "b") },
    Replace: { ...type, pattern: read("what is replaced", { String: "b" }), content: read("by what", "b") },
    BertNormalizer: {
      ...type,
      clean_text: read("control characters go", false),
      handle_chinese_chars: read("spaces around ideographs", false),
      strip_accents: read("accents go", false),
      lowercase: read("capitals become small", false),
    },
  },
  pre_tokenizer: {
    Sequence: sequence("pretokenizers"),
    ByteLevel: {
      ...type,
      add_prefix_space: read("a space before each text", true),
      trim_offsets: offsets,
      use_regex: read("GPT-2's expression", true),
    },
    Split: {
      ...type,
      pattern: read("where to cut", { String: "b" }),
      behavior: read("what becomes of a match", "Removed"),
      invert: read("what lies between matches is the match", true),
    },
    Digits: { ...type, individual_digits: read("each by itself", true) },
    Punctuation: { ...type, behavior: read("what becomes of a sign", "Removed") },
    Metaspace: {
      ...type,
      replacement: read("what stands for a space", "_"),
      prepend_scheme: read("where one is put before a text", "never"),
      add_prefix_space: read("the older name of prepend_scheme", false),
      split: read("words are pieces", false),
      str_rep: none("replacement again"),
    },
    Whitespace: type,
    WhitespaceSplit: type,
    BertPreTokenizer: type,
    CharDelimiterSplit: { ...type, delimiter: read("where to cut", "b") },
  },
  post_processor: {
    Sequence: sequence("processors"),
    ByteLevel: byteLevelOffsets,
    TemplateProcessing: {
      ...type,
      single: read("what stands before a text", []),
      pair: none("for two texts at once"),
      special_tokens: read("ids of its tokens", { "<s>": { id: "<s>", ids: [3], tokens: ["<s>"] } }),
    },
    RobertaProcessing: {
      ...type,
      cls: read("stands before a text", ["b", 1]),
      sep: none("stands behind a text"),
      trim_offsets: offsets,
      add_prefix_space: offsets,
    },
    BertProcessing: {
      ...type,
      cls: read("stands before a text", ["b", 1]),
      sep: none("stands behind a text"),
    },
  },
  decoder: {
    Sequence: sequence("decoders"),
    ByteLevel: { ...byteLevelOffsets },
    ByteFallback: type,
    Fuse: type,
    Replace: { ...type, pattern: read("what is replaced", { String: "b" }), content: read("by what", "b") },
    Strip: {
      ...type,
      content: read("what goes", "b"),
      start: read("at the beginning", 2),
      stop: read("at the end", 1),
    },
    Metaspace: {
      ...type,
      replacement: read("what stands for a space", "_"),
      prepend_scheme: read("whether a space at the beginning goes", "never"),
      add_prefix_space: read("the older name of prepend_scheme", false),
      split: none("for encoding"),
      str_rep: none("replacement again"),
    },
    WordPiece: {
      ...type,
      prefix: read("before pieces that go on", "@@"),
      cleanup: none("spaces before signs stay"),
    },
  },
};

/** The key that holds the components of a Sequence. */
const inner: Readonly<Record<keyof typeof componentKeys, string>> = {
  normalizer: "normalizers",
  pre_tokenizer: "pretokenizers",
  post_processor: "processors",
  decoder: "decoders",
};
const MOST_DEPTH = 8;

/**
 * Returns the unknown keys of the top level. Throws Unsupported for an unknown key of a component, and
 * SinterError for a value that cannot be done.
 */
export function checkKeys({ value: root, path }: JsonNode): readonly string[] {
  if (!isObject(root)) return [];
  for (const token of Array.isArray(root.added_tokens) ? (root.added_tokens as readonly unknown[]) : [])
    checkObject(addedTokenKeys, token, "added_tokens");
  const model = root.model;
  const modelType = isObject(model) && typeof model.type === "string" ? model.type : "BPE";
  if (isObject(model) && Object.hasOwn(modelKeys, modelType)) {
    const table = modelKeys[modelType as keyof typeof modelKeys];
    checkObject(table, model, `model ${modelType}`);
    refuseKeys(table, Object.entries(model), `${path}: model`);
  }
  for (const section of Object.keys(inner) as (keyof typeof inner)[])
    checkComponent(section, root[section], 0);
  return unknownKeys(fileKeys, Object.keys(root));
}

function checkComponent(section: keyof typeof inner, value: unknown, depth: number): void {
  if (!isObject(value) || typeof value.type !== "string" || depth > MOST_DEPTH) return;
  const tables = componentKeys[section];
  const table = Object.hasOwn(tables, value.type) ? tables[value.type] : undefined;
  if (table) checkObject(table, value, `${section} ${value.type}`);
  const steps = value[inner[section]];
  if (Array.isArray(steps))
    for (const step of steps as readonly unknown[]) checkComponent(section, step, depth + 1);
}

function checkObject(table: KeyTable, value: unknown, where: string): void {
  const [stranger] = isObject(value) ? unknownKeys(table, Object.keys(value)) : [];
  if (stranger !== undefined) throw new Unsupported(`${where} with the key ${shown(stranger)}`);
}

/** A run's tokenizer in other formats: GGUF metadata, and the files of a Hugging Face folder. */
import { byteCharacters } from "../tokenizers/byte-level.ts";
import { chatFormats, formatByMarks } from "../tokenizers/chat-formats.ts";
import { pieceRules } from "../tokenizers/pieces.ts";
import { SENTENCEPIECE_FILE } from "../tokenizers/sentencepiece-file.ts";
import { CONFIG_FILE, JSON_FILE, templateIn } from "../tokenizers/tokenizer-json.ts";
import { endsMessage, endsTurn } from "../tokenizers/special-roles.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { endStandIn, escapeBytes, standIn } from "./gguf-tokenizer.ts";
import { bool, list, text, u32, type PairToWrite } from "./gguf-write.ts";
import { pieceKinds, sentencePieceModel } from "./sentencepiece-write.ts";
import { vocabularyOf, type BpeVocabulary } from "./vocabulary.ts";

const key = (rest: string): string => `tokenizer.ggml.${rest}`;

/** Rows of the token embedding that no token stands for. */
const fill = <T>(count: number, one: (i: number) => T): T[] => Array.from({ length: Math.max(0, count) }, (_, i) => one(i));

export interface TokenizerOut<T> {
  readonly out: T;
  /** What could not be said. */
  readonly note?: string;
}

/** Metadata pairs. `vocab`: the model's, which may be larger. */
export function tokenizerPairs(tokenizer: Tokenizer, vocab: number): TokenizerOut<readonly PairToWrite[]> {
  const vocabulary = vocabularyOf(tokenizer), spare = vocab - tokenizer.size;
  const unused = fill(spare, (i) => `[UNUSED_${i}]`), unusedKinds = fill(spare, () => pieceKinds.unused);
  const roles = [
    ...(tokenizer.beginOfText === undefined ? [] : [u32(key("bos_token_id"), tokenizer.beginOfText)]),
    ...(tokenizer.endOfText === undefined ? [] : [u32(key("eos_token_id"), tokenizer.endOfText)]),
    ...roleOf(tokenizer, "eot_token_id", endsTurn), ...roleOf(tokenizer, "eom_token_id", endsMessage),
    bool(key("add_bos_token"), tokenizer.beginOfText !== undefined), bool(key("add_eos_token"), false),
  ];
  switch (vocabulary.kind) {
    case "bpe": {
      const special = new Set(tokenizer.special.values());
      const kinds = vocabulary.names.map((_, id) =>
        special.has(id) ? pieceKinds.control : tokenizer.absent?.has(id) ? pieceKinds.unused : pieceKinds.normal);
      const begin = tokenizer.beginOfText === undefined && tokenizer.endOfText !== undefined ? [u32(key("bos_token_id"), tokenizer.endOfText)] : [];
      return { out: [
        text(key("model"), "gpt2"), text(key("pre"), vocabulary.rule === "gpt2" ? "gpt-2" : "llama-bpe"), list(key("tokens"), "string", [...vocabulary.names, ...unused]),
        list(key("token_type"), "i32", [...kinds, ...unusedKinds]), list(key("merges"), "string", vocabulary.merges), ...begin, ...roles, ...template(tokenizer),
      ] };
    }
    case "pieces": {
      const { pieces, addsSpace } = vocabulary, unknown = pieces.findIndex(({ kind }) => kind === "unknown");
      return { out: [
        text(key("model"), "llama"), text(key("pre"), "default"), list(key("tokens"), "string", [...pieces.map((p) => p.text), ...unused]),
        list(key("scores"), "f32", [...pieces.map((p) => p.score), ...fill(spare, () => 0)]), list(key("token_type"), "i32", [...pieces.map((p) => pieceKinds[p.kind]), ...unusedKinds]),
        ...(unknown < 0 ? [] : [u32(key("unknown_token_id"), unknown)]), bool(key("add_space_prefix"), addsSpace), ...roles, ...template(tokenizer),
      ] };
    }
    case "singles": {
      const { endOfText: end } = tokenizer;
      const ordinary = fill(tokenizer.size, (id) => id).filter((id) => id !== end);
      const plain = tokenizer.name === "bytes" || (tokenizer.name === "characters" && ordinary.every((id) => tokenizer.bytes(id).length === 1));
      const written = (id: number): Uint8Array => (!plain ? standIn(id) : id === end ? endStandIn(tokenizer) : tokenizer.bytes(id));
      const tokens = fill(tokenizer.size, (id) => escapeBytes(written(id)));
      const kinds = tokens.map((_, id) => (id === end ? pieceKinds.control : pieceKinds.normal));
      const note = plain ? {} : { note: `no text belongs to the file's tokens: it has no way to say ${tokenizer.name === "ids" ? "that there is none" : "which characters, beyond ASCII, are tokens"}` };
      return { ...note, out: [
        text(key("model"), "rwkv"), list(key("tokens"), "string", [...tokens, ...unused]), list(key("token_type"), "i32", [...kinds, ...unusedKinds]),
        ...(end === undefined ? [] : roles),
      ] };
    }
    case "none": return { out: [text(key("model"), "no_vocab")], note: `the file gets no tokenizer: ${vocabulary.why}` };
  }
}

/** The first of these names that the vocabulary has. */
function roleOf(tokenizer: Tokenizer, role: string, names: readonly string[]): PairToWrite[] {
  const id = names.map((name) => tokenizer.special.get(name)).find((found) => found !== undefined);
  return id === undefined ? [] : [u32(key(role), id)];
}

/** The template that came with the tokenizer, or the one of the built-in format whose marks it has. */
function templateOf(tokenizer: Tokenizer): string | undefined {
  const config = tokenizer.files.get(CONFIG_FILE), found = config && templateIn(config), named = formatByMarks(tokenizer);
  return found ?? (named && chatFormats[named].template);
}

function template(tokenizer: Tokenizer): PairToWrite[] {
  const found = templateOf(tokenizer);
  return found === undefined ? [] : [text("tokenizer.chat_template", found)];
}

/** File name → contents. */
export function tokenizerFolderFiles(tokenizer: Tokenizer): TokenizerOut<ReadonlyMap<string, Uint8Array>> {
  const encode = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
  const own = [...tokenizer.files];
  if (tokenizer.name === "json") return { out: new Map(own) };
  if (tokenizer.name === "bytes") {
    const json = bpeJson({ kind: "bpe", rule: "gpt2", names: byteCharacters, merges: [] }, tokenizer, false);
    const ends = tokenizer.endOfText === undefined ? {} : names(tokenizer);
    return { out: new Map([[JSON_FILE, encode(json)], [CONFIG_FILE, encode({ tokenizer_class: "PreTrainedTokenizerFast", ...ends })]]) };
  }
  const vocabulary = vocabularyOf(tokenizer);
  switch (vocabulary.kind) {
    case "bpe": return { out: new Map([[JSON_FILE, encode(bpeJson(vocabulary, tokenizer, true))], [CONFIG_FILE, encode({ tokenizer_class: "PreTrainedTokenizerFast", ...names(tokenizer) })]]) };
    case "pieces": {
      const { beginOfText, endOfText } = tokenizer;
      return { out: new Map([
        [SENTENCEPIECE_FILE, tokenizer.files.get(SENTENCEPIECE_FILE) ?? sentencePieceModel({ pieces: vocabulary.pieces, addsSpace: vocabulary.addsSpace, beginOfText, endOfText })],
        [CONFIG_FILE, encode({ tokenizer_class: "LlamaTokenizer", legacy: true, unk_token: "<unk>", ...names(tokenizer) })],
      ]) };
    }
    case "singles": case "none": return { out: new Map(own), note: `Hugging Face has no tokenizer like \`${tokenizer.name}\`; its files are copied as they are` };
  }
}

function names(tokenizer: Tokenizer): Readonly<Record<string, unknown>> {
  const name = (id: number | undefined): string | null => [...tokenizer.special].find(([, other]) => other === id)?.[0] ?? null;
  const chat = templateOf(tokenizer);
  return { ...(chat === undefined ? {} : { chat_template: chat }), add_bos_token: tokenizer.beginOfText !== undefined, add_eos_token: false, bos_token: name(tokenizer.beginOfText ?? tokenizer.endOfText), eos_token: name(tokenizer.endOfText) };
}

/** `pieces`: cut by the pre-tokenizer before merging. */
function bpeJson({ rule, names, merges }: BpeVocabulary, { special, beginOfText }: Tokenizer, pieces: boolean): unknown {
  const byteLevel = (use_regex: boolean) => ({ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex });
  const split = { type: "Split", pattern: { Regex: pieceRules[rule].published[0] }, behavior: "Isolated", invert: false };
  const added = [...special].map(([content, id]) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }));
  const begin = [...special].find(([, id]) => id === beginOfText);
  const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } }), first = begin && { SpecialToken: { id: begin[0], type_id: 0 } };
  return {
    version: "1.0", truncation: null, padding: null, added_tokens: added, normalizer: null,
    pre_tokenizer: rule === "gpt2" ? byteLevel(pieces) : { type: "Sequence", pretokenizers: [split, byteLevel(false)] },
    post_processor: first && begin ? {
      type: "TemplateProcessing", single: [first, sequence("A")], pair: [first, sequence("A"), first, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { [begin[0]]: { id: begin[0], ids: [begin[1]], tokens: [begin[0]] } },
    } : byteLevel(true),
    decoder: byteLevel(true),
    model: { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: rule === "llama3",
      vocab: Object.fromEntries(names.map((name, id) => [name, id])), merges },
  };
}

/**
 * The tokenizer in GGUF metadata (github.com/ggml-org/ggml, docs/gguf.md, "Tokenizer") → one of Sinter's, with files that a run keeps.
 *
 *   gpt2    byte-level BPE: tokens by their names, merges, and in `pre` which pre-tokenizer    → tokenizer.json
 *   llama   sentencepiece BPE: tokens with scores and kinds                                     → tokenizer.model
 *   rwkv    tokens as byte strings, the longest that fits: here single bytes, characters or ids → bytes, characters, ids
 */
import { SinterError } from "../errors.ts";
import { byteTokenizer } from "../tokenizers/bytes.ts";
import { CHARACTERS_FILE, characterTokenizer, parseCharacters } from "../tokenizers/characters.ts";
import { idTokenizer } from "../tokenizers/ids.ts";
import { pieceRules } from "../tokenizers/pieces.ts";
import type { PieceKind } from "../tokenizers/sentencepiece.ts";
import { sentencePieceFile } from "../tokenizers/sentencepiece-file.ts";
import { JSON_FILE, readTokenizerJson } from "../tokenizers/tokenizer-json.ts";
import { END_OF_TEXT, type Tokenizer } from "../tokenizers/tokenizer.ts";
import type { GgufFile } from "./gguf.ts";
import { pieceKinds, sentencePieceModel } from "./sentencepiece-write.ts";
import { corruptFile } from "./weights.ts";

const kindByNumber = new Map(Object.entries(pieceKinds).map(([kind, number]) => [number, kind as PieceKind]));
export const CONTROL = pieceKinds.control, USER = pieceKinds.user;

/** `pre` of GGUF → pre-tokenizer. "default" is what files of GPT-2 had before `pre` was. */
const preTokenizers: Readonly<Record<string, "gpt2" | "llama3">> = { "gpt-2": "gpt2", gpt2: "gpt2", default: "gpt2", "llama-bpe": "llama3", llama3: "llama3", "llama-v3": "llama3" };

export type GgufTokenizer = { readonly tokenizer: Tokenizer } | { readonly none: string };

/** `none`: the file has no tokenizer, or one that is not read here; says which. */
export async function tokenizerOfGguf(file: GgufFile): Promise<GgufTokenizer> {
  const model = file.metadata.get("tokenizer.ggml.model");
  switch (model) {
    case undefined: case "none": case "no_vocab": return { none: "the file has none" };
    case "gpt2": return byteLevel(file);
    case "llama": return sentencePiece(file);
    case "rwkv": return singles(file);
    default: return { none: `its kind, ${JSON.stringify(model)}, is not read here` };
  }
}

async function texts(file: GgufFile, key: string): Promise<readonly string[]> {
  const found = await file.array(`tokenizer.ggml.${key}`, MAX_TOKENS);
  if (!found || found.some((text) => typeof text !== "string")) throw corruptFile(file.path, `tokenizer.ggml.${key} is no list of texts`);
  return found as readonly string[];
}

async function numbers(file: GgufFile, key: string, count: number): Promise<readonly number[] | undefined> {
  const found = await file.array(`tokenizer.ggml.${key}`, MAX_TOKENS);
  if (!found) return undefined;
  if (found.length !== count || found.some((x) => typeof x !== "number")) throw corruptFile(file.path, `tokenizer.ggml.${key} is no list of ${count} numbers`);
  return found as readonly number[];
}

const MAX_TOKENS = 1 << 20;

function id(file: GgufFile, role: string, count: number): number | undefined {
  const value = file.metadata.get(`tokenizer.ggml.${role}_token_id`);
  return typeof value === "number" && value < count ? value : undefined;
}

async function byteLevel(file: GgufFile): Promise<GgufTokenizer> {
  const pre = file.metadata.get("tokenizer.ggml.pre") ?? "default", rule = typeof pre === "string" && Object.hasOwn(preTokenizers, pre) ? preTokenizers[pre]! : undefined;
  if (!rule) return { none: `its pre-tokenizer, ${JSON.stringify(pre)}, is not read here` };
  const tokens = await texts(file, "tokens"), kinds = await numbers(file, "token_type", tokens.length), merges = await texts(file, "merges");
  const begin = id(file, "bos", tokens.length), end = id(file, "eos", tokens.length);
  const special = new Set(tokens.flatMap((_, i) => (kinds?.[i] === CONTROL || (!kinds && (i === begin || i === end)) ? [i] : [])));
  const added = tokens.flatMap((content, i) => (special.has(i) || kinds?.[i] === USER ? [{ id: i, content, special: special.has(i) }] : []));
  const split = { type: "Split", pattern: { Regex: pieceRules.llama3.published[0] }, behavior: "Isolated", invert: false };
  const byteLevelStep = (use_regex: boolean) => ({ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex });
  const json = {
    version: "1.0", added_tokens: added.map((t) => ({ ...t, single_word: false, lstrip: false, rstrip: false, normalized: false })), normalizer: null,
    pre_tokenizer: rule === "gpt2" ? byteLevelStep(true) : { type: "Sequence", pretokenizers: [split, byteLevelStep(false)] }, post_processor: null, decoder: byteLevelStep(true),
    model: { type: "BPE", ...(rule === "llama3" ? { ignore_merges: true } : {}), vocab: Object.fromEntries(tokens.map((text, i) => [text, i])), merges },
  };
  const template = file.metadata.get("tokenizer.chat_template");
  const config = {
    add_bos_token: file.metadata.get("tokenizer.ggml.add_bos_token") ?? rule === "llama3", bos_token: begin === undefined ? null : tokens[begin], eos_token: end === undefined ? null : tokens[end],
    ...(typeof template === "string" ? { chat_template: template } : {}),
  };
  const encode = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  const reading = readTokenizerJson({ json: encode(json), config: encode(config), from: `${file.path}, its tokenizer as ${JSON_FILE}` });
  return "tokenizer" in reading ? reading : { none: reading.unsupported };
}

async function sentencePiece(file: GgufFile): Promise<GgufTokenizer> {
  const tokens = await texts(file, "tokens"), scores = await numbers(file, "scores", tokens.length), kinds = await numbers(file, "token_type", tokens.length);
  if (!scores || !kinds) throw corruptFile(file.path, "a sentencepiece tokenizer without scores or token_type");
  const pieces = tokens.map((text, i) => ({ text, score: scores[i]!, kind: kindByNumber.get(kinds[i]!) ?? "normal" }));
  const model = sentencePieceModel({
    pieces, addsSpace: file.metadata.get("tokenizer.ggml.add_space_prefix") !== false,
    beginOfText: file.metadata.get("tokenizer.ggml.add_bos_token") === false ? undefined : id(file, "bos", tokens.length) ?? 1, endOfText: id(file, "eos", tokens.length) ?? 2,
  });
  return { tokenizer: sentencePieceFile(model, "sentencepiece", `${file.path}, its tokenizer as tokenizer.model`) };
}

// ---- rwkv: what bytes and characters are written as

const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r" };

/** A token's bytes as llama.cpp's "rwkv" vocabularies write them: printable ASCII, \t \n \r \\ and \xHH. */
export function escapeBytes(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes)
    out += byte === 9 ? "\\t" : byte === 10 ? "\\n" : byte === 13 ? "\\r" : byte === 92 ? "\\\\" : byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  return out;
}

function unescapeBytes(text: string): Uint8Array {
  const bytes = [...text.matchAll(/\\x([0-9a-fA-F]{2})|\\(.)|([^\\])/gsu)].flatMap(([, hex, escaped, plain]) =>
    hex !== undefined ? [Number.parseInt(hex, 16)] : [...new TextEncoder().encode(escaped !== undefined ? ESCAPES[escaped] ?? escaped : plain)]);
  return Uint8Array.from(bytes);
}

async function singles(file: GgufFile): Promise<GgufTokenizer> {
  const all = (await texts(file, "tokens")).map(unescapeBytes);
  const kinds = await numbers(file, "token_type", all.length);
  const last = all.length - 1;
  const ends = kinds?.[last] === CONTROL && id(file, "eos", all.length) === last; // of models whose rows are documents
  const tokens = ends ? all.slice(0, last) : all;
  if (tokens.length === 256 && tokens.every((bytes, i) => bytes.length === 1 && bytes[0] === i)) return { tokenizer: byteTokenizer({ ends }) };
  if (tokens.every((bytes, id) => escapeBytes(bytes) === escapeBytes(standIn(id)))) return { tokenizer: idTokenizer(tokens.length) };
  const list = tokens.map((bytes) => new TextDecoder().decode(bytes));
  try {
    return { tokenizer: characterTokenizer(parseCharacters(JSON.stringify(ends ? [...list, END_OF_TEXT] : list), CHARACTERS_FILE)) };
  } catch (cause) {
    if (cause instanceof SinterError) return { none: "its kind, rwkv, is not read here" };
    throw cause;
  }
}

/** What stands for the token that ends documents: bytes that are no token yet, and whose beginning is one, or nothing. */
export const endStandIn = ({ name, encode }: Tokenizer): Uint8Array => Uint8Array.from(name === "bytes" || hasNul(encode) ? [0, 0] : [0]);

function hasNul(encode: Tokenizer["encode"]): boolean {
  try {
    return encode("\u0000").length > 0;
  } catch {
    return false;
  }
}

/**
 * What stands for an id where no text belongs to it: one byte, then two, then three. llama.cpp's search for the longest token that fits
 * does not end when a token's beginning is no token itself; here every beginning is one.
 */
export function standIn(id: number): Uint8Array {
  if (id < 256) return Uint8Array.of(id);
  const pair = id - 256;
  if (pair < 65_536) return Uint8Array.of(pair >> 8, pair & 255);
  const triple = pair - 65_536;
  return Uint8Array.of(triple >> 16, (triple >> 8) & 255, triple & 255);
}

/**
 * Reads the tokenizer in GGUF metadata (github.com/ggml-org/ggml, docs/gguf.md, "Tokenizer") and makes one of
 * Sinter's of it, with files that a run can keep:
 *
 *   kind   in the file                                         here
 *   gpt2   byte-level BPE: names of tokens, merges,            tokenizer.json
 *          and in `pre` the name of the pre-tokenizer
 *   llama  sentencepiece BPE: tokens with scores and kinds     tokenizer.model
 *   rwkv   tokens as byte strings, the longest that fits;      bytes, characters or ids
 *          read when they are single bytes, characters or ids
 */
import { SinterError } from "../../base/errors.ts";
import { configBytes, openBeside, type Beside } from "../../tokenizers/beside/beside.ts";
import {
  GENERATION_FILE,
  templateNameOf,
  TEMPLATES_FOLDER,
  type Listener,
} from "../../tokenizers/beside/beside-files.ts";
import { formatByMarks } from "../../tokenizers/chat/chat-formats.ts";
import { isSpecialName } from "../../tokenizers/base/plain-specials.ts";
import { byteTokenizer } from "../../tokenizers/plain/bytes.ts";
import { plainAddedToken } from "../../tokenizers/bpe/write-tokenizer-json.ts";
import { CHARACTERS_FILE, characterTokenizer, parseCharacters } from "../../tokenizers/plain/characters.ts";
import { idTokenizer } from "../../tokenizers/plain/ids.ts";
import type { PieceKind } from "../../tokenizers/published/sentencepiece.ts";
import { sentencePieceFile } from "../../tokenizers/published/sentencepiece-file.ts";
import { CONFIG_FILE, JSON_FILE, readTokenizerJson } from "../../tokenizers/json/read-tokenizer-json.ts";
import { END_OF_TEXT, type Tokenizer } from "../../tokenizers/base/tokenizer.ts";
import { withBeside } from "../../tokenizers/beside/with-beside.ts";
import type { GgufFile } from "./gguf.ts";
import { byteLevelDecoder, ggufPreNamed, preTokenizerJson } from "./gguf-pre.ts";
import { ggufTokenizerKeys } from "../keys/gguf-tokenizer.ts";
import { ignoredKeysNote, refuseKeys, unknownKeys } from "../../base/known-keys.ts";
import { pieceKinds, sentencePieceModel } from "../../tokenizers/published/sentencepiece-write.ts";
import { corruptFile } from "../kit/weights.ts";

const kindByNumber = new Map(Object.entries(pieceKinds).map(([kind, number]) => [number, kind as PieceKind]));
export const CONTROL = pieceKinds.control;
export const USER = pieceKinds.user;

export type GgufTokenizer = { readonly tokenizer: Tokenizer } | { readonly none: string };

/**
 * The tokenizer, or in `none` why there is none: the file has none, or one that is not read. `listener` gets
 * everything else that the user should know, a line each. Throws `corrupt` where the tables contradict
 * themselves.
 */
export async function tokenizerOfGguf(file: GgufFile, listener?: Listener): Promise<GgufTokenizer> {
  const model = file.metadata.get("tokenizer.ggml.model");
  const refused = refusal(file);
  if (refused !== undefined) return { none: refused };
  const note = ignoredKeysNote(
    "its metadata",
    unknownKeys(
      ggufTokenizerKeys,
      keysOf(file).map(([key]) => key),
    ),
  );
  if (note !== undefined) listener?.(note);
  switch (model) {
    case undefined:
    case "none":
    case "no_vocab":
      return { none: "the file has none" };
    case "gpt2":
      return byteLevel(file, listener);
    case "llama":
      return sentencePiece(file, listener);
    case "rwkv":
      return withTemplate(await singles(file), file, listener);
    default:
      return { none: `its kind, ${JSON.stringify(model)}, is not read here` };
  }
}

const keysOf = (file: GgufFile): [string, unknown][] =>
  [...file.metadata].filter(([key]) => key.startsWith("tokenizer."));

/** Why the tokenizer is not read: a key that would give other ids. */
function refusal(file: GgufFile): string | undefined {
  try {
    refuseKeys(ggufTokenizerKeys, keysOf(file), file.path);
    return undefined;
  } catch (cause) {
    if (cause instanceof SinterError) return cause.message;
    throw cause;
  }
}

async function texts(file: GgufFile, key: string): Promise<readonly string[]> {
  const found = await file.array(`tokenizer.ggml.${key}`, MAX_TOKENS);
  if (!found || found.some((text) => typeof text !== "string"))
    throw corruptFile(file.path, `tokenizer.ggml.${key} is no list of texts`);
  return found as readonly string[];
}

async function numbers(file: GgufFile, key: string, count: number): Promise<readonly number[] | undefined> {
  const found = await file.array(`tokenizer.ggml.${key}`, MAX_TOKENS);
  if (!found) return undefined;
  if (found.length !== count || found.some((x) => typeof x !== "number"))
    throw corruptFile(file.path, `tokenizer.ggml.${key} is no list of ${count} numbers`);
  return found as readonly number[];
}

const MAX_TOKENS = 1 << 20;
const GGML = "tokenizer.ggml.";
const TEMPLATE = "tokenizer.chat_template";

function id(file: GgufFile, role: string, count: number): number | undefined {
  const value = file.metadata.get(`tokenizer.ggml.${role}_token_id`);
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < count
    ? value
    : undefined;
}

async function byteLevel(file: GgufFile, listener: Listener | undefined): Promise<GgufTokenizer> {
  const name = file.metadata.get("tokenizer.ggml.pre") ?? "default";
  const pre = ggufPreNamed(name);
  if (!pre) return { none: `its pre-tokenizer, ${JSON.stringify(name)}, is not read here` };
  if (name === "default" && file.metadata.get("general.architecture") !== "gpt2")
    listener?.(
      "its metadata does not name its pre-tokenizer: GPT-2's is taken (--tokenizer PATH names another)",
    );
  const tokens = await texts(file, "tokens");
  const kinds = await numbers(file, "token_type", tokens.length);
  const merges = await texts(file, "merges");
  const begin = id(file, "bos", tokens.length);
  const end = id(file, "eos", tokens.length);
  const special = new Set(
    tokens.flatMap((_, i) => (kinds?.[i] === CONTROL || (!kinds && (i === begin || i === end)) ? [i] : [])),
  );
  const added = tokens.flatMap((content, i) =>
    special.has(i) || kinds?.[i] === USER ? [{ id: i, content, special: special.has(i) }] : [],
  );
  const json = {
    version: "1.0",
    added_tokens: added.map((token) => ({ ...token, ...plainAddedToken })),
    normalizer: null,
    pre_tokenizer: preTokenizerJson(pre),
    post_processor: null,
    decoder: byteLevelDecoder,
    model: {
      type: "BPE",
      ...(pre.wholePieces ? { ignore_merges: true } : {}),
      vocab: Object.fromEntries(tokens.map((text, i) => [text, i])),
      merges,
    },
  };
  const beside = filesBeside(
    file,
    tokens,
    {
      tokenizer_class: "PreTrainedTokenizerFast",
      add_bos_token: file.metadata.get(`${GGML}add_bos_token`) ?? pre.addsBegin ?? false,
    },
    listener,
  );
  const reading = readTokenizerJson({
    json: encode(json),
    config: configBytes(beside),
    from: `${file.path}, its tokenizer as ${JSON_FILE}`,
  });
  if ("tokenizer" in reading) return { tokenizer: withBeside(reading.tokenizer, beside) };
  return { none: `its pre-tokenizer, ${JSON.stringify(name)}, is not read here (${reading.unsupported})` };
}

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`);

async function sentencePiece(file: GgufFile, listener: Listener | undefined): Promise<GgufTokenizer> {
  const tokens = await texts(file, "tokens");
  const scores = await numbers(file, "scores", tokens.length);
  const kinds = await numbers(file, "token_type", tokens.length);
  if (!scores || !kinds)
    throw corruptFile(file.path, "a sentencepiece tokenizer without scores or token_type");
  const pieces = tokens.map((text, i) => ({
    text,
    score: scores[i]!,
    kind: kindByNumber.get(kinds[i]!) ?? "normal",
  }));
  const begins = file.metadata.get(`${GGML}add_bos_token`) !== false;
  const model = sentencePieceModel({
    pieces,
    addsSpace: file.metadata.get(`${GGML}add_space_prefix`) !== false,
    beginOfText: begins ? (id(file, "bos", tokens.length) ?? 1) : undefined,
    endOfText: id(file, "eos", tokens.length) ?? 2,
  });
  const tokenizer = sentencePieceFile(
    model,
    "sentencepiece",
    `${file.path}, its tokenizer as tokenizer.model`,
  );
  return {
    tokenizer: withBeside(
      tokenizer,
      filesBeside(file, tokens, { tokenizer_class: "LlamaTokenizer", add_bos_token: begins }, listener),
    ),
  };
}

/** What the metadata say beside the tables, as the files that a Hugging Face folder would have. */
function filesBeside(
  file: GgufFile,
  tokens: readonly string[],
  config: object,
  listener: Listener | undefined,
): Beside {
  const nameOf = (role: string): string | null => tokens[id(file, role, tokens.length) ?? -1] ?? null;
  const ends = ["eos", "eot", "eom"].flatMap((role) => id(file, role, tokens.length) ?? []);
  const template = file.metadata.get(TEMPLATE);
  const contents = new Map([
    [
      CONFIG_FILE,
      encode({
        ...config,
        bos_token: nameOf("bos"),
        eos_token: nameOf("eos"),
        ...(typeof template === "string" ? { chat_template: template } : {}),
      }),
    ],
    ...(ends.length > 0
      ? [
          [
            GENERATION_FILE,
            encode({
              bos_token_id: id(file, "bos", tokens.length) ?? null,
              eos_token_id: [...new Set(ends)],
            }),
          ] as const,
        ]
      : []),
    ...[...file.metadata].flatMap(([key, value]) => {
      const name = key.startsWith(`${TEMPLATE}.`)
        ? `${TEMPLATES_FOLDER}/${key.slice(TEMPLATE.length + 1)}.jinja`
        : "";
      return typeof value === "string" && templateNameOf(name) !== undefined
        ? [[name, new TextEncoder().encode(value)] as const]
        : [];
    }),
  ]);
  if (template !== undefined && typeof template !== "string")
    listener?.(`${TEMPLATE} is no text: left out (sinter chat --chat-format NAME names a format)`);
  return openBeside(contents, file.path, listener);
}

// ---- rwkv: what bytes and characters are written as

/** Characters that are written as a backslash and a letter. */
const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", "\\": "\\" };
const escapeOf = new Map(Object.entries(ESCAPES).map(([letter, character]) => [character, `\\${letter}`]));

/**
 * A token's bytes as llama.cpp's "rwkv" vocabularies write them: printable ASCII, \t, \n, \r, \\ and \xHH.
 */
export function escapeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    const isPrintable = byte >= 32 && byte < 127;
    return escapeOf.get(character) ?? (isPrintable ? character : `\\x${byte.toString(16).padStart(2, "0")}`);
  }).join("");
}

function unescapeBytes(text: string): Uint8Array {
  const bytes = [...text.matchAll(/\\x([0-9a-fA-F]{2})|\\(.)|([^\\])/gsu)].flatMap(
    ([, hex, escaped, plain]) =>
      hex !== undefined
        ? [Number.parseInt(hex, 16)]
        : [...new TextEncoder().encode(escaped !== undefined ? (ESCAPES[escaped] ?? escaped) : plain)],
  );
  return Uint8Array.from(bytes);
}

async function singles(file: GgufFile): Promise<GgufTokenizer> {
  const all = (await texts(file, "tokens")).map(unescapeBytes);
  const kinds = await numbers(file, "token_type", all.length);
  const unused = kinds?.indexOf(pieceKinds.unused) ?? -1; // rows of the model that have no token
  const count = unused < 0 ? all.length : unused;
  const last = count - 1;
  // Models that were trained on documents have such a token.
  const ends = kinds?.[last] === CONTROL && id(file, "eos", all.length) === last;
  const special = (await specialNames(file)) ?? (ends ? [END_OF_TEXT] : []);
  const tokens = all.slice(0, Math.max(0, count - special.length));
  if (tokens.length === 256 && tokens.every((bytes, i) => bytes.length === 1 && bytes[0] === i))
    return { tokenizer: byteTokenizer({ special }) };
  if (all.every((bytes, id) => escapeBytes(bytes) === escapeBytes(standIn(id))))
    return { tokenizer: endingIds(file, all.length) };
  const list = tokens.map((bytes) => new TextDecoder().decode(bytes));
  try {
    return {
      tokenizer: characterTokenizer(parseCharacters(JSON.stringify([...list, ...special]), CHARACTERS_FILE)),
    };
  } catch (cause) {
    if (cause instanceof SinterError) return { none: "its kind, rwkv, is not read here" };
    throw cause;
  }
}

/** With the file's chat template, where the tokenizer's marks name no format that is built in. */
function withTemplate(read: GgufTokenizer, file: GgufFile, listener: Listener | undefined): GgufTokenizer {
  if ("none" in read || formatByMarks(read.tokenizer) || !file.metadata.has(TEMPLATE)) return read;
  const { tokenizer } = read;
  const names = Array.from({ length: tokenizer.size }, () => "");
  for (const [name, id] of tokenizer.special) names[id] = name;
  return { tokenizer: withBeside(tokenizer, filesBeside(file, names, {}, listener)) };
}

/** The names of special tokens of bytes and characters, which are the last ones; undefined: it says none. */
async function specialNames(file: GgufFile): Promise<readonly string[] | undefined> {
  const found = await file.array(SPECIAL_TOKENS, MAX_TOKENS);
  return found?.every((name): name is string => typeof name === "string" && isSpecialName(name))
    ? found
    : undefined;
}

/** A tokenizer for ids alone, some of which end a text. */
function endingIds(file: GgufFile, count: number): Tokenizer {
  const ends = ["eos", "eot", "eom"].flatMap((role) => id(file, role, count) ?? []);
  const ids = idTokenizer(count);
  return ends.length === 0
    ? ids
    : withBeside(
        ids,
        openBeside(new Map([[GENERATION_FILE, encode({ eos_token_id: [...new Set(ends)] })]]), file.path),
      );
}

/** The key of our own under which the names of special tokens stand, where bytes may stand for them. */
export const SPECIAL_TOKENS = "tokenizer.sinter.special_tokens";

/**
 * The bytes that stand for special token i. They are no token yet; their beginning is a token, or nothing.
 */
export const specialStandIn = ({ name, encode }: Tokenizer, i: number): Uint8Array =>
  new Uint8Array((name === "bytes" || hasNul(encode) ? 2 : 1) + i);

function hasNul(encode: Tokenizer["encode"]): boolean {
  try {
    return encode("\u0000").length > 0;
  } catch {
    return false;
  }
}

/**
 * The bytes that stand for an id that has no text: one byte, then two, then three. llama.cpp's search for the
 * longest token that fits does not end when the beginning of a token is no token, and here every beginning is
 * one.
 */
export function standIn(id: number): Uint8Array {
  if (id < 256) return Uint8Array.of(id);
  const pair = id - 256;
  if (pair < 65_536) return Uint8Array.of(pair >> 8, pair & 255);
  const triple = pair - 65_536;
  return Uint8Array.of(triple >> 16, (triple >> 8) & 255, triple & 255);
}

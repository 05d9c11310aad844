/**
 * Reads tokenizer.json files (huggingface/tokenizers): byte-level BPE, BPE over characters as in
 * sentencepiece, WordPiece, WordLevel and Unigram, with the normalizers, pre-tokenizers and decoders of the
 * tables in this folder. The ids are those of that library, or the file is refused by name
 * (test/runtime/tokenizers/sweep.test.ts).
 */
import { SinterError } from "../../base/errors.ts";
import { ignoredKeysNote } from "../../base/known-keys.ts";
import { checkKeys } from "./tokenizer-json-keys.ts";
import { plainOf, segmentsAt, specialsOf, type AddedToken } from "../base/added-tokens.ts";
import { byteLevelTokenizer } from "./byte-level-bpe.ts";
import { bytesOfName } from "../base/byte-level.ts";
import { readDecoder, type Decoding } from "./decoders.ts";
import {
  field,
  flag,
  list,
  optionalText,
  parseJson,
  shown,
  text,
  integer,
  type JsonNode,
} from "../base/json-fields.ts";
import { readModel, type JsonModel } from "./json-models.ts";
import { Unsupported, typeOf, type StepOptions } from "./json-steps.ts";
import { readNormalizers, type ReadNormalizers } from "./normalizers.ts";
import { encodersOf } from "../bpe/piece-encoder.ts";
import { readPreTokenizers, schemeOf, type CharacterPieces, type PreTokenizer } from "./pre-tokenizers.ts";
import { firstSpecial } from "./post-processors.ts";
import { specialRoles } from "../base/special-roles.ts";
import { MAX_TOKENS } from "../base/tiktoken.ts";
import { absentIn, bytesFrom, type Tokenizer } from "../base/tokenizer.ts";

export const JSON_FILE = "tokenizer.json";
export const CONFIG_FILE = "tokenizer_config.json";
export const MAX_JSON_BYTES = 64 * 2 ** 20;

export interface JsonFiles {
  readonly json: Uint8Array;
  /** tokenizer_config.json, which says which tokens begin and end a text, and has the chat template. */
  readonly config?: Uint8Array | undefined;
  /** The path of `json`, for errors. */
  readonly from: string;
}

export const configPath = (from: string): string =>
  `${from.slice(0, from.lastIndexOf("/") + 1)}${CONFIG_FILE}`;

interface JsonRead {
  readonly tokenizer: Tokenizer;
  /** The added tokens of the file. */
  readonly added: readonly AddedToken[];
}
export type JsonReading = JsonRead | { readonly unsupported: string };

/** Throws a SinterError where the file contradicts itself; the error names the position in the file. */
export function readTokenizerJson(
  files: JsonFiles,
  options: StepOptions = { anyExpression: false },
): JsonReading {
  try {
    return tokenizerOf(files, options);
  } catch (cause) {
    if (cause instanceof Unsupported) return { unsupported: cause.message };
    throw cause;
  }
}

function tokenizerOf({ json, config, from }: JsonFiles, options: StepOptions): JsonRead {
  const root = parseJson(json, from, MAX_JSON_BYTES);
  const strangers = checkKeys(root);
  const added = addedIn(root);
  const model = readModel(root, added);
  const normalizers = readNormalizers(root, options);
  const elsewhere = checkAdded(added, model, normalizers);
  const configured = config && parseJson(config, configPath(from), MAX_JSON_BYTES);
  const common: Common = {
    ...specialRoles(added, firstSpecial(root, model.ids), configured),
    name: "json",
    added,
    normalize: normalizers.normalize,
    files: new Map([[JSON_FILE, json], ...(config ? [[CONFIG_FILE, config] as const] : [])]),
  };
  const pieces = readPreTokenizers(root, options);
  const notes = [ignoredKeysNote(JSON_FILE, strangers), elsewhere].filter((line) => line !== undefined);
  if (pieces.kind === "bytes" && !model.bpe)
    throw new Unsupported("a byte-level pre_tokenizer with a model other than BPE");
  const tokenizer =
    pieces.kind === "bytes" && model.bpe
      ? byteLevel(common, pieces, model, readDecoder(root, undefined))
      : overCharacters(common, pieces.run, model, readDecoder(root, markOf(pieces, normalizers)));
  if (pieces.kind === "characters") checkStart(pieces, normalizers);
  return { tokenizer: notes.length === 0 ? tokenizer : { ...tokenizer, note: notes.join("; ") }, added };
}

type Common = Pick<
  Parameters<typeof byteLevelTokenizer>[0],
  "name" | "added" | "normalize" | "beginOfText" | "endOfText" | "stops" | "files"
>;
type BytePieces = Extract<ReturnType<typeof readPreTokenizers>, { kind: "bytes" }>;

function byteLevel(common: Common, pieces: BytePieces, model: JsonModel, decoding: Decoding): Tokenizer {
  const bpe = model.bpe!;
  const utf8 = new TextEncoder();
  const added = new Map(common.added.map((token) => [token.id, token]));
  const tokens = model.names.map((name, id) =>
    name === undefined ? undefined : ((added.has(id) ? undefined : bytesOfName(name)) ?? utf8.encode(name)),
  );
  const alsoMerged = new Map(
    model.names.flatMap((name, id) => {
      const bytes =
        name === undefined || !bpe.ids.has(name) || !added.has(id) ? undefined : bytesOfName(name);
      return bytes ? [[id, bytes] as const] : [];
    }),
  );
  if (bpe.byteIds && tokens.filter((bytes) => bytes?.length === 1).length < 256)
    throw new Unsupported("model.byte_fallback in a byte-level vocabulary that lacks bytes");
  const unknown = bpe.unknownId === undefined ? undefined : { id: bpe.unknownId, fused: bpe.fused };
  if (decoding.dropsSpace) throw new Unsupported("a byte-level pre_tokenizer with another decoder");
  return byteLevelTokenizer({
    ...common,
    tokens,
    alsoMerged,
    merges: bpe.merges,
    pieces: pieces.cuts ?? [],
    cut: pieces.cuts ? undefined : pieces.run,
    addsSpace: pieces.addsSpace,
    wholePieces: bpe.wholePieces,
    unknown,
  });
}

function overCharacters(
  common: Common,
  cut: PreTokenizer | undefined,
  model: JsonModel,
  decoding: Decoding,
): Tokenizer {
  const { added, endOfText, beginOfText, files, name } = common;
  const utf8 = new TextEncoder();
  const special = new Set(added.filter((token) => token.special).map((token) => token.id));
  const segments = segmentsAt(added, common.normalize);
  const encoders = encodersOf(segments, ({ text: part, start }, out, spill) => {
    if (cut) cut(part, start, (piece) => model.encode(piece, out, spill));
    else model.encode(part, out, spill);
  });
  const bytes = model.names.map((token, id) => {
    if (token === undefined) return undefined;
    const isName = special.has(id) || id === model.unknownId;
    return isName ? utf8.encode(token) : decoding.bytes(token);
  });
  return {
    name,
    size: bytes.length,
    absent: absentIn(bytes),
    ...encoders,
    bytes: bytesFrom(bytes),
    unknown: model.unknownId,
    special: specialsOf(added),
    beginOfText,
    endOfText,
    stops: new Set([...(endOfText === undefined ? [] : [endOfText]), ...(common.stops ?? [])]),
    addsSpace: decoding.dropsSpace,
    files,
    ...plainOf(added, segments),
  };
}

/** The character that stands for a space in the names of tokens. */
function markOf(pieces: CharacterPieces | BytePieces, { space }: ReadNormalizers): string | undefined {
  const metaspace =
    pieces.kind === "bytes" ? undefined : pieces.steps.find((step) => typeOf(step) === "Metaspace");
  if (metaspace) return text(field(metaspace, "replacement"));
  return space === " " ? undefined : space;
}

/**
 * The scheme "first" depends on where in the original text a piece begins, so a normalizer must not move the
 * beginning.
 */
function checkStart({ steps }: CharacterPieces, { movesStart, types }: ReadNormalizers): void {
  if (movesStart && steps.some((step) => typeOf(step) === "Metaspace" && schemeOf(step) === "first"))
    throw new Unsupported(`prepend_scheme "first" behind the normalizer ${types.join(", ")}`);
}

/** The `added_tokens`. Their ids are not checked against the vocabulary. */
export function addedIn(root: JsonNode): readonly AddedToken[] {
  const tokens = list(field(root, "added_tokens"), MAX_TOKENS).map((token): AddedToken => {
    const special = flag(field(token, "special"), false);
    return {
      name: text(field(token, "content")),
      id: integer(field(token, "id"), MAX_TOKENS - 1),
      special,
      left: flag(field(token, "lstrip"), false),
      right: flag(field(token, "rstrip"), false),
      singleWord: flag(field(token, "single_word"), false),
      normalized: flag(field(token, "normalized"), !special),
    };
  });
  return tokens.filter((token) => token.name !== "");
}

/**
 * Checks that added tokens can be found. Returns a line where huggingface/tokenizers would give one another
 * id than the file says: the library counts up from the vocabulary's size, whatever the gaps. The file's id
 * is the one that counts, since it says where the model has the row.
 */
function checkAdded(
  added: readonly AddedToken[],
  model: JsonModel,
  { normalize }: ReadNormalizers,
): string | undefined {
  const seen = new Map<string, AddedToken>();
  const elsewhere: string[] = [];
  let highest = -1;
  for (const token of added) {
    const before = seen.get(token.name);
    const next = Math.max(highest + 1, model.own.size);
    if (before && JSON.stringify(before) !== JSON.stringify(token))
      throw new Unsupported(`added_tokens: ${shown(token.name)} twice, in two ways`);
    if (token.normalized && normalize?.(token.name) === "")
      throw new Unsupported(`added_tokens: ${shown(token.name)}, of which the normalizer leaves nothing`);
    if (!before && !model.own.has(token.name) && token.id !== next)
      elsewhere.push(`${shown(token.name)} (${token.id})`);
    highest = Math.max(highest, token.id);
    seen.set(token.name, token);
  }
  const more = elsewhere.length > 1 ? ` and ${elsewhere.length - 1} more` : "";
  const what =
    `${JSON_FILE} says other ids of added tokens than huggingface/tokenizers would give them, and they ` +
    "count";
  return elsewhere.length === 0 ? undefined : `${what}: ${elsewhere[0]}${more}`;
}

/** The error for callers that have no other reader. */
export const unsupportedJson = (from: string, what: string): SinterError =>
  new SinterError(
    "input",
    `${from}: ${what} is not read here`,
    "Files with other expressions are read in Node, by the reader otherJson of sinter/runtime/node.",
  );

/** The template in `chat_template`. If there are several with names, it is the one called `default`. */
export function templateIn(config: Uint8Array, from: string = CONFIG_FILE): string | undefined {
  const node = field(parseJson(config, from, MAX_JSON_BYTES), "chat_template");
  if (node.value === undefined || typeof node.value === "string") return optionalText(node);
  const named = list(node, 64).find((entry) => text(field(entry, "name")) === "default");
  return named && text(field(named, "template"));
}

/**
 * tokenizer.json files (huggingface/tokenizers) of the two kinds that language models use: byte-level BPE, and BPE over characters as
 * sentencepiece does it. Whatever else a file asks for is named, for a caller who has another reader.
 */
import { SinterError } from "../errors.ts";
import { segmentRules, type TextRules } from "./tokenizer-json-rules.ts";
import { specialRoles } from "./special-roles.ts";
import type { AddedToken } from "./added-tokens.ts";
import { byteLevelTokenizer } from "./byte-level-bpe.ts";
import { bytesOfName } from "./byte-level.ts";
import { badPlace, field, flag, isObject, list, optionalText, parseJson, shown, text, whole, type JsonPlace } from "./json-fields.ts";
import { MAX_MERGES, PairTable } from "./pair-table.ts";
import { byteIdsOf, bytesOf, characterBpe } from "./sentencepiece.ts";
import { MAX_TOKENS } from "./tiktoken.ts";
import type { Tokenizer } from "./tokenizer.ts";

export const JSON_FILE = "tokenizer.json", CONFIG_FILE = "tokenizer_config.json";
export const MAX_JSON_BYTES = 64 * 2 ** 20;
const MAX_NAME = 1024; // characters of a token's name

export interface JsonFiles {
  readonly json: Uint8Array;
  /** tokenizer_config.json says which tokens begin and end a text, and holds the chat template. */
  readonly config?: Uint8Array | undefined;
  /** Path of the first, for errors. */
  readonly from: string;
}

export const configPath = (from: string): string => `${from.slice(0, from.lastIndexOf("/") + 1)}${CONFIG_FILE}`;

export type JsonReading = { readonly tokenizer: Tokenizer } | { readonly unsupported: string };

/** Throws SinterError that names the place in the file, where the file contradicts itself. */
export function readTokenizerJson({ json, config, from }: JsonFiles): JsonReading {
  const root = parseJson(json, from, MAX_JSON_BYTES), model = field(root, "model");
  const rules = segmentRules(root);
  const unsupported = unsupportedModel(model) ?? ("unsupported" in rules ? rules.unsupported : undefined);
  if (unsupported !== undefined || "unsupported" in rules) return { unsupported: unsupported ?? "" };
  const names = namesOf(model, root), added = addedIn(root);
  const ids = idsOf(names);
  const specialIds = new Set(added.filter((t) => t.special).map((t) => t.id));
  const merges = mergesOf(field(model, "merges"), ids, specialIds);
  const roles = specialRoles(added, firstSpecial(root, ids), config && parseJson(config, configPath(from), MAX_JSON_BYTES));
  const common = { name: "json", added, merges: merges.pairs, ...roles, files: new Map([[JSON_FILE, json], ...(config ? [[CONFIG_FILE, config] as const] : [])]) } as const;
  return { tokenizer: rules.kind === "bytes" ? byteLevel(common, rules, names, model) : characters(common, rules, names, model, merges.texts) };
}

type Common = Pick<Parameters<typeof byteLevelTokenizer>[0], "name" | "added" | "merges" | "beginOfText" | "endOfText" | "stops" | "files">;

function byteLevel(common: Common, rules: TextRules & { kind: "bytes" }, names: Names, model: JsonPlace): Tokenizer {
  const utf8 = new TextEncoder(), addedIds = new Set(common.added.map((t) => t.id));
  const tokens = names.map((name, id) =>
    name === undefined ? undefined : (addedIds.has(id) ? undefined : bytesOfName(name)) ?? utf8.encode(name));
  return byteLevelTokenizer({ ...common, tokens, pieces: rules.pieces, composes: rules.composes, addsSpace: rules.addsSpace, wholePieces: flag(field(model, "ignore_merges"), false) });
}

function characters(common: Common, rules: TextRules & { kind: "characters" }, names: Names, model: JsonPlace, texts: readonly string[]): Tokenizer {
  const kinds = new Map(common.added.map((t) => [t.id, t.special ? "control" : "user"] as const));
  const fallback = flag(field(model, "byte_fallback"), false) ? byteIdsOf(names.map((name = "") => ({ text: name }))) : undefined;
  const symbolIds = new Map([...idsOf(names)].filter(([name, id]) => isCharacter(name) && kinds.get(id) !== "control"));
  const unknown = optionalText(field(model, "unk_token")), unknownId = unknown === undefined ? -1 : names.indexOf(unknown);
  return characterBpe({
    ...common, addsSpace: rules.addsSpace, symbolIds, texts, byteIds: fallback, unknown: unknownId < 0 ? undefined : unknownId, fuseUnknown: flag(field(model, "fuse_unk"), false),
    spaceAtStartOnly: rules.spaceAtStartOnly, spaceUnlessThere: rules.spaceUnlessThere, wordsApart: rules.wordsApart,
    bytes: names.map((name, id) =>
      name === undefined ? undefined : bytesOf(name, kinds.get(id) ?? (fallback ? "byte" : "normal"))),
  });
}

const isCharacter = (name: string): boolean => name.length === 1 || (name.length === 2 && name.codePointAt(0)! > 0xffff);

function unsupportedModel(model: JsonPlace): string | undefined {
  if (!isObject(model.value)) throw badPlace(model, `is ${shown(model.value)}, not an object`);
  const type = optionalText(field(model, "type"));
  if (type === undefined ? field(model, "merges").value === undefined : type !== "BPE")
    return `model.type ${shown(type)}`;
  for (const name of ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]) {
    const { value } = field(model, name);
    if (value !== undefined && value !== "" && value !== 0) return `model.${name}`;
  }
  return undefined;
}

/** Id → name; undefined at a gap. */
type Names = readonly (string | undefined)[];

const idsOf = (names: Names): ReadonlyMap<string, number> =>
  new Map(names.flatMap((name, id) => (name === undefined ? [] : [[name, id] as const])));

/** Names by id, each id once: of the model's vocabulary, and of the tokens that were added behind it. */
function namesOf(model: JsonPlace, root: JsonPlace): Names {
  const vocab = field(model, "vocab"), names: (string | undefined)[] = [];
  if (!isObject(vocab.value))
    throw badPlace(vocab, `is ${shown(vocab.value)}, not an object of names and ids`);
  const entries = Object.entries(vocab.value);
  if (entries.length > MAX_TOKENS)
    throw badPlace(vocab, `has ${entries.length} entries; at most ${MAX_TOKENS} are read`);
  const put = (name: string, place: JsonPlace): void => {
    const id = whole(place, MAX_TOKENS - 1);
    if (name.length > MAX_NAME || name === "")
      throw badPlace(place, `is the id of a name of ${name.length} characters; 1 … ${MAX_NAME} are possible`);
    if (names[id] !== undefined && names[id] !== name)
      throw badPlace(place, `gives id ${id} to ${shown(name)}, but ${shown(names[id])} has it`);
    names[id] = name;
  };
  for (const [name, id] of entries) put(name, { value: id, path: `${vocab.path}[${shown(name)}]` });
  for (const token of list(field(root, "added_tokens"), MAX_TOKENS)) put(text(field(token, "content")), field(token, "id"));
  if (names.length === 0) throw badPlace(vocab, "is empty");
  const given = names.filter((name) => name !== undefined);
  if (new Set(given).size !== given.length)
    throw badPlace(vocab, "gives two ids to one name"); // one of them among the added tokens
  return Array.from(names); // of a list with holes, map and filter see only a part
}

/** `added_tokens`; their ids are not checked against the vocabulary. */
export function addedIn(root: JsonPlace): readonly AddedToken[] {
  const tokens = list(field(root, "added_tokens"), MAX_TOKENS).map((token): AddedToken => ({
    name: text(field(token, "content")), id: whole(field(token, "id"), MAX_TOKENS - 1), special: flag(field(token, "special"), false),
    left: flag(field(token, "lstrip"), false), right: flag(field(token, "rstrip"), false),
  }));
  return tokens.filter((token) => token.name !== "");
}

interface ListedMerges { readonly pairs: PairTable; readonly texts: readonly string[] }

/** `"a b"` or `["a", "b"]`, in order of rank. A merge that would make a special token is left out: text never becomes one. */
function mergesOf(place: JsonPlace, ids: ReadonlyMap<string, number>, specialIds: ReadonlySet<number>): ListedMerges {
  const merges = list(place, MAX_MERGES), pairs = new PairTable(merges.length), texts: string[] = [];
  for (const [rank, merge] of merges.entries()) {
    const [left, right, more]: readonly unknown[] = typeof merge.value === "string" ? merge.value.split(" ") : Array.isArray(merge.value) ? merge.value : [];
    if (typeof left !== "string" || typeof right !== "string" || more !== undefined)
      throw badPlace(merge, `is ${shown(merge.value)}, not a pair of names`);
    const id = (name: string): number => {
      const found = ids.get(name);
      if (found === undefined) throw badPlace(merge, `needs ${shown(name)}, which is not in the vocabulary`);
      return found;
    };
    const joined = id(left + right);
    if (specialIds.has(joined)) continue;
    pairs.add(id(left), id(right), rank, joined);
    texts.push(left + right);
  }
  return { pairs, texts };
}

/** The token that the post-processor puts before a text, where it is one. */
export function firstSpecial(root: JsonPlace, ids: ReadonlyMap<string, number>): number | undefined {
  const place = field(root, "post_processor");
  if (place.value === undefined) return undefined;
  const steps = optionalText(field(place, "type")) === "Sequence" ? list(field(place, "processors"), 16) : [place];
  const template = steps.find((step) => optionalText(field(step, "type")) === "TemplateProcessing");
  const first = template && list(field(template, "single"), 16)[0];
  if (!first || field(first, "SpecialToken").value === undefined) return undefined;
  const name = text(field(field(first, "SpecialToken"), "id")), id = ids.get(name);
  if (id === undefined) throw badPlace(first, `names ${shown(name)}, which is not in the vocabulary`);
  return id;
}

/** For callers without another reader. */
export const unsupportedJson = (from: string, what: string): SinterError =>
  new SinterError("input", `${from}: ${what} is not read here`,
    "In Node it is, through @huggingface/tokenizers: sinter/runtime/node has openTokenizer.");

/** `chat_template`: the template, or several with names, of which `default` is meant. */
export function templateIn(config: Uint8Array, from: string = CONFIG_FILE): string | undefined {
  const place = field(parseJson(config, from, MAX_JSON_BYTES), "chat_template");
  if (place.value === undefined || typeof place.value === "string") return optionalText(place);
  const named = list(place, 64).find((entry) => text(field(entry, "name")) === "default");
  return named && text(field(named, "template"));
}

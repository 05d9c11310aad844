/** Reads the model of a tokenizer.json: checks its vocabulary, and says how it makes tokens of a piece. */
import type { AddedToken } from "../base/added-tokens.ts";
import { jsonBpe, type JsonBpeParts } from "./json-bpe.ts";
import {
  badValue,
  field,
  flag,
  list,
  optionalText,
  shown,
  text,
  integer,
  type JsonNode,
} from "../base/json-fields.ts";
import { isObject } from "../../base/schema.ts";
import { Unsupported } from "./json-steps.ts";
import { unigram, wordLevel, wordPiece } from "./json-words.ts";
import { MAX_MERGES, PairTable } from "../bpe/pair-table.ts";
import type { PieceEncoder } from "../bpe/piece-encoder.ts";
import { MAX_TOKENS } from "../base/tiktoken.ts";

const MAX_NAME = 1024; // characters of a token's name

export interface JsonModel {
  /** The name of each token by id, including added tokens; undefined at a gap. */
  readonly names: readonly (string | undefined)[];
  readonly ids: ReadonlyMap<string, number>;
  /** The model's own vocabulary, without added tokens. */
  readonly own: ReadonlyMap<string, number>;
  readonly unknownId: number | undefined;
  /** Encodes a piece of characters. */
  readonly encode: PieceEncoder;
  /** The tables of a BPE, for use behind a byte-level pre-tokenizer. */
  readonly bpe?: JsonBpeParts;
}

interface Named {
  readonly model: JsonNode;
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly plain: ReadonlyMap<string, number>;
}

/** The table of models. `plain` has the names that a text may become; special tokens are not among them. */
const models: Readonly<Record<string, (named: Named) => Pick<JsonModel, "encode" | "bpe" | "unknownId">>> = {
  BPE(named) {
    const bpe = readBpe(named);
    return { bpe, unknownId: bpe.unknownId, encode: jsonBpe(bpe) };
  },
  WordLevel(named) {
    const unknown = unknownOf(named);
    return { unknownId: unknown.id, encode: wordLevel(named.plain, unknown) };
  },
  WordPiece(named) {
    const { model, plain } = named;
    const unknown = unknownOf(named);
    const prefix = optionalText(field(model, "continuing_subword_prefix")) ?? "##";
    const most = field(model, "max_input_chars_per_word");
    return {
      unknownId: unknown.id,
      encode: wordPiece({
        ids: plain,
        unknown,
        prefix,
        mostCharacters: most.value === undefined ? 100 : integer(most, 2 ** 31),
      }),
    };
  },
  Unigram({ model, plain }) {
    const scores = list(field(model, "vocab"), MAX_TOKENS).map((entry) =>
      numberOf(list(entry, 2)[1] ?? entry),
    );
    const id =
      field(model, "unk_id").value === undefined
        ? undefined
        : integer(field(model, "unk_id"), scores.length - 1);
    const byteIds = flag(field(model, "byte_fallback"), false) ? byteIdsOf(plain) : undefined;
    return {
      unknownId: id,
      encode: unigram({ ids: plain, scores, unknown: { name: undefined, id }, byteIds }),
    };
  },
};

/** Throws Unsupported, and SinterError where the file contradicts itself. */
export function readModel(root: JsonNode, added: readonly AddedToken[]): JsonModel {
  const model = field(root, "model");
  if (!isObject(model.value)) throw badValue(model, `is ${shown(model.value)}, not an object`);
  const type =
    optionalText(field(model, "type")) ?? (field(model, "merges").value === undefined ? undefined : "BPE");
  const make = type !== undefined && Object.hasOwn(models, type) ? models[type] : undefined;
  if (!make) throw new Unsupported(`model.type ${shown(type)}`);
  const vocabulary = vocabularyOf(field(model, "vocab"), type === "Unigram");
  const names = namesOf(model, vocabulary, root);
  const ids = new Map(names.flatMap((name, id) => (name === undefined ? [] : [[name, id] as const])));
  const special = new Set(added.filter((token) => token.special).map((token) => token.name));
  const plain = new Map([...vocabulary].filter(([name]) => !special.has(name)));
  return { names, ids, own: vocabulary, ...make({ model, vocabulary, plain }) };
}

// ---- vocabularies

/** The ids of the model's own vocabulary by name. */
function vocabularyOf(vocab: JsonNode, isList: boolean): ReadonlyMap<string, number> {
  const entries: (readonly [string, JsonNode])[] = [];
  if (isList) {
    for (const [id, entry] of list(vocab, MAX_TOKENS).entries())
      entries.push([text(list(entry, 2)[0] ?? entry), { value: id, path: entry.path }]);
  } else {
    if (!isObject(vocab.value))
      throw badValue(vocab, `is ${shown(vocab.value)}, not an object of names and ids`);
    const pairs = Object.entries(vocab.value);
    if (pairs.length > MAX_TOKENS)
      throw badValue(vocab, `has ${pairs.length} entries; at most ${MAX_TOKENS} are read`);
    for (const [name, id] of pairs)
      entries.push([name, { value: id, path: `${vocab.path}[${shown(name)}]` }]);
  }
  const ids = new Map<string, number>();
  for (const [name, node] of entries) {
    const id = integer(node, MAX_TOKENS - 1);
    if (name.length > MAX_NAME || name === "")
      throw badValue(node, `is the id of a name of ${name.length} characters; 1 … ${MAX_NAME} are possible`);
    if (ids.has(name)) throw badValue(vocab, `has ${shown(name)} twice`);
    ids.set(name, id);
  }
  return ids;
}

/**
 * The names by id, each id once: those of the model's vocabulary, and those of the tokens that were added
 * behind it.
 */
function namesOf(
  model: JsonNode,
  vocabulary: ReadonlyMap<string, number>,
  root: JsonNode,
): JsonModel["names"] {
  const vocab = field(model, "vocab");
  const names: (string | undefined)[] = [];
  const put = (name: string, id: number, node: JsonNode): void => {
    if (names[id] !== undefined && names[id] !== name)
      throw badValue(node, `gives id ${id} to ${shown(name)}, but ${shown(names[id])} has it`);
    names[id] = name;
  };
  for (const [name, id] of vocabulary) put(name, id, { ...vocab, path: `${vocab.path}[${shown(name)}]` });
  for (const token of list(field(root, "added_tokens"), MAX_TOKENS)) {
    const name = text(field(token, "content"));
    const node = field(token, "id");
    if (name.length > MAX_NAME || name === "")
      throw badValue(node, `is the id of a name of ${name.length} characters; 1 … ${MAX_NAME} are possible`);
    put(name, integer(node, MAX_TOKENS - 1), node);
  }
  if (names.length === 0) throw badValue(vocab, "is empty");
  const seen = new Map<string, number>();
  for (const [id, name] of names.entries()) {
    if (name === undefined) continue;
    if (seen.has(name))
      throw badValue(vocab, `gives two ids to one name: ${shown(name)} is ${seen.get(name)} and ${id}`);
    seen.set(name, id); // one of the two is an added token's
  }
  return Array.from(names); // fills the holes with undefined, since map and filter skip holes
}

function numberOf(node: JsonNode): number {
  if (typeof node.value !== "number" || !Number.isFinite(node.value))
    throw badValue(node, `is ${shown(node.value)}, not a number`);
  return node.value;
}

function unknownOf({ model, vocabulary }: Named): {
  readonly name: string | undefined;
  readonly id: number | undefined;
} {
  const name = optionalText(field(model, "unk_token"));
  return { name, id: name === undefined ? undefined : vocabulary.get(name) };
}

const byteName = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
const byteIdsOf = (ids: ReadonlyMap<string, number>): Int32Array =>
  Int32Array.from({ length: 256 }, (_, byte) => ids.get(byteName(byte)) ?? -1);

// ---- BPE

function readBpe(named: Named): JsonBpeParts {
  const { model, vocabulary, plain } = named;
  const unknown = unknownOf(named);
  const byteIds = flag(field(model, "byte_fallback"), false) ? byteIdsOf(plain) : undefined;
  const special = new Set([...vocabulary].filter(([name]) => !plain.has(name)).map(([, id]) => id));
  const { pairs, texts, parts } = mergesOf(field(model, "merges"), vocabulary, special);
  return {
    ids: plain,
    merges: pairs,
    texts,
    byteIds,
    unknown: unknown.name,
    unknownId: unknown.id,
    fused: flag(field(model, "fuse_unk"), false),
    wholePieces: flag(field(model, "ignore_merges"), false),
    mergesOthers:
      (unknown.id !== undefined && parts.has(unknown.id)) || (byteIds?.some((id) => parts.has(id)) ?? false),
  };
}

interface ListedMerges {
  readonly pairs: PairTable;
  readonly texts: readonly string[];
  readonly parts: ReadonlySet<number>;
}

/** The names of a merge, which should be two. */
function namesOfMerge(value: unknown): readonly unknown[] {
  if (typeof value === "string") return value.split(" ");
  return Array.isArray(value) ? value : [];
}

/**
 * The merges, given as `"a b"` or `["a", "b"]` in the order of their ranks. A merge that would make a special
 * token is left out, since text never becomes one. If a pair occurs twice, the later one counts.
 */
function mergesOf(
  node: JsonNode,
  ids: ReadonlyMap<string, number>,
  specialIds: ReadonlySet<number>,
): ListedMerges {
  const merges = list(node, MAX_MERGES);
  const texts: string[] = [];
  const parts = new Set<number>();
  const found: number[] = [];
  for (const [rank, merge] of merges.entries()) {
    const [left, right, more] = namesOfMerge(merge.value);
    if (typeof merge.value === "string" && merge.value.startsWith("#version")) continue;
    if (typeof left !== "string" || typeof right !== "string" || more !== undefined)
      throw badValue(merge, `is ${shown(merge.value)}, not a pair of names`);
    const id = (name: string): number => {
      const known = ids.get(name);
      if (known === undefined) throw badValue(merge, `needs ${shown(name)}, which is not in the vocabulary`);
      return known;
    };
    const joined = id(left + right);
    const first = id(left);
    const second = id(right);
    if (specialIds.has(joined)) continue;
    found.push(first, second, rank, joined);
    texts.push(left + right);
    parts.add(first).add(second);
  }
  const pairs = new PairTable(found.length / 4);
  for (let i = found.length - 4; i >= 0; i -= 4)
    pairs.add(found[i]!, found[i + 1]!, found[i + 2]!, found[i + 3]!);
  return { pairs, texts, parts };
}

/**
 * The tables of a tokenizer, read back from the files that a run has of it, for those who write other
 * formats:
 *
 *   bpe      byte-level BPE: names in GPT-2's alphabet, merges in the order of their rank, and the
 *            pre-tokenizer by its name in GGUF
 *   pieces   sentencepiece BPE: pieces with scores and kinds
 *   singles  bytes, characters or ids: there are no merges
 *   none     a tokenizer.json of another kind
 */
import type { TokenizerName } from "../contract/model.ts";
import { byteCharacters } from "../tokenizers/base/byte-level.ts";
import { GPT2_FILES } from "../tokenizers/published/gpt2.ts";
import { LLAMA2C_FILE } from "../tokenizers/published/llama2c-file.ts";
import { MARK } from "../tokenizers/published/sentencepiece.ts";
import { SENTENCEPIECE_FILE } from "../tokenizers/published/sentencepiece-file.ts";
import { wireFields } from "../tokenizers/published/protobuf.ts";
import { readNormalizers } from "../tokenizers/json/normalizers.ts";
import { readPreTokenizers, schemeOf } from "../tokenizers/json/pre-tokenizers.ts";
import { typeOf } from "../tokenizers/json/json-steps.ts";
import { field, optionalText, type JsonNode } from "../tokenizers/base/json-fields.ts";
import { JSON_FILE } from "../tokenizers/json/read-tokenizer-json.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { ggufPreNamed, ggufPreOf, type GgufPre } from "./gguf/gguf-pre.ts";
import { pieceKinds, type VocabularyPiece } from "../tokenizers/published/sentencepiece-write.ts";

export interface BpeVocabulary {
  readonly kind: "bpe";
  readonly pre: GgufPre;
  readonly names: readonly string[];
  /** The form into which a normalizer puts a text first, which this vocabulary does not record. */
  readonly lost?: string | undefined;
  /** Ids of tokens that are found in the text before it is split, and are not special. */
  readonly user: ReadonlySet<number>;
  /** Each is "left right". */
  readonly merges: readonly string[];
}

export interface PieceVocabulary {
  readonly kind: "pieces";
  readonly pieces: readonly VocabularyPiece[];
  readonly addsSpace: boolean;
}

export type Vocabulary =
  | BpeVocabulary
  | PieceVocabulary
  | { readonly kind: "singles" }
  | { readonly kind: "none"; readonly why: string };

export function vocabularyOf(tokenizer: Tokenizer): Vocabulary {
  switch (tokenizer.name satisfies TokenizerName) {
    case "bytes":
    case "characters":
    case "ids":
      return { kind: "singles" };
    case "gpt2":
      return gpt2(tokenizer);
    case "llama3": {
      const names = namesOf(tokenizer);
      return {
        kind: "bpe",
        pre: ggufPreNamed("llama-bpe")!,
        names,
        user: new Set(),
        merges: mergesOf(tokenizer, names),
      };
    }
    case "llama2":
    case "sentencepiece": {
      const file = tokenizer.files.get(SENTENCEPIECE_FILE);
      const pieces = file ? fromModel(file) : fromTable(tokenizer.files.get(LLAMA2C_FILE)!);
      const more = behindOf(tokenizer, pieces.length).map(({ name, kind }): VocabularyPiece => ({
        text: name,
        score: 0,
        kind,
      }));
      return { kind: "pieces", pieces: [...pieces, ...more], addsSpace: tokenizer.addsSpace };
    }
    case "json":
      return fromJson(tokenizer);
  }
}

const utf8 = new TextDecoder();
const specialIds = (tokenizer: Tokenizer): ReadonlyMap<number, string> =>
  new Map([...tokenizer.special].map(([name, id]) => [id, name]));

/** The names of all tokens, in GPT-2's alphabet. */
function namesOf(tokenizer: Tokenizer): string[] {
  const special = specialIds(tokenizer);
  return Array.from({ length: tokenizer.size }, (_, id) => special.get(id) ?? nameOf(tokenizer.bytes(id)));
}

const nameOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byteCharacters[byte]!).join("");

function gpt2(tokenizer: Tokenizer): Vocabulary {
  const [encoder, merges] = GPT2_FILES.map((name) => utf8.decode(tokenizer.files.get(name)));
  const names: string[] = [];
  for (const [name, id] of Object.entries(JSON.parse(encoder!) as Record<string, number>)) names[id] = name;
  const more = behindOf(tokenizer, names.length);
  const user = new Set(more.flatMap(({ id, kind }) => (kind === "user" ? [id] : [])));
  const lines = merges!
    .split(/\r?\n/)
    .filter((line, i) => line !== "" && !(i === 0 && line.startsWith("#version")));
  return {
    kind: "bpe",
    pre: ggufPreNamed("gpt-2")!,
    names: [...names, ...more.map(({ name }) => name)],
    user,
    merges: lines,
  };
}

interface Behind {
  readonly id: number;
  readonly name: string;
  readonly kind: "control" | "user" | "unused";
}

/** The tokens behind the vocabulary of the tokenizer's own files, which has `size` tokens. */
function behindOf(tokenizer: Tokenizer, size: number): readonly Behind[] {
  const special = specialIds(tokenizer);
  return Array.from({ length: Math.max(0, tokenizer.size - size) }, (_, i): Behind => {
    const id = size + i;
    if (tokenizer.absent?.has(id)) return { id, name: absentName(id), kind: "unused" };
    return {
      id,
      name: special.get(id) ?? utf8.decode(tokenizer.bytes(id)),
      kind: special.has(id) ? "control" : "user",
    };
  });
}

/**
 * The merges of a tokenizer that has ranks and no merges (Llama 3). Two neighbours join when the result is a
 * token, so every way to cut a token into two tokens is a merge with that token's rank. Published files list
 * all of these merges, in this order.
 */
function mergesOf(tokenizer: Tokenizer, names: readonly string[]): string[] {
  const special = specialIds(tokenizer);
  const ids = new Map<string, number>();
  const out: string[] = [];
  names.forEach((name, id) => {
    if (!special.has(id)) ids.set(name, id);
  });
  for (const name of ids.keys()) {
    const cuts: { left: number; right: number; text: string }[] = [];
    for (let at = 1; at < name.length; at++) {
      const left = ids.get(name.slice(0, at));
      const right = left === undefined ? undefined : ids.get(name.slice(at));
      if (left !== undefined && right !== undefined)
        cuts.push({ left, right, text: `${name.slice(0, at)} ${name.slice(at)}` });
    }
    for (const { text } of cuts.sort((a, b) => a.left - b.left || a.right - b.right)) out.push(text);
  }
  return out;
}

/**
 * What a tokenizer.json does that other formats can say. `lost` is a normalizer that they cannot say, and
 * without which most texts have the same ids.
 */
type JsonRules =
  | { readonly kind: "bytes"; readonly lost?: string }
  | { readonly kind: "pieces"; readonly addsSpace: boolean };

/** The rules of a tokenizer.json; a string names what other formats cannot say. */
function rulesOf(root: JsonNode): JsonRules | string {
  const model = optionalText(field(field(root, "model"), "type")) ?? "BPE";
  if (model !== "BPE") return `its model (${model})`;
  const { types, prepends, space } = readNormalizers(root, { anyExpression: true });
  const pieces = readPreTokenizers(root, { anyExpression: true });
  if (pieces.kind === "bytes" && types.length > 0 && types.every((type) => type === "NFC"))
    return { kind: "bytes", lost: "NFC" };
  const others = types.filter(
    (type) => pieces.kind === "bytes" || (type !== "Prepend" && type !== "Replace"),
  );
  if (others.length > 0) return `its normalizer (${others.join(", ")})`;
  if (pieces.kind === "bytes") return { kind: "bytes" };
  const [metaspace, ...more] = pieces.steps;
  if (metaspace === undefined)
    return space === MARK
      ? { kind: "pieces", addsSpace: prepends !== undefined }
      : "BPE over characters without ▁ for spaces";
  if (more.length > 0 || types.length > 0 || typeOf(metaspace) !== "Metaspace")
    return `its pre-tokenizer (${pieces.steps.map(typeOf).join(", ")})`;
  return { kind: "pieces", addsSpace: schemeOf(metaspace) !== "never" };
}

interface JsonFile {
  readonly model: {
    readonly vocab: Record<string, number>;
    readonly merges: readonly (string | readonly string[])[];
    readonly byte_fallback?: boolean;
    readonly ignore_merges?: boolean;
    readonly unk_token?: string;
  };
  readonly added_tokens?: readonly { id: number; content: string; special: boolean }[];
}

function fromJson(tokenizer: Tokenizer): Vocabulary {
  const root: unknown = JSON.parse(utf8.decode(tokenizer.files.get(JSON_FILE)));
  const rules = rulesOf({ value: root, path: JSON_FILE });
  if (typeof rules === "string") return { kind: "none", why: rules };
  const { model, added_tokens: added = [] } = root as JsonFile; // readTokenizerJson has checked all of this
  const names: string[] = [];
  for (const [name, id] of Object.entries(model.vocab)) names[id] = name;
  for (const { id, content } of added) names[id] = content;
  for (const id of tokenizer.absent ?? []) names[id] = absentName(id);
  if (rules.kind === "bytes") {
    const { pre_tokenizer: steps } = root as { readonly pre_tokenizer?: unknown };
    const pre = ggufPreOf(steps, model.ignore_merges === true);
    if (!pre) return { kind: "none", why: "GGUF has no name for its pre-tokenizer" };
    const merges = model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
    return {
      kind: "bpe",
      pre,
      names,
      lost: rules.lost,
      user: new Set(added.flatMap(({ id, special }) => (special ? [] : [id]))),
      merges,
    };
  }
  const rank = new Map(
    model.merges.map((merge, i) => [typeof merge === "string" ? merge.replace(" ", "") : merge.join(""), i]),
  );
  const kinds = new Map(added.map(({ id, special }) => [id, special ? "control" : "user"] as const));
  const kindOf = (text: string, id: number): VocabularyPiece["kind"] => {
    if (tokenizer.absent?.has(id)) return "unused";
    if (text === model.unk_token) return "unknown";
    return kinds.get(id) ?? (model.byte_fallback && /^<0x[0-9A-Fa-f]{2}>$/.test(text) ? "byte" : "normal");
  };
  const pieces = names.map((text, id): VocabularyPiece => ({
    text,
    score: -(rank.get(text) ?? 0),
    kind: kindOf(text, id),
  }));
  return { kind: "pieces", pieces, addsSpace: rules.addsSpace };
}

/** The name for an id that no token has, in formats that allow no gaps. */
const absentName = (id: number): string => `[ABSENT_${id}]`;

/** The pieces of a tokenizer.model, which sentencePieceFile has checked. */
function fromModel(file: Uint8Array): VocabularyPiece[] {
  const kinds = new Map(
    Object.entries(pieceKinds).map(([kind, number]) => [number, kind as VocabularyPiece["kind"]]),
  );
  return [...wireFields(file, SENTENCEPIECE_FILE)].flatMap(({ field, value }) => {
    if (field !== 1 || typeof value === "number") return [];
    const read = new Map([...wireFields(value, SENTENCEPIECE_FILE)].map((f) => [f.field, f.value]));
    return [
      {
        text: utf8.decode(read.get(1) as Uint8Array),
        score: Number(read.get(2) ?? 0),
        kind: kinds.get(Number(read.get(3) ?? 1)) ?? "normal",
      },
    ];
  });
}

/** llama2.c's ids have fixed meanings: 0 is unknown, 1 and 2 begin and end a text, 3 … 258 are the bytes. */
function kindOfId(id: number): VocabularyPiece["kind"] {
  if (id === 0) return "unknown";
  if (id < 3) return "control";
  return id < 259 ? "byte" : "normal";
}

/** The pieces of llama2.c's tokenizer.bin, which llama2cFile has checked. */
function fromTable(file: Uint8Array): VocabularyPiece[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const named = ["<unk>", "<s>", "</s>"];
  const pieces: VocabularyPiece[] = [];
  for (let at = 4; at < file.length;) {
    const id = pieces.length;
    const length = view.getUint32(at + 4, true);
    const text = utf8.decode(file.subarray(at + 8, at + 8 + length));
    const kind = kindOfId(id);
    pieces.push({
      text: named[id] ?? (kind === "byte" ? text : text.replaceAll(" ", MARK)),
      score: view.getFloat32(at, true),
      kind,
    });
    at += 8 + length;
  }
  return pieces;
}

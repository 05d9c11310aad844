/**
 * Reads sentencepiece's model files: ModelProto of sentencepiece_model.proto. It reads the pieces (field 1)
 * and the settings of the trainer (2) and of the normalizer (3). A normalizer with a table of its own is
 * refused, since its rules are compiled into a binary form.
 */
import { SinterError } from "../../base/errors.ts";
import type { AddedToken } from "../base/added-tokens.ts";
import { wireFields, type WireValue } from "./protobuf.ts";
import { sentencePieceTokenizer, type Piece, type PieceKind } from "./sentencepiece.ts";
import { MAX_TABLE_BYTES, MAX_TOKEN_BYTES, MAX_TOKENS } from "../base/tiktoken.ts";
import type { Tokenizer } from "../base/tokenizer.ts";

export const SENTENCEPIECE_FILE = "tokenizer.model";
const HINT =
  "It should be a sentencepiece model of kind BPE (Llama 2's tokenizer.model), as it was published.";

/** SentencePiece.Type, by its number. */
const kinds: Readonly<Record<number, PieceKind>> = {
  1: "normal",
  2: "unknown",
  3: "control",
  4: "user",
  5: "unused",
  6: "byte",
};
const MODEL_BPE = 2;

/** The numbers of the fields. */
const fields = {
  model: { pieces: 1, trainer: 2, normalizer: 3 },
  piece: { text: 1, score: 2, kind: 3 },
  trainer: { modelType: 3, beginOfText: 41, endOfText: 42 },
  normalizer: { table: 2, addsSpace: 3, removesSpaces: 4, escapesSpaces: 5 },
} as const;

export interface SentencePieceOptions {
  /** Tokens behind its pieces, from added_tokens.json or tokenizer_config.json. */
  readonly added?: readonly AddedToken[];
  /** A space is put before the text only, and not behind special tokens (`legacy: false`). */
  readonly spaceAtStartOnly?: boolean;
}

export function sentencePieceFile(
  bytes: Uint8Array,
  name: Tokenizer["name"],
  from: string = SENTENCEPIECE_FILE,
  { added = [], spaceAtStartOnly = false }: SentencePieceOptions = {},
): Tokenizer {
  if (bytes.length > MAX_TABLE_BYTES)
    throw new SinterError(
      "corrupt",
      `${from} has ${bytes.length} bytes; at most ${MAX_TABLE_BYTES} are read`,
      HINT,
    );
  const pieces: Piece[] = [];
  const seen = new Set<string>();
  let trainer = new Map<number, WireValue>();
  let normalizer = new Map<number, WireValue>();
  for (const { field, value, offset } of wireFields(bytes, from)) {
    if (typeof value === "number") continue;
    if (field === fields.model.pieces) {
      if (pieces.length === MAX_TOKENS)
        throw new SinterError("corrupt", `${from}: more than ${MAX_TOKENS} pieces`, HINT);
      const piece = readPiece(value, from, offset, pieces.length);
      if (seen.has(piece.text))
        throw new SinterError(
          "corrupt",
          `${from}: byte ${offset}: piece ${pieces.length}, ${JSON.stringify(piece.text)}, stands there ` +
            "a second time",
          HINT,
        );
      seen.add(piece.text);
      pieces.push(piece);
    } else if (field === fields.model.trainer) trainer = message(value, from, offset);
    else if (field === fields.model.normalizer) normalizer = message(value, from, offset);
  }
  if (pieces.length === 0) throw new SinterError("corrupt", `${from} holds no pieces`, HINT);
  if (trainer.get(fields.trainer.modelType) !== MODEL_BPE)
    throw unsupported(from, "it is not a BPE model (unigram is sentencepiece's default)");
  const { table, addsSpace, removesSpaces, escapesSpaces } = fields.normalizer;
  const charsmap = normalizer.get(table);
  if (charsmap instanceof Uint8Array && charsmap.length > 0)
    throw unsupported(from, "its normalizer has a table of its own");
  if ((normalizer.get(removesSpaces) ?? 1) !== 0) throw unsupported(from, "its normalizer removes spaces");
  if ((normalizer.get(escapesSpaces) ?? 1) === 0) throw unsupported(from, "it does not write spaces as ▁");
  const control = (field: number, otherwise: number): number | undefined => {
    const id = trainer.get(field) ?? otherwise;
    // −1, "none", is a large number here.
    return typeof id === "number" && pieces[id]?.kind === "control" ? id : undefined;
  };
  return sentencePieceTokenizer({
    name,
    pieces,
    added,
    spaceAtStartOnly,
    addsSpace: (normalizer.get(addsSpace) ?? 1) !== 0,
    beginOfText: control(fields.trainer.beginOfText, 1),
    endOfText: control(fields.trainer.endOfText, 2),
    files: new Map([[SENTENCEPIECE_FILE, bytes]]),
  });
}

const unsupported = (from: string, why: string): SinterError =>
  new SinterError(
    "input",
    `${from}: ${why}; only models like Llama 2's are read`,
    "Convert it to a tokenizer.json, and use tokenizer json.",
  );

const message = (bytes: Uint8Array, from: string, start: number): Map<number, WireValue> =>
  new Map([...wireFields(bytes, from, start)].map(({ field, value }) => [field, value]));

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readPiece(bytes: Uint8Array, from: string, start: number, id: number): Piece {
  const bad = (why: string): SinterError =>
    new SinterError("corrupt", `${from}: byte ${start}: piece ${id} ${why}`, HINT);
  const read = message(bytes, from, start);
  const text = read.get(fields.piece.text);
  const score = read.get(fields.piece.score) ?? 0;
  const kind = read.get(fields.piece.kind) ?? 1;
  if (!(text instanceof Uint8Array) || text.length === 0) throw bad("has no text");
  if (text.length > MAX_TOKEN_BYTES)
    throw bad(`has ${text.length} bytes; at most ${MAX_TOKEN_BYTES} are read`);
  if (typeof score !== "number" || !Number.isFinite(score)) throw bad("has a score that is no number");
  if (typeof kind !== "number" || !Object.hasOwn(kinds, kind))
    throw bad(`is of unknown kind ${String(kind)}`);
  try {
    return { text: utf8.decode(text), score, kind: kinds[kind]! };
  } catch {
    throw bad("is not UTF-8 text");
  }
}

/**
 * Writes a vocabulary as sentencepiece's model file (ModelProto of sentencepiece_model.proto), which
 * sentencepiece-file.ts reads.
 */
import type { PieceKind } from "./sentencepiece.ts";
import { concat } from "../../base/bytes.ts";
import { float, int, message, string } from "../../base/protobuf-write.ts";

export interface VocabularyPiece {
  readonly text: string;
  readonly score: number;
  readonly kind: PieceKind;
}

export interface SentencePieceFacts {
  readonly pieces: readonly VocabularyPiece[];
  readonly addsSpace: boolean;
  readonly beginOfText: number | undefined;
  readonly endOfText: number | undefined;
}

export const pieceKinds: Readonly<Record<PieceKind, number>> = {
  normal: 1,
  unknown: 2,
  control: 3,
  user: 4,
  unused: 5,
  byte: 6,
};
const MODEL_BPE = 2;

export function sentencePieceModel({
  pieces,
  addsSpace,
  beginOfText,
  endOfText,
}: SentencePieceFacts): Uint8Array {
  const unknown = pieces.findIndex(({ kind }) => kind === "unknown");
  const fallback = pieces.some(({ kind }) => kind === "byte");
  const rows = pieces.map(({ text, score, kind }) =>
    message(1, [string(1, text), float(2, score), ...(kind === "normal" ? [] : [int(3, pieceKinds[kind])])]),
  );
  const trainer = [
    int(3, MODEL_BPE),
    int(4, pieces.length),
    ...(fallback ? [int(35, 1)] : []),
    int(40, unknown < 0 ? NONE : unknown),
    int(41, beginOfText ?? NONE),
    int(42, endOfText ?? NONE),
    int(43, NONE),
  ];
  const normalizer = [string(1, "identity"), int(3, addsSpace ? 1 : 0), int(4, 0), int(5, 1)];
  return concat([...rows, message(2, trainer), message(3, normalizer)]);
}

/** −1, written as a 64-bit integer. */
const NONE = -1;

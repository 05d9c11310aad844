/**
 * Writes a vocabulary as sentencepiece's model file (ModelProto of sentencepiece_model.proto), which
 * sentencepiece-file.ts reads.
 */
import type { PieceKind } from "./sentencepiece.ts";
import { concat } from "../../base/bytes.ts";

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
  const utf8 = new TextEncoder();
  const unknown = pieces.findIndex(({ kind }) => kind === "unknown");
  const fallback = pieces.some(({ kind }) => kind === "byte");
  const rows = pieces.map(({ text, score, kind }) =>
    field(1, [
      ...block(1, utf8.encode(text)),
      ...float(2, score),
      ...(kind === "normal" ? [] : number(3, pieceKinds[kind])),
    ]),
  );
  const trainer = [
    ...number(3, MODEL_BPE),
    ...number(4, pieces.length),
    ...(fallback ? number(35, 1) : []),
    ...number(40, unknown < 0 ? NONE : unknown),
    ...number(41, beginOfText ?? NONE),
    ...number(42, endOfText ?? NONE),
    ...number(43, NONE),
  ];
  const normalizer = [
    ...block(1, utf8.encode("identity")),
    ...number(3, addsSpace ? 1 : 0),
    ...number(4, 0),
    ...number(5, 1),
  ];
  return concat([...rows, field(2, trainer), field(3, normalizer)]);
}

/** −1, written as a 64-bit integer. */
const NONE = -1;

function varint(value: number): number[] {
  const out: number[] = [];
  let left = BigInt.asUintN(64, BigInt(value));
  for (; left >= 128n; left >>= 7n) out.push(Number(left & 127n) | 128);
  out.push(Number(left));
  return out;
}

const number = (id: number, value: number): number[] => [...varint(id << 3), ...varint(value)];
const block = (id: number, bytes: Uint8Array): number[] => [
  ...varint((id << 3) | 2),
  ...varint(bytes.length),
  ...bytes,
];
const float = (id: number, value: number): number[] => [
  ...varint((id << 3) | 5),
  ...new Uint8Array(new Float32Array([value]).buffer),
];
const field = (id: number, bytes: readonly number[]): Uint8Array =>
  Uint8Array.from([...varint((id << 3) | 2), ...varint(bytes.length), ...bytes]);

/**
 * BPE over characters, as tokenizer.json files have it (huggingface/tokenizers, models/bpe). The symbols are
 * characters. One that is no token becomes the tokens of its bytes (byte_fallback), otherwise the unknown
 * token. Then neighbours merge.
 */
import { SinterError } from "../../base/errors.ts";
import type { PairTable } from "../bpe/pair-table.ts";
import { pieceEncoder, type PieceEncoder } from "../bpe/piece-encoder.ts";
import { safeCuts } from "../bpe/safe-cuts.ts";

export interface JsonBpeParts {
  /** The names that a text may become, and their ids. */
  readonly ids: ReadonlyMap<string, number>;
  readonly merges: PairTable;
  /** Everything that merges make. */
  readonly texts: readonly string[];
  /** The id of each byte's token, or −1 where there is none; undefined where there is no byte fallback. */
  readonly byteIds: Int32Array | undefined;
  /** The name of the unknown token, which the vocabulary may lack. */
  readonly unknown: string | undefined;
  readonly unknownId: number | undefined;
  /** Unknown neighbours become a single unknown token. */
  readonly fused: boolean;
  /** A piece that is a token becomes that token, whatever the merges say. */
  readonly wholePieces: boolean;
  /** Merges may also join bytes or unknown tokens. */
  readonly mergesOthers: boolean;
}

/** Encodes one piece of a pre-tokenizer. */
export function jsonBpe(parts: JsonBpeParts): PieceEncoder {
  const { ids, texts, wholePieces } = parts;
  const nextPiece = parts.mergesOthers
    ? (text: string) => text.length
    : safeCuts(texts, (character) => ids.has(character));
  const encode = pieceEncoder({
    nextPiece,
    merges: parts.merges,
    symbols: (text, from, to, out) => symbolsOf(text, from, to, out, parts),
  });
  return (piece, out, spill) => {
    const whole = wholePieces ? ids.get(piece) : undefined;
    if (whole === undefined) encode(piece, out, spill);
    else out.push(whole);
  };
}

const utf8 = new TextEncoder();

function symbolsOf(
  text: string,
  from: number,
  to: number,
  out: Int32Array,
  { ids, byteIds, fused, ...parts }: JsonBpeParts,
): number {
  let n = 0;
  let waiting = false; // an unknown token waits until it is certain that the next one is not part of it
  for (let i = from; i < to; i++) {
    const code = text.codePointAt(i)!;
    const character = String.fromCodePoint(code);
    const id = ids.get(character);
    if (code > 0xffff) i++;
    if (id !== undefined) {
      if (waiting) out[n++] = parts.unknownId!;
      waiting = false;
      out[n++] = id;
      continue;
    }
    const bytes = byteIds && idsOfBytes(character, byteIds);
    if (bytes) {
      // before an unknown token that still waits, as in the library
      for (const byte of bytes) out[n++] = byte;
      continue;
    }
    if (parts.unknownId === undefined) throw noToken(character, parts.unknown);
    if (waiting && !fused) out[n++] = parts.unknownId;
    waiting = true;
  }
  if (waiting) out[n++] = parts.unknownId!;
  return n;
}

/**
 * The ids of a text's bytes; undefined where not all of them have tokens. A byte without one is −1 in
 * `byteIds`.
 */
export function idsOfBytes(text: string, byteIds: Int32Array): readonly number[] | undefined {
  const ids = Array.from(utf8.encode(text), (byte) => byteIds[byte]!);
  return ids.includes(-1) ? undefined : ids;
}

export function noToken(character: string, unknown: string | undefined): SinterError {
  const none = unknown === undefined ? "none" : `lacks ${JSON.stringify(unknown)},`;
  return new SinterError(
    "input",
    `the json tokenizer has no token for ${JSON.stringify(character)}, and ${none} for what is unknown`,
    "Take the character out of the text.",
  );
}

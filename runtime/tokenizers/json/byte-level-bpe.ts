/**
 * Byte-level BPE (Radford et al. 2019). The symbols are the bytes of a piece, so no text is unknown. GPT-2,
 * Llama 3 and most tokenizer.json files differ only in their tables.
 */
import { SinterError } from "../../base/errors.ts";
import { plainOf, segmentsAt, specialsOf, type AddedToken, type Normalizer } from "../base/added-tokens.ts";
import { ByteStrings } from "../base/byte-strings.ts";
import { PairTable } from "../bpe/pair-table.ts";
import { encodersOf, pieceEncoder, type PieceEncoder } from "../bpe/piece-encoder.ts";
import { nextPiece, type CutName } from "../bpe/pieces.ts";
import type { PreTokenizer } from "./pre-tokenizers.ts";
import { bytesFrom, absentIn, type Tokenizer } from "../base/tokenizer.ts";
import { utf8Into } from "../base/utf8.ts";

export interface ByteLevelParts {
  readonly name: Tokenizer["name"];
  /** The bytes of each token by id. An added token has the bytes of its name; a gap is undefined. */
  readonly tokens: readonly (Uint8Array | undefined)[];
  readonly merges: PairTable;
  readonly added: readonly AddedToken[];
  /** Words that were added later and that the merges make too, with their bytes in the vocabulary. */
  readonly alsoMerged?: ReadonlyMap<number, Uint8Array>;
  /**
   * The rules that cut the text. If there are several, each cuts inside the pieces of the one before; if
   * there are none, the text is one piece.
   */
  readonly pieces: readonly CutName[];
  /** What cuts the text, where no rules can say it. */
  readonly cut?: PreTokenizer | undefined;
  /** A piece that is a token becomes that token, whatever the merges say (Llama 3). */
  readonly wholePieces?: boolean;
  /** A space is put before each text that does not begin with one. */
  readonly addsSpace?: boolean;
  readonly normalize?: Normalizer | undefined;
  /** The token for a byte that no token stands for. With `fused`, several such bytes in a row become one. */
  readonly unknown?: { readonly id: number; readonly fused: boolean } | undefined;
  readonly beginOfText: number | undefined;
  readonly endOfText: number | undefined;
  readonly stops?: readonly number[];
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export function byteLevelTokenizer(parts: ByteLevelParts): Tokenizer {
  const { tokens, added, addsSpace = false, endOfText, cut } = parts;
  const segments = segmentsAt(added, parts.normalize);
  const encodeText = byteEncoder(parts);
  const encodePart: Parameters<typeof encodersOf>[1] = cut
    ? ({ text, start }, out, spill) => cut(text, start, (piece) => encodeText(piece, out, spill))
    : ({ text }, out, spill) =>
        encodeText(addsSpace && !text.startsWith(" ") ? ` ${text}` : text, out, spill);
  return {
    name: parts.name,
    size: tokens.length,
    absent: absentIn(tokens),
    bytes: bytesFrom(tokens),
    ...encodersOf(segments, encodePart),
    special: specialsOf(added),
    unknown: parts.unknown?.id,
    beginOfText: parts.beginOfText,
    endOfText,
    addsSpace,
    files: parts.files,
    stops: new Set([...(endOfText === undefined ? [] : [endOfText]), ...(parts.stops ?? [])]),
    ...plainOf(added, segments),
  };
}

function byteEncoder({ name, tokens, merges, added, unknown, ...parts }: ByteLevelParts): PieceEncoder {
  const addedIds = new Set(added.map((token) => token.id));
  const merged = Array.from(
    tokens,
    (bytes, id) => parts.alsoMerged?.get(id) ?? (addedIds.has(id) ? undefined : bytes),
  );
  const byteIds = singleBytes(merged);
  const wholePiece = parts.wholePieces ? wholePieces(merged) : undefined;
  let buffer = new Uint8Array(1024);
  const toBytes = (text: string, from: number, to: number): number => {
    if (buffer.length < 3 * (to - from)) buffer = new Uint8Array(3 * (to - from));
    return utf8Into(text, from, to, buffer);
  };
  return pieceEncoder({
    nextPiece: parts.cut ? (text) => text.length : nextPiece(...parts.pieces),
    symbols(text, from, to, out) {
      const n = toBytes(text, from, to);
      let symbols = 0;
      let before = false;
      for (let i = 0; i < n; i++) {
        const id = byteIds[buffer[i]!]!;
        if (id < 0 && !unknown) throw noByte(name, buffer[i]!, text.slice(from, to));
        if (id >= 0 || !(before && unknown!.fused)) out[symbols++] = id < 0 ? unknown!.id : id;
        before = id < 0;
      }
      return symbols;
    },
    merges,
    whole: wholePiece && ((text, from, to) => wholePiece(buffer, toBytes(text, from, to))),
  });
}

/** For each byte the id of the token that is just this byte, or −1. */
function singleBytes(tokens: ByteLevelParts["tokens"]): Int32Array {
  const ids = new Int32Array(256).fill(-1);
  for (const [id, bytes] of tokens.entries())
    if (bytes?.length === 1 && ids[bytes[0]!]! < 0) ids[bytes[0]!] = id;
  return ids;
}

const noByte = (name: string, byte: number, piece: string): SinterError =>
  new SinterError(
    "input",
    `the ${name} tokenizer has no token for byte 0x${byte.toString(16).padStart(2, "0")} of ` +
      `${JSON.stringify(piece.slice(0, 20))}`,
    "Its vocabulary lacks some of the 256 bytes; train one with sinter tokenizer train, which has them all.",
  );

type FindWhole = (bytes: Uint8Array, n: number) => number;

function wholePieces(tokens: ByteLevelParts["tokens"]): FindWhole {
  const strings = new ByteStrings(tokens);
  return (bytes, n) => strings.find(bytes, 0, n);
}

/**
 * The merges of a vocabulary whose ids are ranks (tiktoken). Two neighbours join when the result is a token;
 * the lowest id comes first.
 */
export function mergesByRank(tokens: readonly Uint8Array[]): PairTable {
  const strings = new ByteStrings(tokens);
  const merges = new PairTable(2 * tokens.length);
  for (const [id, bytes] of tokens.entries())
    for (let cut = 1; cut < bytes.length; cut++) {
      const left = strings.find(bytes, 0, cut);
      const right = left < 0 ? -1 : strings.find(bytes, cut, bytes.length);
      if (right >= 0) merges.add(left, right, id, id);
    }
  return merges;
}

/**
 * Reads llama2.c's tokenizer.bin: a sentencepiece vocabulary without the kinds of its pieces (llama2.c,
 * tokenizer.py, export). It is little-endian: a u32 with the length of the longest piece, then for each id an
 * f32 score, a u32 length and the text. Spaces stand for themselves, and control pieces are written as
 * "\n<s>\n". The ids have fixed meanings: 0 is unknown, 1 begins a text, 2 ends it, and 3 … 258 are the
 * bytes.
 */
import { SinterError } from "../../base/errors.ts";
import { MARK, sentencePieceTokenizer, type Piece } from "./sentencepiece.ts";
import { MAX_TABLE_BYTES, MAX_TOKEN_BYTES, MAX_TOKENS } from "../base/tiktoken.ts";
import type { Tokenizer } from "../base/tokenizer.ts";

export const LLAMA2C_FILE = "tokenizer.bin";
const FIRST_BYTE = 3;
const FIXED = FIRST_BYTE + 256;

type Bad = (why: string, at: number) => SinterError;

export function llama2cFile(
  bytes: Uint8Array,
  name: Tokenizer["name"],
  from: string = LLAMA2C_FILE,
): Tokenizer {
  const bad: Bad = (why, at) =>
    new SinterError(
      "corrupt",
      `${from}: byte ${at}: ${why}`,
      "It should be a tokenizer.bin as llama2.c writes it.",
    );
  if (bytes.length > MAX_TABLE_BYTES)
    throw bad(`the file goes on; at most ${MAX_TABLE_BYTES} bytes are read`, MAX_TABLE_BYTES);
  if (bytes.length < 4) throw bad("the file ends", bytes.length);
  const longest = viewOf(bytes).getUint32(0, true);
  if (longest === 0 || longest > MAX_TOKEN_BYTES)
    throw bad(`longest piece of ${longest} bytes; 1 … ${MAX_TOKEN_BYTES} are possible`, 0);
  const pieces: Piece[] = [];
  const seen = new Set<string>();
  for (let at = 4; at < bytes.length;) {
    const id = pieces.length;
    if (id === MAX_TOKENS) throw bad(`more than ${MAX_TOKENS} pieces`, at);
    const { text, score, end } = entryAt(bytes, at, { id, longest }, bad);
    const piece = pieceOf(id, text, score);
    if (piece === undefined)
      throw bad(
        `piece ${id} is ${JSON.stringify(text)}; ids 0 … ${FIXED - 1} are <unk>, <s>, </s> and the bytes`,
        at,
      );
    if (piece.kind === "normal" && seen.has(text))
      throw bad(`piece ${id}, ${JSON.stringify(text)}, stands there a second time`, at);
    if (piece.kind === "normal") seen.add(text);
    pieces.push(piece);
    at = end;
  }
  if (pieces.length <= FIXED)
    throw bad(`${pieces.length} pieces; more than ${FIXED} have to be there`, bytes.length);
  return sentencePieceTokenizer({
    name,
    pieces,
    addsSpace: true,
    beginOfText: 1,
    endOfText: 2,
    files: new Map([[LLAMA2C_FILE, bytes]]),
  });
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An id's score and text as the file has them, and the byte behind them. */
function entryAt(
  bytes: Uint8Array,
  at: number,
  { id, longest }: { readonly id: number; readonly longest: number },
  bad: Bad,
): { readonly text: string; readonly score: number; readonly end: number } {
  const from = at + 8;
  if (bytes.length < from) throw bad(`the file ends within piece ${id}`, at);
  const view = viewOf(bytes);
  const score = view.getFloat32(at, true);
  const length = view.getUint32(at + 4, true);
  if (!Number.isFinite(score)) throw bad(`piece ${id} has a score that is no number`, at);
  const most = Math.min(longest, bytes.length - from);
  if (length > most) throw bad(`piece ${id} of ${length} bytes; ${most} are possible`, at + 4);
  try {
    return { text: utf8.decode(bytes.subarray(from, from + length)), score, end: from + length };
  } catch {
    throw bad(`piece ${id} is not UTF-8 text`, from);
  }
}

const named = ["<unk>", "<s>", "</s>"];

/** The piece of an id; undefined where the text is not what it has to be. */
function pieceOf(id: number, text: string, score: number): Piece | undefined {
  if (id < FIRST_BYTE)
    return text.trim() === named[id]
      ? { text: named[id]!, score, kind: id === 0 ? "unknown" : "control" }
      : undefined;
  const byte = `<0x${(id - FIRST_BYTE).toString(16).toUpperCase().padStart(2, "0")}>`;
  if (id < FIXED) return text === byte ? { text, score, kind: "byte" } : undefined;
  return text === "" ? undefined : { text: text.replaceAll(" ", MARK), score, kind: "normal" };
}

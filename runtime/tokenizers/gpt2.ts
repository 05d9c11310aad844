/**
 * GPT-2's tokenizer (Radford et al. 2019): 256 bytes, 50,000 merges, <|endoftext|>. Made from the two published files,
 * encoder.json (names → ids) and vocab.bpe (merges in rank order).
 */
import { SinterError } from "../errors.ts";
import { byteCharacters, bytesOfName } from "./byte-level.ts";
import { mergePairs, pairKey, type Merges } from "./bpe.ts";
import type { Tokenizer } from "./tokenizer.ts";

export const GPT2_FILES = ["encoder.json", "vocab.bpe"] as const;

/**
 * Pieces that merges never cross. `\s` of the original means Unicode's White_Space; JavaScript's own \s has U+FEFF too, and
 * lacks U+0085.
 */
const PIECE = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const CACHED_PIECES = 100_000;
const CACHED_LENGTH = 64; // characters: longer pieces seldom come again
const END_OF_TEXT = "<|endoftext|>";

export function gpt2Tokenizer(encoderJson: Uint8Array, vocabBpe: Uint8Array): Tokenizer {
  const ids = parseEncoder(encoderJson);
  const table: Uint8Array[] = [];
  const utf8 = new TextEncoder();
  for (const [name, id] of ids) table[id] = bytesOfName(name) ?? utf8.encode(name);
  const byteIds = byteCharacters.map((character) => idOf(ids, character));
  const merges = parseMerges(vocabBpe, ids);

  const cache = new Map<string, readonly number[]>();
  const encodePiece = (piece: string): readonly number[] => {
    const known = cache.get(piece);
    if (known) return known;
    const found = mergePairs(Array.from(utf8.encode(piece), (byte) => byteIds[byte]!), merges);
    if (piece.length <= CACHED_LENGTH) {
      if (cache.size >= CACHED_PIECES) cache.clear();
      cache.set(piece, found);
    }
    return found;
  };
  const encode = (text: string): number[] => {
    const out: number[] = [];
    for (const [piece] of text.matchAll(PIECE)) for (const id of encodePiece(piece)) out.push(id);
    return out;
  };
  const files = new Map([[GPT2_FILES[0], encoderJson], [GPT2_FILES[1], vocabBpe]]);
  return { name: "gpt2", size: table.length, encode, bytes: (id) => table[id]!, endOfText: ids.get(END_OF_TEXT), files };
}

const bad = (file: string, why: string): SinterError =>
  new SinterError("corrupt", `${file}: ${why}`, "Use the encoder.json and vocab.bpe that were published with GPT-2.");

function idOf(ids: ReadonlyMap<string, number>, name: string): number {
  const id = ids.get(name);
  if (id === undefined) throw bad("encoder.json", `no token ${JSON.stringify(name)}`);
  return id;
}

/** Names → ids 0 … n − 1, each once. */
function parseEncoder(bytes: Uint8Array): ReadonlyMap<string, number> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw bad("encoder.json", (cause as Error).message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad("encoder.json", "not an object of names and ids");
  const ids = new Map<string, number>(Object.entries(value));
  const seen = new Uint8Array(ids.size);
  for (const [name, id] of ids) {
    if (!Number.isInteger(id) || id < 0 || id >= ids.size) throw bad("encoder.json", `${JSON.stringify(name)} has id ${JSON.stringify(id)}; ids are 0 … ${ids.size - 1}`);
    if (seen[id]!++) throw bad("encoder.json", `id ${id} is given twice`);
  }
  return ids;
}

function parseMerges(bytes: Uint8Array, ids: ReadonlyMap<string, number>): Merges {
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/).filter((line, i) => line !== "" && !(i === 0 && line.startsWith("#version")));
  const rank = new Map<number, number>();
  const joined = new Int32Array(lines.length);
  for (const [i, line] of lines.entries()) {
    const [left, right, more] = line.split(" ");
    if (!left || !right || more !== undefined) throw bad("vocab.bpe", `merge ${i + 1} is not two names: ${JSON.stringify(line.slice(0, 40))}`);
    const key = pairKey(idOf(ids, left), idOf(ids, right));
    if (!rank.has(key)) rank.set(key, i);
    joined[i] = idOf(ids, left + right);
  }
  return { rank, joined };
}

/**
 * Llama 3's tokenizer: 128,000 ranks and 256 special tokens behind them (llama-models,
 * models/llama3/tokenizer.py, release 3.1 and later; 3.0 had reserved names for ids 4, 8, 10 and 11).
 */
import { SinterError } from "../../base/errors.ts";
import type { AddedToken } from "../base/added-tokens.ts";
import { byteLevelTokenizer, mergesByRank } from "../json/byte-level-bpe.ts";
import { parseRanks } from "../base/tiktoken.ts";
import type { Tokenizer } from "../base/tokenizer.ts";

export const LLAMA3_FILE = "tokenizer.model";
const RANKS = 128_000;
const SPECIALS = 256;

/** The first special tokens. The others are <|reserved_special_token_2 … 245|>. */
const named = [
  "begin_of_text",
  "end_of_text",
  "reserved_special_token_0",
  "reserved_special_token_1",
  "finetune_right_pad_id",
  "step_id",
  "start_header_id",
  "end_header_id",
  "eom_id",
  "eot_id",
  "python_tag",
  "image",
] as const;

export const llama3Specials: readonly AddedToken[] = Array.from({ length: SPECIALS }, (_, i) => ({
  name: `<|${named[i] ?? `reserved_special_token_${i - named.length + 2}`}|>`,
  id: RANKS + i,
  special: true,
}));

const idOf = (name: (typeof named)[number]): number => RANKS + named.indexOf(name);

/** Throws a SinterError that names the line that is wrong. */
export function llama3Tokenizer(ranksFile: Uint8Array, from: string = LLAMA3_FILE): Tokenizer {
  const ranks = parseRanks(ranksFile, from);
  if (ranks.length !== RANKS)
    throw new SinterError(
      "corrupt",
      `${from} has ${ranks.length} tokens; Llama 3's has ${RANKS}`,
      "Use the tokenizer.model that was published with Llama 3.",
    );
  const utf8 = new TextEncoder();
  return byteLevelTokenizer({
    name: "llama3",
    tokens: [...ranks, ...llama3Specials.map((token) => utf8.encode(token.name))],
    merges: mergesByRank(ranks),
    added: llama3Specials,
    pieces: ["llama3"],
    wholePieces: true,
    beginOfText: idOf("begin_of_text"),
    endOfText: idOf("end_of_text"),
    stops: [idOf("eom_id"), idOf("eot_id")],
    files: new Map([[LLAMA3_FILE, ranksFile]]),
  });
}

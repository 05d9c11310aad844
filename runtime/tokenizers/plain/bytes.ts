/** A tokenizer with one token per byte of UTF-8: 256 tokens, nothing to train, nothing unknown. */
import { SinterError } from "../../base/errors.ts";
import {
  bytesFrom,
  characterByCharacter,
  END_OF_TEXT,
  endsAt,
  nothingSpecial,
  type Tokenizer,
} from "../base/tokenizer.ts";

/** The file of a `bytes` tokenizer that has an end token. Without one, no file is needed. */
export const BYTES_FILE = "bytes.json";
const BYTES = 256;

/** With `ends`, token 256 begins and ends documents. */
export function byteTokenizer({ ends = false } = {}): Tokenizer {
  const encoder = new TextEncoder();
  const singles = Array.from({ length: BYTES }, (_, byte) => Uint8Array.of(byte));
  const table = ends ? [...singles, encoder.encode(END_OF_TEXT)] : singles;
  const file = encoder.encode(JSON.stringify({ [END_OF_TEXT]: BYTES }));
  const encode = (text: string): number[] => Array.from(encoder.encode(text));
  return {
    name: "bytes",
    size: table.length,
    encode,
    encodeInParts: characterByCharacter(encode),
    bytes: bytesFrom(table),
    ...(ends ? endsAt(BYTES) : nothingSpecial),
    files: new Map(ends ? [[BYTES_FILE, file]] : []),
  };
}

export function parseBytes(text: string, from: string): Tokenizer {
  const { files, ...tokenizer } = byteTokenizer({ ends: true });
  if (text.trim() === new TextDecoder().decode(files.get(BYTES_FILE))) return { ...tokenizer, files };
  const wanted = `It holds {"${END_OF_TEXT}":${BYTES}}.`;
  throw new SinterError("corrupt", `${from} is not what training writes there`, wanted);
}

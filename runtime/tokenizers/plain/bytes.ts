/**
 * A tokenizer with one token per byte of UTF-8: 256 tokens, nothing to train, nothing unknown. Special tokens
 * may stand behind them: the end of documents, the marks of a chat format.
 */
import { SinterError } from "../../base/errors.ts";
import { isSpecialName, specialsBehind } from "../base/plain-specials.ts";
import { bytesFrom, characterByCharacter, END_OF_TEXT, type Tokenizer } from "../base/tokenizer.ts";

/** The file of a `bytes` tokenizer with special tokens: their ids by name. Without any, none is needed. */
export const BYTES_FILE = "bytes.json";
const BYTES = 256;

interface ByteOptions {
  /** Token 256 begins and ends documents. */
  readonly ends?: boolean;
  /** The names of all special tokens, in the order of their ids. */
  readonly special?: readonly string[];
}

export function byteTokenizer({
  ends = false,
  special = ends ? [END_OF_TEXT] : [],
}: ByteOptions = {}): Tokenizer {
  const encoder = new TextEncoder();
  const singles = Array.from({ length: BYTES }, (_, byte) => Uint8Array.of(byte));
  const table = [...singles, ...special.map((name) => encoder.encode(name))];
  const file = encoder.encode(
    JSON.stringify(Object.fromEntries(special.map((name, i) => [name, BYTES + i]))),
  );
  const encode = (text: string): number[] => Array.from(encoder.encode(text));
  return {
    name: "bytes",
    size: table.length,
    encodeInParts: characterByCharacter(encode),
    bytes: bytesFrom(table),
    ...specialsBehind(special, BYTES, encode),
    files: new Map(special.length > 0 ? [[BYTES_FILE, file]] : []),
  };
}

/** Reads {"<|endoftext|>":256, …}: special tokens with the ids from 256 on. */
export function parseBytes(text: string, from: string): Tokenizer {
  const special = Object.keys(objectIn(text));
  const tokenizer = byteTokenizer({ special });
  const written = new TextDecoder().decode(tokenizer.files.get(BYTES_FILE));
  if (special.length > 0 && special.every(isSpecialName) && text.trim() === written) return tokenizer;
  const wanted = `It holds special tokens with their ids, as {"${END_OF_TEXT}":${BYTES}}.`;
  throw new SinterError("corrupt", `${from} is not what training writes there`, wanted);
}

/** Nothing, where the text is no object. */
function objectIn(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** One token per byte of UTF-8: 256 tokens, nothing to learn, nothing unknown. */
import { bytesFrom, nothingSpecial, type Tokenizer } from "./tokenizer.ts";

export function byteTokenizer(): Tokenizer {
  const table = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const encoder = new TextEncoder();
  return { name: "bytes", size: 256, encode: (text) => Array.from(encoder.encode(text)), bytes: bytesFrom(table), ...nothingSpecial, files: new Map() };
}

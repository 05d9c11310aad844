/** What every tokenizer can do. Ids are 0 … size − 1; `bytes` of an id are what it stands for in UTF-8 text. */
import type { TokenizerName } from "../../compiler/2-check/model.ts";

export interface Tokenizer {
  readonly name: TokenizerName;
  readonly size: number;
  /** Throws SinterError when the text has a character that no token stands for. */
  encode(text: string): number[];
  bytes(id: number): Uint8Array;
  /** Text that ends a document, in training and sampling; undefined when the vocabulary has none. */
  readonly endOfText: number | undefined;
  /** Files to keep beside a run, so that it can be sampled later: name → contents. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const utf8 = new TextDecoder();

/** Text of a sequence; bytes that are not UTF-8 become U+FFFD. */
export function decode(tokenizer: Tokenizer, ids: readonly number[]): string {
  return utf8.decode(concat(ids.map((id) => tokenizer.bytes(id))));
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The thread of bounded-tokenizer.ts: a tokenizer.json with expressions of its own. */
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { readTokenizerJson } from "../tokenizers/json/read-tokenizer-json.ts";
import { serveBounded } from "./serve-bounded.ts";

export type JsonQuestion =
  | {
      readonly ask: "open";
      readonly json: Uint8Array;
      readonly config: Uint8Array | undefined;
      readonly from: string;
    }
  | { readonly ask: "encode"; readonly text: string; readonly special: boolean }
  | { readonly ask: "plain"; readonly text: string };

/** What a tokenizer says of itself, and the bytes of its tokens. */
export interface JsonOpened {
  readonly facts: Pick<
    Tokenizer,
    "size" | "absent" | "special" | "beginOfText" | "endOfText" | "stops" | "addsSpace" | "note"
  >;
  readonly bytes: readonly Uint8Array[];
  readonly marksText: boolean;
}

/** `plain`: the marked text. `encode`: ids. */
export type JsonAnswer = JsonOpened | { readonly unsupported: string } | Int32Array | string;

let tokenizer: Tokenizer | undefined;

function open(question: Extract<JsonQuestion, { ask: "open" }>): JsonAnswer {
  const reading = readTokenizerJson(question, { anyExpression: true });
  if (!("tokenizer" in reading)) return reading;
  tokenizer = reading.tokenizer;
  const { size, absent, special, beginOfText, endOfText, stops, addsSpace, note, bytes } = tokenizer;
  return {
    facts: { size, absent, special, beginOfText, endOfText, stops, addsSpace, note },
    bytes: Array.from({ length: size }, (_, id) => bytes(id)),
    marksText: tokenizer.plain !== undefined,
  };
}

serveBounded<JsonQuestion, JsonAnswer>((question) => {
  switch (question.ask) {
    case "open":
      return open(question);
    case "encode":
      return Int32Array.from(tokenizer!.encode(question.text, { special: question.special }));
    case "plain":
      return tokenizer!.plain!(question.text);
  }
});

/** The thread of tokenizer-json.ts: @huggingface/tokenizers on one file. */
import { Tokenizer } from "@huggingface/tokenizers";
import { serveBounded } from "./serve-bounded.ts";

export type JsonQuestion =
  | { readonly ask: "open"; readonly json: Uint8Array; readonly config: Uint8Array | undefined }
  | { readonly ask: "encode"; readonly text: string }
  | { readonly ask: "bytes"; readonly id: number };

/** The highest id and 1, ids below it that no token has, and whether decoding drops a space at the beginning. */
export interface JsonOpened { readonly size: number; readonly absent: readonly number[]; readonly addsSpace: boolean }

/** encode: ids; bytes: those of one token. */
export type JsonAnswer = JsonOpened | readonly number[] | Uint8Array;

let tokenizer: Tokenizer | undefined;
let anchor: number | undefined; // an ordinary token, to stand before others

const utf8 = new TextDecoder("utf-8", { fatal: true });
const parse = (bytes: Uint8Array): object => JSON.parse(utf8.decode(bytes)) as object;
const decode = (...ids: number[]): string => tokenizer!.decode(ids, { skip_special_tokens: false, clean_up_tokenization_spaces: false });

/** The package insists on these. */
const defaults = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };

function open(json: Uint8Array, config: Uint8Array | undefined): JsonAnswer {
  tokenizer = new Tokenizer({ ...defaults, ...parse(json) }, config ? parse(config) : {});
  const ids = [...tokenizer.get_vocab(true).values()], size = ids.reduce((most, id) => Math.max(most, id + 1), 0);
  const seen = new Uint8Array(size);
  for (const id of ids) {
    if (!Number.isInteger(id) || id < 0) throw new Error(`has the id ${String(id)}`);
    seen[id] = 1;
  }
  const absent: number[] = [];
  for (let id = 0; id < size; id++) if (seen[id] === 0) absent.push(id);
  anchor = tokenizer.encode("a", { add_special_tokens: false }).ids[0];
  const addsSpace = anchor !== undefined && added(anchor).startsWith(" ") && !decode(anchor).startsWith(" ");
  return { size, absent, addsSpace };
}

/** What a token adds to a text that has begun. */
function added(id: number): string {
  if (anchor === undefined) return decode(id);
  const before = decode(anchor), both = decode(anchor, id);
  return both.startsWith(before) ? both.slice(before.length) : decode(id);
}

function bytes(id: number): Uint8Array {
  if (tokenizer!.id_to_token(id) === undefined) return new Uint8Array(0); // a gap
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(tokenizer!.id_to_token(id) ?? "");
  return byte ? Uint8Array.of(Number.parseInt(byte[1]!, 16)) : new TextEncoder().encode(added(id));
}

serveBounded<JsonQuestion, JsonAnswer>((question) => {
  switch (question.ask) {
    case "open": return open(question.json, question.config);
    case "encode": return tokenizer!.encode(question.text, { add_special_tokens: false }).ids;
    case "bytes": return bytes(question.id);
  }
});

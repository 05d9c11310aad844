/**
 * Reads tokenizer.json files that have regular expressions of their own. An expression from a file may search
 * for ever, so the reader runs in a thread that can be ended.
 */
import { SinterError } from "../base/errors.ts";
import { guarded } from "../tokenizers/base/added-tokens.ts";
import { bytesFrom, type Tokenizer } from "../tokenizers/base/tokenizer.ts";
import {
  CONFIG_FILE,
  JSON_FILE,
  unsupportedJson,
  type JsonFiles,
} from "../tokenizers/json/read-tokenizer-json.ts";
import { boundedWorker } from "./bounded-worker.ts";
import type { JsonAnswer, JsonOpened, JsonQuestion } from "./bounded-tokenizer-worker.ts";

/**
 * The time for opening a file and for encoding a text; a long text gets a second more per million characters.
 */
const OPEN_MS = 60_000;
const ENCODE_MS = 10_000;
const MEGABYTES = 1024;
/** The most characters of a text that are encoded at once. */
const MOST_AT_ONCE = 1 << 26;

/** Reads what readTokenizerJson does not: the `other` of openTokenizer, openRun and tokenizerIn. */
export function otherJson({ json, config, from }: JsonFiles): Tokenizer {
  const worker = boundedWorker<JsonQuestion, JsonAnswer>({
    url: new URL("./bounded-tokenizer-worker.ts", import.meta.url),
    from,
    megabytes: MEGABYTES,
  });
  const opened = worker.ask({ ask: "open", json, config, from }, OPEN_MS) as
    | JsonOpened
    | { readonly unsupported: string };
  if ("unsupported" in opened) {
    worker.close();
    throw unsupportedJson(from, opened.unsupported);
  }
  const { facts, marksText } = opened;
  const msFor = (text: string): number => ENCODE_MS + text.length / 1000;
  const ask = (text: string, special: boolean): Int32Array => {
    if (text.length > MOST_AT_ONCE) throw tooLong(from, text.length);
    return worker.ask({ ask: "encode", text, special }, msFor(text)) as Int32Array;
  };
  return {
    name: "json",
    ...facts,
    files: new Map([[JSON_FILE, json], ...(config ? [[CONFIG_FILE, config] as const] : [])]),
    encode: (text, { special = false } = {}) => Array.from(ask(text, special)),
    encodeInParts: (text, take) => take(Array.from(ask(text, false))),
    bytes: bytesFrom(opened.bytes),
    plain: (text) =>
      marksText ? (worker.ask({ ask: "plain", text }, msFor(text)) as string) : guarded(text, facts.special),
  };
}

const tooLong = (from: string, characters: number): SinterError =>
  new SinterError(
    "input",
    `${from} has expressions of its own, and encodes at most ${MOST_AT_ONCE} characters at once, not ` +
      `${characters}`,
    "Use a part of the text.",
  );

/**
 * Tokenizers of every kind that a tokenizer.json can describe (WordPiece, Unigram, other pre-tokenizers), through
 * @huggingface/tokenizers. Expressions and tables of the file work in a thread that can be ended.
 */
import { MAX_TOKENS } from "../tokenizers/tiktoken.ts";
import { SinterError } from "../errors.ts";
import { segmentsAt, specialsOf } from "../tokenizers/added-tokens.ts";
import { parseJson } from "../tokenizers/json-fields.ts";
import { specialRoles } from "../tokenizers/special-roles.ts";
import { addedIn, CONFIG_FILE, configPath, firstSpecial, JSON_FILE, MAX_JSON_BYTES, type JsonFiles } from "../tokenizers/tokenizer-json.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { boundedWorker } from "./bounded-worker.ts";
import type { JsonAnswer, JsonOpened, JsonQuestion } from "./tokenizer-json-worker.ts";

/** For the files' own work; a long text gets a second more for each million characters. */
const OPEN_MS = 60_000, ENCODE_MS = 10_000;
const MEGABYTES = 1024;

/** Reads what readTokenizerJson does not: the `other` of openTokenizer, openRun and tokenizerIn. */
export function otherJson({ json, config, from }: JsonFiles): Tokenizer {
  const root = parseJson(json, from, MAX_JSON_BYTES), added = addedIn(root);
  const names = new Map(added.map((token) => [token.name, token.id]));
  const roles = specialRoles(added, firstSpecial(root, names), config && parseJson(config, configPath(from), MAX_JSON_BYTES));
  const worker = boundedWorker<JsonQuestion, JsonAnswer>({ url: new URL("./tokenizer-json-worker.ts", import.meta.url), from, megabytes: MEGABYTES });
  const { size, absent, addsSpace } = worker.ask({ ask: "open", json, config }, OPEN_MS) as JsonOpened;
  if (size > MAX_TOKENS)
    throw new SinterError("corrupt", `${from} has ${size} tokens; at most ${MAX_TOKENS} are read`);
  const segments = segmentsAt(added), special = specialsOf(added);
  const nameIds = new Map(added.map((token) => [token.id, new TextEncoder().encode(token.name)]));
  const known = new Map<number, Uint8Array>(nameIds);
  const encodePlain = (text: string): readonly number[] => worker.ask({ ask: "encode", text }, ENCODE_MS + text.length / 1000) as readonly number[];
  return {
    name: "json", size, absent: absent.length > 0 ? new Set(absent) : undefined, special, beginOfText: roles.beginOfText, endOfText: roles.endOfText, stops: new Set(roles.stops), addsSpace,
    files: new Map([[JSON_FILE, json], ...(config ? [[CONFIG_FILE, config] as const] : [])]),
    encode(text, { special: wanted = false } = {}) {
      const out: number[] = [];
      for (const part of segments(text, wanted))
        if (typeof part === "number") out.push(part);
        else for (const plain of apart(part, special)) for (const id of encodePlain(plain)) out.push(id);
      return out;
    },
    bytes(id) {
      if (!Number.isInteger(id) || id < 0 || id >= size)
        throw new RangeError(`there is no token ${id}; ids are 0 … ${size - 1}`);
      let bytes = known.get(id);
      if (!bytes) known.set(id, bytes = worker.ask({ ask: "bytes", id }, ENCODE_MS) as Uint8Array);
      return bytes;
    },
  };
}

/** The package takes special tokens out of any text; where their names are plain text, it sees each in two parts. */
function apart(text: string, special: ReadonlyMap<string, number>): readonly string[] {
  const cuts = new Set<number>();
  for (const name of special.keys())
    for (let at = text.indexOf(name); at >= 0 && name.length > 1; at = text.indexOf(name, at + 1)) cuts.add(at + 1);
  const places = [0, ...[...cuts].sort((a, b) => a - b), text.length];
  return places.slice(1).map((end, i) => text.slice(places[i], end)).filter((part) => part !== "");
}

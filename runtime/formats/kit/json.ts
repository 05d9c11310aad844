/**
 * Reads JSON files that came with a model. They are not trusted: objects become maps, so that no key can have
 * a special meaning, and a key that an object has twice is an error.
 */
import { textOfPart } from "../../base/text.ts";
import { corruptFile, quoted } from "./weights.ts";

export type Json = null | boolean | number | string | readonly Json[] | ReadonlyMap<string, Json>;

/** No configuration is nested deeper. */
const MAX_DEPTH = 64;

export function parseJson(bytes: Uint8Array, from: string): Json {
  try {
    const text = textOfPart(bytes, from);
    const value = plain(JSON.parse(text) as unknown, from, 0);
    const twice = duplicateKey(text);
    if (twice !== undefined)
      throw corruptFile(
        from,
        `the key ${quoted(twice)} stands there twice in one object`,
        "Leave out the one that is not meant.",
      );
    return value;
  } catch (cause) {
    if (cause instanceof SyntaxError) throw corruptFile(from, cause.message);
    throw cause;
  }
}

function plain(value: unknown, from: string, depth: number): Json {
  if (depth > MAX_DEPTH) throw corruptFile(from, `nested more than ${MAX_DEPTH} deep`);
  if (Array.isArray(value)) return value.map((item) => plain(item, from, depth + 1));
  if (typeof value === "object" && value !== null)
    return new Map(Object.entries(value).map(([key, item]) => [key, plain(item, from, depth + 1)]));
  return value as null | boolean | number | string;
}

/** A string, or a character that opens, closes or separates. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g;

/**
 * The first key that some object of a valid JSON text has twice. JSON.parse silently takes the last of them.
 */
function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // keys of an open object; undefined for an open list
  let isKey = false;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") open.push(token === "{" ? new Set() : undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token !== "," && isKey) {
      const key = JSON.parse(token) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
    isKey = (token === "{" || token === ",") && open.at(-1) !== undefined;
  }
  return undefined;
}

export const isRecord = (value: Json | undefined): value is ReadonlyMap<string, Json> => value instanceof Map;

export function record(value: Json | undefined, from: string, what: string): ReadonlyMap<string, Json> {
  if (!isRecord(value)) throw corruptFile(from, `${what} is no object`);
  return value;
}

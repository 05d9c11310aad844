/** Applies the files beside a tokenizer to it, and limits a tokenizer to the rows of its model. */
import { SinterError } from "../../base/errors.ts";
import type { AddedToken } from "../base/added-tokens.ts";
import type { Beside } from "./beside.ts";
import { besideFiles, type Listener } from "./beside-files.ts";
import { field, list, parseJson, shown, type JsonNode } from "../base/json-fields.ts";
import { isObject } from "../../base/schema.ts";
import { specialRoles, tokenName } from "../base/special-roles.ts";
import { MAX_JSON_BYTES } from "../json/read-tokenizer-json.ts";
import type { Tokenizer } from "../base/tokenizer.ts";

/**
 * The tokenizer with the roles, end tokens and decoding that the files beside it say, and with these files.
 */
export function withBeside(tokenizer: Tokenizer, beside: Beside, listener?: Listener): Tokenizer {
  const { config, ends, files } = beside;
  if (files.size === 0) return tokenizer;
  // The readers of tokenizer.json have already applied the configuration.
  const roles = tokenizer.name === "json" ? tokenizer : rolesOf(tokenizer, config);
  if (listener && config) sayDifferences(tokenizer, beside, config, listener);
  const own = [...tokenizer.files].filter(([name]) => !Object.hasOwn(besideFiles, name));
  return {
    ...tokenizer,
    beginOfText: roles.beginOfText,
    endOfText: roles.endOfText ?? ends[0],
    stops: new Set([...roles.stops, ...ends]),
    cleansSpaces: config !== undefined && field(config, "clean_up_tokenization_spaces").value === true,
    files: new Map([...own, ...files]),
  };
}

type Roles = Pick<Tokenizer, "beginOfText" | "endOfText" | "stops">;

/** The roles of the special tokens: the tokenizer's own, unless the configuration says otherwise. */
function rolesOf(tokenizer: Tokenizer, config: JsonNode | undefined): Roles {
  const special = [...tokenizer.special].map(([name, id]): AddedToken => ({ name, id, special: true }));
  const { beginOfText, endOfText, stops } = specialRoles(special, tokenizer.beginOfText, config);
  const begins =
    beginOfText === undefined ? undefined : (idOf(tokenizer, config, "bos_token") ?? beginOfText);
  const named = idOf(tokenizer, config, "eos_token");
  return {
    beginOfText: begins,
    endOfText: named ?? tokenizer.endOfText ?? endOfText,
    stops: new Set([...tokenizer.stops, ...stops]),
  };
}

function idOf({ special }: Tokenizer, config: JsonNode | undefined, role: string): number | undefined {
  const name = config && tokenName(field(config, role));
  return name === undefined ? undefined : special.get(name);
}

const MOST_NAMED = 8;

/** Tells the listener what the configuration says and the tokenizer's own files do not do. */
function sayDifferences(tokenizer: Tokenizer, { added }: Beside, config: JsonNode, listener: Listener): void {
  const space = field(config, "add_prefix_space").value;
  const utf8 = new TextDecoder();
  if (typeof space === "boolean" && space !== tokenizer.addsSpace)
    listener(
      `tokenizer_config.json says add_prefix_space ${space}, ` +
        `the tokenizer's own file ${!space}, which counts`,
    );
  const nameAt = (id: number): string | undefined =>
    id < tokenizer.size ? utf8.decode(tokenizer.bytes(id)) : undefined;
  const other = added.filter(({ id, name }) => nameAt(id) !== name && tokenizer.special.get(name) !== id);
  const roles = ["bos_token", "eos_token"].flatMap((role) => tokenName(field(config, role)) ?? []);
  const listed = ["additional_special_tokens", "extra_special_tokens"].flatMap((key) =>
    namesIn(field(config, key)),
  );
  const known = (name: string): boolean =>
    tokenizer.special.has(name) || added.some((token) => token.name === name);
  const lacking = [...new Set([...roles, ...listed])].filter((name) => !known(name));
  const missing = [
    ...other.map(({ name, id }) => `${shown(name)} (${id})`),
    ...lacking.map((name) => shown(name)),
  ];
  const more = missing.length > MOST_NAMED ? ` and ${missing.length - MOST_NAMED} more` : "";
  if (missing.length > 0)
    listener(
      `tokenizer_config.json names ${missing.slice(0, MOST_NAMED).join(", ")}${more}, ` +
        "which the tokenizer has not as special tokens: left out",
    );
}

/** The names of tokens in a list, or in an object whose keys are their uses. */
function namesIn(node: JsonNode): readonly string[] {
  const nodes = isObject(node.value)
    ? Object.keys(node.value).map((key) => field(node, key))
    : list(node, Infinity);
  return nodes.flatMap((one) => tokenName(one) ?? []);
}

interface JsonToken {
  readonly content: string;
  readonly special?: boolean;
}

/** A tokenizer.json with more added tokens. Tokens that it already has become special. */
export function withAddedTokens(json: Uint8Array, more: readonly AddedToken[], from: string): Uint8Array {
  const { value } = parseJson(json, from, MAX_JSON_BYTES);
  const root = value as { readonly added_tokens?: readonly JsonToken[] | null };
  const named = new Map(more.map((token) => [token.name, token]));
  const listed = root.added_tokens ?? [];
  const has = new Set(listed.map(({ content }) => content));
  const tokens = more
    .filter(({ name }) => !has.has(name))
    .map((token) => ({
      id: token.id,
      content: token.name,
      special: token.special,
      single_word: token.singleWord ?? false,
      lstrip: token.left ?? false,
      rstrip: token.right ?? false,
      normalized: token.normalized ?? false,
    }));
  const before = listed.map((token) => (named.has(token.content) ? { ...token, special: true } : token));
  return new TextEncoder().encode(JSON.stringify({ ...root, added_tokens: [...before, ...tokens] }));
}

/**
 * The tokenizer for a model whose embedding has `rows` rows. Tokens beyond them are neither drawn nor fed.
 * Encoding a text that has one throws SinterError "input", which names the token.
 */
export function withinRows(tokenizer: Tokenizer, rows: number): Tokenizer {
  if (tokenizer.size <= rows) return tokenizer;
  const inside = (id: number | undefined): number | undefined =>
    id !== undefined && id < rows ? id : undefined;
  const checked = <Ids extends readonly number[]>(ids: Ids): Ids => {
    const beyond = ids.find((id) => id >= rows);
    if (beyond === undefined) return ids;
    const name = JSON.stringify(new TextDecoder().decode(tokenizer.bytes(beyond)));
    throw new SinterError(
      "input",
      `the text has ${name}, token ${beyond}, and the model has rows for tokens 0 … ${rows - 1}`,
      "Take it out of the text: the model has never seen this token.",
    );
  };
  const { encodeInParts } = tokenizer;
  return {
    ...tokenizer,
    beginOfText: inside(tokenizer.beginOfText),
    endOfText: inside(tokenizer.endOfText),
    stops: new Set([...tokenizer.stops].filter((id) => id < rows)),
    encode: (text, options) => checked(tokenizer.encode(text, options)),
    ...(encodeInParts && {
      encodeInParts: (text: string, take: (ids: readonly number[]) => void) =>
        encodeInParts(text, (ids) => take(checked(ids))),
    }),
  };
}

/** Reads the files beside a tokenizer (beside-files.ts) and checks them key by key. */
import { ignoredKeysNote, refuseKeys, unknownKeys, type KeyTable } from "../../base/known-keys.ts";
import { generationKeys } from "../keys/generation-config.ts";
import { addedTokensKeys, specialTokensMapKeys, tokenizerConfigKeys } from "../keys/tokenizer-config.ts";
import type { AddedToken } from "../base/added-tokens.ts";
import {
  ADDED_FILE,
  besideFiles,
  flawed,
  GENERATION_FILE,
  SPECIAL_MAP_FILE,
  TEMPLATE_FILE,
  templateNameOf,
  type Listener,
} from "./beside-files.ts";
import { namedTemplates, utf8Text } from "./chat-templates.ts";
import {
  badValue,
  field,
  flag,
  list,
  parseJson,
  shown,
  text,
  integer,
  type JsonNode,
} from "../base/json-fields.ts";
import { isObject } from "../../base/schema.ts";
import { tokenName } from "../base/special-roles.ts";
import { MAX_TOKENS } from "../base/tiktoken.ts";
import { CONFIG_FILE } from "../json/read-tokenizer-json.ts";

export interface Beside {
  /** The files as a run stores them, without the parts that were wrong. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** tokenizer_config.json, together with what an older special_tokens_map.json says. */
  readonly config: JsonNode | undefined;
  readonly generation: JsonNode | undefined;
  /** Tokens that may stand behind the vocabulary of the tokenizer's own files, by id. */
  readonly added: readonly AddedToken[];
  /** The ids that end a text; the first one is the main one. */
  readonly ends: readonly number[];
}

export const nothingBeside: Beside = {
  files: new Map(),
  config: undefined,
  generation: undefined,
  added: [],
  ends: [],
};

/** Throws SinterError "corrupt" where a value does not have this shape. */
type Shape = (node: JsonNode) => unknown;
const boolean: Shape = (node) => flag(node, false);
const number: Shape = (node) => {
  if (typeof node.value !== "number") throw badValue(node, `is ${shown(node.value)}, not a number`);
};
const names: Shape = (node) => {
  if (isObject(node.value)) for (const key of Object.keys(node.value)) tokenName(field(node, key));
  else for (const one of list(node, MAX_TOKENS)) tokenName(one);
};
const templates: Shape = (node) => {
  if (typeof node.value === "string") return;
  for (const entry of list(node, 64)) {
    text(field(entry, "name"));
    text(field(entry, "template"));
  }
};
/** One id (2) or several ([2, 5]). */
const idsIn = (node: JsonNode): readonly number[] =>
  (Array.isArray(node.value) ? list(node, 1024) : [node]).map((one) => integer(one, MAX_TOKENS - 1));

const anyId = (node: JsonNode): number => integer(node, MAX_TOKENS - 1);
/** Shapes by key, or one shape for every key. */
type Shapes = Readonly<Record<string, Shape>> | Shape;

const roleShapes = { bos_token: tokenName, eos_token: tokenName, additional_special_tokens: names } as const;
const configShapes: Readonly<Record<string, Shape>> = {
  ...roleShapes,
  add_bos_token: boolean,
  add_prefix_space: boolean,
  legacy: boolean,
  clean_up_tokenization_spaces: boolean,
  extra_special_tokens: names,
  chat_template: templates,
  added_tokens_decoder: decoderTokens,
  tokenizer_class: text,
};
const generationShapes: Readonly<Record<string, Shape>> = {
  eos_token_id: idsIn,
  do_sample: boolean,
  temperature: number,
  top_k: number,
  top_p: number,
  min_p: number,
  repetition_penalty: number,
};

const utf8 = new TextEncoder();

/** `folder` is for messages. Throws where a refused key would make the tokenizer another one. */
export function openBeside(
  contents: ReadonlyMap<string, Uint8Array>,
  folder: string,
  listener?: Listener,
): Beside {
  const files = new Map<string, Uint8Array>();
  const read = (file: string, shapes: Shapes, table: KeyTable): JsonNode | undefined => {
    const bytes = contents.get(file);
    if (!bytes) return undefined;
    try {
      const found = parseJson(bytes, `${folder}/${file}`, besideFiles[file]!.mostBytes);
      const kept = withoutFlaws(found, shapes, file, listener);
      files.set(file, kept === found ? bytes : utf8.encode(`${JSON.stringify(kept.value, null, 1)}\n`));
      const note = ignoredKeysNote(file, unknownKeys(table, Object.keys(kept.value as object)));
      if (note !== undefined && !listener?.brief) listener?.(note);
      return kept;
    } catch (cause) {
      flawed(file, cause, listener);
      return undefined;
    }
  };
  const own = read(CONFIG_FILE, configShapes, tokenizerConfigKeys);
  const generation = read(GENERATION_FILE, generationShapes, generationKeys);
  const special = read(SPECIAL_MAP_FILE, roleShapes, specialTokensMapKeys);
  const listed = read(ADDED_FILE, anyId, addedTokensKeys);
  if (own) refuseKeys(tokenizerConfigKeys, Object.entries(own.value as object), own.path);
  const added =
    own && field(own, "added_tokens_decoder").value !== undefined
      ? decoderTokens(field(own, "added_tokens_decoder"))
      : listedTokens(listed, special);
  keepTemplates(contents, files, folder, listener);
  if (listener && !listener.brief) sayTemplates(files, own, listener);
  const ends = generation && field(generation, "eos_token_id");
  return {
    files,
    config: withSpecialMap(own, special),
    generation,
    added,
    ends: ends?.value === undefined ? [] : idsIn(ends),
  };
}

/** The object without those keys whose values have another shape. The listener gets a line about each. */
function withoutFlaws(
  root: JsonNode,
  shapes: Shapes,
  file: string,
  listener: Listener | undefined,
): JsonNode {
  if (!isObject(root.value)) throw badValue(root, `is ${shown(root.value)}, not an object`);
  const bad = new Set<string>();
  const keys = Object.keys(root.value).filter(
    (key) => typeof shapes === "function" || Object.hasOwn(shapes, key),
  );
  for (const key of keys) {
    const shape = typeof shapes === "function" ? shapes : shapes[key]!;
    const node = field(root, key);
    if (node.value === undefined) continue;
    try {
      shape(node);
    } catch (cause) {
      flawed(file, cause, listener);
      bad.add(key);
    }
  }
  const kept = Object.entries(root.value).filter(([key]) => !bad.has(key));
  return bad.size === 0 ? root : { value: Object.fromEntries(kept), path: root.path };
}

/**
 * Adds the roles of special_tokens_map.json to the configuration. A tokenizer_config.json that lists its
 * added tokens is complete; older ones are not.
 */
function withSpecialMap(config: JsonNode | undefined, special: JsonNode | undefined): JsonNode | undefined {
  if (!special || (config && field(config, "added_tokens_decoder").value !== undefined)) return config;
  const roles = Object.keys(roleShapes).flatMap((key) =>
    field(special, key).value === undefined ? [] : [[key, field(special, key).value] as const],
  );
  const value = { ...(config?.value as object | undefined), ...Object.fromEntries(roles) };
  return { value, path: config?.path ?? special.path };
}

/** The tokens of added_tokens_decoder: { "32000": { content, special, … } }. */
function decoderTokens(node: JsonNode): readonly AddedToken[] {
  if (!isObject(node.value)) throw badValue(node, `is ${shown(node.value)}, not an object of ids and tokens`);
  return Object.keys(node.value)
    .map((key): AddedToken => {
      const token = field(node, key);
      const special = flag(field(token, "special"), false);
      const value = /^\d{1,9}$/.test(key) ? Number(key) : key;
      const id = anyId({ value, path: `${node.path}[${shown(key)}]` });
      return {
        id,
        name: text(field(token, "content")),
        special,
        left: flag(field(token, "lstrip"), false),
        right: flag(field(token, "rstrip"), false),
        singleWord: flag(field(token, "single_word"), false),
        normalized: flag(field(token, "normalized"), !special),
      };
    })
    .filter(({ name }) => name !== "")
    .sort((a, b) => a.id - b.id);
}

/**
 * The tokens of added_tokens.json: { "<|extra|>": 32000 }. Those that special_tokens_map.json names are
 * special.
 */
function listedTokens(listed: JsonNode | undefined, special: JsonNode | undefined): readonly AddedToken[] {
  if (!listed) return [];
  const values: readonly unknown[] = special ? Object.values(special.value as object).flat() : [];
  const named = new Set(values.map((one) => (isObject(one) ? one["content"] : one)));
  const tokens = Object.keys(listed.value as object).filter(
    (name) => name !== "" && field(listed, name).value !== undefined,
  );
  return tokens
    .map((name): AddedToken => {
      const isSpecial = named.has(name);
      return { name, id: anyId(field(listed, name)), special: isSpecial, normalized: !isSpecial };
    })
    .sort((a, b) => a.id - b.id);
}

function keepTemplates(
  contents: ReadonlyMap<string, Uint8Array>,
  files: Map<string, Uint8Array>,
  folder: string,
  listener: Listener | undefined,
): void {
  for (const [file, bytes] of contents) {
    if (file !== TEMPLATE_FILE && templateNameOf(file) === undefined) continue;
    try {
      utf8Text(bytes, `${folder}/${file}`);
      files.set(file, bytes);
    } catch (cause) {
      flawed(TEMPLATE_FILE, cause, listener);
    }
  }
}

function sayTemplates(
  files: ReadonlyMap<string, Uint8Array>,
  config: JsonNode | undefined,
  listener: Listener,
): void {
  const named = [...namedTemplates(files, config).keys()];
  const several = config && Array.isArray(field(config, "chat_template").value);
  if (named.length === 0) return;
  const has =
    files.has(TEMPLATE_FILE) ||
    (several &&
      list(field(config, "chat_template"), 64).some((one) => field(one, "name").value === "default")) ||
    (config && typeof field(config, "chat_template").value === "string");
  const others = named.map((name) => JSON.stringify(name)).join(", ");
  listener(
    has
      ? `of its chat templates the one called "default" is used, not ${others}`
      : `no chat template is called "default": ${others} ${named.length === 1 ? "is" : "are"} kept, ` +
          "and not used (sinter chat --chat-format NAME names a format)",
  );
}

/** The configuration as bytes, which the readers of tokenizer.json take. */
export function configBytes({ config, files }: Beside): Uint8Array | undefined {
  if (config === undefined) return undefined;
  const own = files.has(SPECIAL_MAP_FILE) ? undefined : files.get(CONFIG_FILE);
  return own ?? utf8.encode(JSON.stringify(config.value));
}

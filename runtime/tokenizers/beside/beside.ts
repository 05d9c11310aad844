/**
 * What the files beside a tokenizer (beside-files.ts) say, checked key by key, and a tokenizer that heeds it.
 */
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
  type Hear,
} from "./beside-files.ts";
import { namedTemplates, utf8Text } from "./chat-templates.ts";
import {
  badPlace,
  field,
  flag,
  isObject,
  list,
  parseJson,
  shown,
  text,
  whole,
  type JsonPlace,
} from "../base/json-fields.ts";
import { tokenName } from "../base/special-roles.ts";
import { MAX_TOKENS } from "../base/tiktoken.ts";
import { CONFIG_FILE } from "../json/read-tokenizer-json.ts";

export interface Beside {
  /** As they are kept: without what was wrong in them. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** tokenizer_config.json, with what an older special_tokens_map.json says. */
  readonly config: JsonPlace | undefined;
  readonly generation: JsonPlace | undefined;
  /** Tokens that may stand behind the vocabulary of the tokenizer's own files, by id. */
  readonly added: readonly AddedToken[];
  /** Ids that end a text, the first one first. */
  readonly ends: readonly number[];
}

export const nothingBeside: Beside = {
  files: new Map(),
  config: undefined,
  generation: undefined,
  added: [],
  ends: [],
};

/** Throws SinterError "corrupt" where a value has not this shape. */
type Shape = (place: JsonPlace) => unknown;
const boolean: Shape = (place) => flag(place, false);
const number: Shape = (place) => {
  if (typeof place.value !== "number") throw badPlace(place, `is ${shown(place.value)}, not a number`);
};
const names: Shape = (place) => {
  if (isObject(place.value)) for (const key of Object.keys(place.value)) tokenName(field(place, key));
  else for (const one of list(place, MAX_TOKENS)) tokenName(one);
};
const templates: Shape = (place) => {
  if (typeof place.value === "string") return;
  for (const entry of list(place, 64)) {
    text(field(entry, "name"));
    text(field(entry, "template"));
  }
};
/** 2, or [2, 5]. */
const idsIn = (place: JsonPlace): readonly number[] =>
  (Array.isArray(place.value) ? list(place, 1024) : [place]).map((one) => whole(one, MAX_TOKENS - 1));

const anyId = (place: JsonPlace): number => whole(place, MAX_TOKENS - 1);
/** By key, or one for every key. */
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

/** `folder`: for messages. Throws where a key is refused that makes the tokenizer another one. */
export function openBeside(contents: ReadonlyMap<string, Uint8Array>, folder: string, hear?: Hear): Beside {
  const files = new Map<string, Uint8Array>();
  const read = (file: string, shapes: Shapes, table: KeyTable): JsonPlace | undefined => {
    const bytes = contents.get(file);
    if (!bytes) return undefined;
    try {
      const found = parseJson(bytes, `${folder}/${file}`, besideFiles[file]!.mostBytes);
      const kept = withoutFlaws(found, shapes, file, hear);
      files.set(file, kept === found ? bytes : utf8.encode(`${JSON.stringify(kept.value, null, 1)}\n`));
      const note = ignoredKeysNote(file, unknownKeys(table, Object.keys(kept.value as object)));
      if (note !== undefined && !hear?.brief) hear?.(note);
      return kept;
    } catch (cause) {
      flawed(file, cause, hear);
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
  keepTemplates(contents, files, folder, hear);
  if (hear && !hear.brief) sayTemplates(files, own, hear);
  const ends = generation && field(generation, "eos_token_id");
  return {
    files,
    config: withSpecialMap(own, special),
    generation,
    added,
    ends: ends?.value === undefined ? [] : idsIn(ends),
  };
}

/** Keys whose values have another shape are left out, each with a line. */
function withoutFlaws(root: JsonPlace, shapes: Shapes, file: string, hear: Hear | undefined): JsonPlace {
  if (!isObject(root.value)) throw badPlace(root, `is ${shown(root.value)}, not an object`);
  const bad = new Set<string>();
  const keys = Object.keys(root.value).filter(
    (key) => typeof shapes === "function" || Object.hasOwn(shapes, key),
  );
  for (const key of keys) {
    const shape = typeof shapes === "function" ? shapes : shapes[key]!;
    const place = field(root, key);
    if (place.value === undefined) continue;
    try {
      shape(place);
    } catch (cause) {
      flawed(file, cause, hear);
      bad.add(key);
    }
  }
  const kept = Object.entries(root.value).filter(([key]) => !bad.has(key));
  return bad.size === 0 ? root : { value: Object.fromEntries(kept), path: root.path };
}

/**
 * Where tokenizer_config.json lists its added tokens it is complete; before it did, the map's roles counted.
 */
function withSpecialMap(
  config: JsonPlace | undefined,
  special: JsonPlace | undefined,
): JsonPlace | undefined {
  if (!special || (config && field(config, "added_tokens_decoder").value !== undefined)) return config;
  const roles = Object.keys(roleShapes).flatMap((key) =>
    field(special, key).value === undefined ? [] : [[key, field(special, key).value] as const],
  );
  const value = { ...(config?.value as object | undefined), ...Object.fromEntries(roles) };
  return { value, path: config?.path ?? special.path };
}

/** { "32000": { content, special, … } } */
function decoderTokens(place: JsonPlace): readonly AddedToken[] {
  if (!isObject(place.value))
    throw badPlace(place, `is ${shown(place.value)}, not an object of ids and tokens`);
  return Object.keys(place.value)
    .map((key): AddedToken => {
      const token = field(place, key);
      const special = flag(field(token, "special"), false);
      const value = /^\d{1,9}$/.test(key) ? Number(key) : key;
      const id = anyId({ value, path: `${place.path}[${shown(key)}]` });
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

/** { "<|extra|>": 32000 }: special where special_tokens_map.json names it. */
function listedTokens(listed: JsonPlace | undefined, special: JsonPlace | undefined): readonly AddedToken[] {
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
  hear: Hear | undefined,
): void {
  for (const [file, bytes] of contents) {
    if (file !== TEMPLATE_FILE && templateNameOf(file) === undefined) continue;
    try {
      utf8Text(bytes, `${folder}/${file}`);
      files.set(file, bytes);
    } catch (cause) {
      flawed(TEMPLATE_FILE, cause, hear);
    }
  }
}

function sayTemplates(
  files: ReadonlyMap<string, Uint8Array>,
  config: JsonPlace | undefined,
  hear: Hear,
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
  hear(
    has
      ? `of its chat templates the one called "default" is used, not ${others}`
      : `no chat template is called "default": ${others} ${named.length === 1 ? "is" : "are"} kept, ` +
          "and not used (sinter chat --chat-format NAME names a format)",
  );
}

/** For tokenizer.json's readers, which know tokenizer_config.json by its bytes. */
export function configBytes({ config, files }: Beside): Uint8Array | undefined {
  if (config === undefined) return undefined;
  const own = files.has(SPECIAL_MAP_FILE) ? undefined : files.get(CONFIG_FILE);
  return own ?? utf8.encode(JSON.stringify(config.value));
}

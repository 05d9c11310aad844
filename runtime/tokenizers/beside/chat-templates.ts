/**
 * Finds the chat template among a tokenizer's files: in chat_template.jinja, otherwise in
 * tokenizer_config.json.
 */
import { SinterError } from "../../base/errors.ts";
import { TEMPLATE_FILE, templateNameOf } from "./beside-files.ts";
import { field, list, text, type JsonNode } from "../base/json-fields.ts";
import { CONFIG_FILE, templateIn } from "../json/read-tokenizer-json.ts";

export interface FoundTemplate {
  readonly template: string;
  /** The file that it is from. */
  readonly from: string;
}

export const utf8Text = (bytes: Uint8Array, from: string): string => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new SinterError("corrupt", `${from} is not UTF-8 text`);
  }
};

/** The template for a conversation without other wishes; undefined where there is none. */
export function templateOf(files: ReadonlyMap<string, Uint8Array>): FoundTemplate | undefined {
  const own = files.get(TEMPLATE_FILE);
  const config = files.get(CONFIG_FILE);
  if (own) return { template: utf8Text(own, TEMPLATE_FILE), from: TEMPLATE_FILE };
  const template = config && templateIn(config);
  return template === undefined ? undefined : { template, from: CONFIG_FILE };
}

/** The templates that have names of their own, without "default". */
export function namedTemplates(
  files: ReadonlyMap<string, Uint8Array>,
  config: JsonNode | undefined,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const several = config && field(config, "chat_template");
  if (several && Array.isArray(several.value))
    for (const entry of list(several, 64))
      found.set(text(field(entry, "name")), text(field(entry, "template")));
  for (const [file, bytes] of files) {
    const name = templateNameOf(file);
    if (name !== undefined) found.set(name, utf8Text(bytes, file));
  }
  found.delete("default");
  return found;
}

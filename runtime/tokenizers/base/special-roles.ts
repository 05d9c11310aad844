/**
 * Which special tokens begin a text, end it, or end a turn: as tokenizer_config.json says, otherwise by their
 * usual names.
 */
import type { AddedToken } from "./added-tokens.ts";
import { field, text, type JsonNode } from "./json-fields.ts";
import { isObject } from "../../base/schema.ts";

/** Names in use, the likelier ones first. */
const endsText = ["<|end_of_text|>", "<|endoftext|>", "</s>", "<eos>", "<|eos|>", "[EOS]"];
export const endsTurn = ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|eot|>", "<|return|>"];
/** Ends a message after which the same speaker goes on, with the answer of a tool. */
export const endsMessage = ["<|eom_id|>"];

export interface SpecialRoles {
  readonly beginOfText: number | undefined;
  readonly endOfText: number | undefined;
  readonly stops: readonly number[];
}

/** `before` is the token that the post-processor puts before a text; `config` is tokenizer_config.json. */
export function specialRoles(
  added: readonly AddedToken[],
  before: number | undefined,
  config: JsonNode | undefined,
): SpecialRoles {
  const ids = new Map(added.map((token) => [token.name, token.id]));
  const find = (names: readonly string[]): readonly number[] => names.flatMap((name) => ids.get(name) ?? []);
  const named = (role: string): number | undefined => {
    const name = config && tokenName(field(config, role));
    return name === undefined ? undefined : ids.get(name);
  };
  const end = named("eos_token");
  const endOfText = end ?? find(endsText)[0];
  const stops = [
    ...(endOfText === undefined ? [] : [endOfText]),
    ...find(endsTurn),
    ...find(endsMessage),
    ...find(endsText),
  ];
  return {
    beginOfText: beginningOf(config, before, () => named("bos_token")),
    endOfText,
    stops: [...new Set(stops)],
  };
}

/** Classes of tokenizers that build a new post-processor from add_bos_token. */
const makesAnew = /^(Llama|CodeLlama|Gemma|Cohere)Tokenizer(Fast)?$/;

/** The token that begins every text. `before` is the one that the tokenizer's own files name. */
function beginningOf(
  config: JsonNode | undefined,
  before: number | undefined,
  named: () => number | undefined,
): number | undefined {
  if (!config) return before;
  const adds = field(config, "add_bos_token").value;
  const { value: kind } = field(config, "tokenizer_class");
  if (adds === false && typeof kind === "string" && makesAnew.test(kind)) return undefined;
  return before ?? (adds === true ? named() : undefined);
}

/** The name of a token that is given as "<s>" or as { content: "<s>", … }. */
export function tokenName(node: JsonNode): string | undefined {
  if (node.value === undefined) return undefined;
  return text(isObject(node.value) ? field(node, "content") : node);
}

/**
 * Which special tokens begin a text, end it, end a turn: what tokenizer_config.json says, else what they are
 * called.
 */
import type { AddedToken } from "./added-tokens.ts";
import { field, isObject, text, type JsonPlace } from "./json-fields.ts";

/** Names in use, the likelier first. */
const endsText = ["<|end_of_text|>", "<|endoftext|>", "</s>", "<eos>", "<|eos|>", "[EOS]"];
export const endsTurn = ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|eot|>", "<|return|>"];
/** A message after which the same speaker goes on, with what a tool has said. */
export const endsMessage = ["<|eom_id|>"];

export interface SpecialRoles {
  readonly beginOfText: number | undefined;
  readonly endOfText: number | undefined;
  readonly stops: readonly number[];
}

/** `before`: what the post-processor puts before a text. `config`: tokenizer_config.json. */
export function specialRoles(
  added: readonly AddedToken[],
  before: number | undefined,
  config: JsonPlace | undefined,
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

/** Classes of tokenizers that make the post-processor anew from add_bos_token. */
const makesAnew = /^(Llama|CodeLlama|Gemma|Cohere)Tokenizer(Fast)?$/;

/** The token that begins every text. `before`: by the tokenizer's own files. */
function beginningOf(
  config: JsonPlace | undefined,
  before: number | undefined,
  named: () => number | undefined,
): number | undefined {
  if (!config) return before;
  const adds = field(config, "add_bos_token").value;
  const { value: kind } = field(config, "tokenizer_class");
  if (adds === false && typeof kind === "string" && makesAnew.test(kind)) return undefined;
  return before ?? (adds === true ? named() : undefined);
}

/** "<s>", or { content: "<s>", … }. */
export function tokenName(place: JsonPlace): string | undefined {
  if (place.value === undefined) return undefined;
  return text(isObject(place.value) ? field(place, "content") : place);
}

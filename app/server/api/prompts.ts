/** Prompts in llama.cpp's forms: a text, its ids, text and ids by turns, or a list of these. */
import { promptTokens } from "../../../runtime/sample/generate.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { ServedFacts } from "../pool/serving.ts";
import { ApiError } from "./errors.ts";
import { most } from "./fields.ts";

type Mixed = readonly (string | number)[];
export type PromptRequest = string | readonly (string | number | Mixed)[];

export interface Prompt {
  readonly tokens: readonly number[];
  /** As it was sent; of ids, what they stand for. */
  readonly text: string;
}

/** All prompts of a request. A list of texts alone is several prompts; ids, and text between ids, are one. */
export function promptsOf(asked: PromptRequest, facts: ServedFacts): readonly Prompt[] {
  const isOne = typeof asked === "string" || asked.some((part) => typeof part === "number");
  if (!isOne && asked.length === 0)
    throw new ApiError("wrong value", "prompt: an empty list has no prompt", { param: "prompt" });
  const prompts = isOne ? [asked as string | Mixed] : (asked as readonly (string | Mixed)[]);
  if (prompts.length > most.prompts)
    throw new ApiError("wrong value", `prompt: more than ${most.prompts} prompts`, { param: "prompt" });
  return prompts.map((prompt) => promptOf(prompt, facts));
}

function promptOf(asked: string | Mixed, { tokenizer, manifest }: ServedFacts): Prompt {
  if (typeof asked === "string") return { tokens: textTokens(asked, tokenizer), text: asked };
  const tokens = asked.flatMap((part, i) => {
    if (typeof part === "number") return [part];
    return i === 0 ? textTokens(part, tokenizer) : tokenizer.encode(part, { special: true });
  });
  const { vocab } = manifest.model.sizes;
  const unknown = tokens.find((id) => id >= Math.min(vocab, tokenizer.size));
  if (unknown !== undefined)
    throw new ApiError("wrong value", `prompt: there is no token ${unknown}; ids are 0 … ${vocab - 1}`, {
      param: "prompt",
    });
  if (tokens.length === 0)
    throw new ApiError("wrong value", "prompt: an empty list has no tokens", { param: "prompt" });
  return { tokens, text: decode(tokenizer, tokens, { special: false }) };
}

/**
 * The ids of a text, behind the token that begins texts. Names of special tokens in it are these tokens: who
 * sends a whole prompt has written it. The messages of a chat are another matter (chat.ts).
 */
export function textTokens(text: string, tokenizer: Tokenizer): readonly number[] {
  const { beginOfText } = tokenizer;
  const ids = text === "" ? [] : tokenizer.encode(text, { special: true });
  if (ids.length === 0) return promptTokens(tokenizer, "");
  return beginOfText === undefined || ids[0] === beginOfText ? ids : [beginOfText, ...ids];
}

/**
 * Tokens behind a vocabulary: those that its own files lack and the files beside it have
 * (tokenizer_config.json, added_tokens.json).
 */
import type { AddedToken } from "./added-tokens.ts";

/**
 * The tokens whose ids are beyond a vocabulary of this size. If two have the same id, the last one counts, as
 * in Hugging Face's library.
 */
export const behind = (added: readonly AddedToken[], size: number): readonly AddedToken[] => [
  ...new Map(added.filter(({ id }) => id >= size).map((token) => [token.id, token])).values(),
];

/**
 * A table of the tokens' bytes with `more` tokens behind it. Ids in between that no token has stay undefined.
 */
export function withMore(
  table: readonly (Uint8Array | undefined)[],
  more: readonly AddedToken[],
): readonly (Uint8Array | undefined)[] {
  const bytes = [...table];
  const utf8 = new TextEncoder();
  for (const { id, name } of more) bytes[id] = utf8.encode(name);
  return Array.from(bytes); // fills the holes with undefined
}

/**
 * Tokens behind a vocabulary: its own files do not have them, those beside it do (tokenizer_config.json,
 * added_tokens.json).
 */
import type { AddedToken } from "./added-tokens.ts";

/**
 * Of the tokens those whose ids a vocabulary of this size has not; of two with one id the last, as the
 * library keeps them.
 */
export const behind = (added: readonly AddedToken[], size: number): readonly AddedToken[] => [
  ...new Map(added.filter(({ id }) => id >= size).map((token) => [token.id, token])).values(),
];

/**
 * A table of what ids stand for, with `more` behind it; nothing stands at ids between them that no token has.
 */
export function withMore(
  table: readonly (Uint8Array | undefined)[],
  more: readonly AddedToken[],
): readonly (Uint8Array | undefined)[] {
  const bytes = [...table];
  const utf8 = new TextEncoder();
  for (const { id, name } of more) bytes[id] = utf8.encode(name);
  return Array.from(bytes); // a list with holes is not what its length says
}

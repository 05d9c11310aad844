/** A text, read once: its tokens, its tree, what the checker found. All answers about it begin here. */
import type { IToken } from "chevrotain";
import { parse } from "../1-parse/parse.ts";
import type { FileNode } from "../1-parse/ast.ts";
import { isName, lexer, ModelName } from "../1-parse/tokens.ts";
import { checkParsed } from "../2-check/check.ts";
import { withPlans, type CheckedWithPlans } from "../planner/judge-plans.ts";
import type { Span } from "../diagnostics/span.ts";
import { contains, rolesOf, type Roles } from "./roles.ts";
import { SymbolTable } from "./symbol-table.ts";

export interface Document {
  readonly text: string;
  /** As they stand in the text, comments apart. */
  readonly tokens: readonly IToken[];
  readonly comments: readonly IToken[];
  readonly file: FileNode;
  readonly roles: Roles;
  readonly symbols: SymbolTable;
  readonly checked: CheckedWithPlans;
}

export function readDocument(text: string): Document {
  const parsed = parse(text);
  const symbols = new SymbolTable();
  const checked = withPlans(checkParsed(parsed, text, {}, symbols));
  const { tokens, groups } = lexer.tokenize(parsed.file.models.length === 0 && isTooLong(parsed) ? "" : text);
  const comments = [...(groups["comments"] ?? []), ...(groups["wrongComments"] ?? [])];
  return { text, tokens, comments, file: parsed.file, roles: rolesOf(parsed.file), symbols, checked };
}

/** A text that the parser has not looked at, because it is no spec's. */
const isTooLong = ({ diagnostics }: ReturnType<typeof parse>): boolean =>
  diagnostics.some((d) => d.code === "E0107");

export const spanOf = (token: IToken): Span => ({
  start: token.startOffset,
  end: token.startOffset + token.image.length,
});

/** The name at a place: the one that it touches, or of two the one that begins there. */
export function nameAt({ tokens }: Document, at: number): IToken | undefined {
  const touching = tokens.filter(
    (token) => (isName(token.tokenType) || token.tokenType === ModelName) && contains(spanOf(token), at),
  );
  return touching.at(-1);
}

/** The last token that begins before a place; −1: none does. */
export function indexBefore({ tokens }: Document, at: number): number {
  let [low, high] = [0, tokens.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokens[middle]!.startOffset < at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

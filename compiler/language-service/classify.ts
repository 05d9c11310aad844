/** Every token by what it means, for editors that colour by meaning. */
import type { IToken, TokenType } from "chevrotain";
import * as t from "../1-parse/tokens.ts";
import { spanOf, type Document } from "./document.ts";
import type { ClassifiedToken, TokenClass } from "./language-service.ts";
import type { Role } from "./roles.ts";

export function classifiedTokens(doc: Document): readonly ClassifiedToken[] {
  const all = [
    ...doc.tokens.map((token) => ({ token, kind: classOf(doc, token) })),
    ...doc.comments.map((token) => ({ token, kind: "comment" as const })),
  ];
  return all
    .map(({ token, kind }) => ({
      span: spanOf(token),
      kind,
      isDefinition: doc.symbols.definitions.has(token.startOffset),
    }))
    .sort((a, b) => a.span.start - b.span.start);
}

const brackets: ReadonlySet<TokenType> = new Set([t.OpenBrace, t.CloseBrace, t.OpenParen, t.CloseParen]);

function classOf({ roles, symbols, checked }: Document, token: IToken): TokenClass {
  const type = token.tokenType;
  if (type === t.Number) return "number";
  if (type === t.BadNumber) return "wrong";
  if (type === t.ModelName) return "model";
  if (type === t.True || type === t.False) return "word";
  if (brackets.has(type)) return "bracket";
  if (t.wordsBehindName.includes(type)) return "keyword";
  if (!t.isName(type)) return t.keywordNames.includes(token.image) ? "keyword" : "operator";
  const placed = roles.words.get(token.startOffset);
  // a word of the language in its place, or a name that no tree has
  if (!placed) return type === t.Name ? "wrong" : "keyword";
  if (isUnknown(checked.diagnostics, token)) return "wrong";
  return classOfRole(placed.role, symbols.definitionAt(token.startOffset)?.kind === "let");
}

const unknownNames: readonly string[] = ["E0202", "E0210", "E0302", "E0303", "E0305", "E0330", "E0403"];
const isUnknown = (diagnostics: Document["checked"]["diagnostics"], token: IToken): boolean =>
  diagnostics.some(({ code, span }) => unknownNames.includes(code) && span.start === token.startOffset);

function classOfRole(role: Role, isLet: boolean): TokenClass {
  switch (role.kind) {
    case "number":
      return isLet ? "let" : "setting";
    case "word":
    case "tokenizer":
    case "layer kind":
      return "word";
    case "fact":
    case "plan fact":
      return "setting";
    case "plan":
    case "hardware":
      return "model";
    case "head":
      return "value";
    case "group":
      return "part";
    case "objective name":
      return "value";
    default:
      return role.kind;
  }
}

/** Completions, for editors that fill in places and for those that insert plain text. */
import { CompletionItemKind, InsertTextFormat, MarkupKind, type CompletionItem } from "vscode-languageserver";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Completion, CompletionKind } from "../../../compiler/language-service/language-service.ts";
import { rangeOf } from "./places.ts";

const kinds = {
  keyword: CompletionItemKind.Keyword,
  section: CompletionItemKind.Module,
  setting: CompletionItemKind.Property,
  let: CompletionItemKind.Variable,
  part: CompletionItemKind.Function,
  option: CompletionItemKind.Field,
  value: CompletionItemKind.Variable,
  word: CompletionItemKind.EnumMember,
  model: CompletionItemKind.Class,
  objective: CompletionItemKind.Interface,
  function: CompletionItemKind.Function,
} as const satisfies Record<CompletionKind, CompletionItemKind>;

/** Digits of a rank: editors sort by text. */
const RANK_DIGITS = 6;

export function completionItem(document: TextDocument, c: Completion, snippets: boolean): CompletionItem {
  const filledIn = c.isSnippet && snippets;
  return {
    label: c.label,
    kind: kinds[c.kind],
    detail: c.detail,
    documentation: { kind: MarkupKind.Markdown, value: c.documentation },
    sortText: String(c.rank).padStart(RANK_DIGITS, "0"),
    filterText: c.label,
    insertTextFormat: filledIn ? InsertTextFormat.Snippet : InsertTextFormat.PlainText,
    textEdit: {
      range: rangeOf(document, c.replaces),
      newText: c.isSnippet && !snippets ? plainText(c.insert) : c.insert,
    },
  };
}

/** A snippet with its places filled in: "mlp(${1:x})" → "mlp(x)". */
export const plainText = (snippet: string): string =>
  snippet
    .replaceAll(/\$\{\d+:((?:[^}\\]|\\.)*)\}|\$\{?\d+\}?/g, (_, text: string | undefined) => text ?? "")
    .replaceAll(/\\([$}\\])/g, "$1");

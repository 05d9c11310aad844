/** What an editor shows beside and in the text: outline, folds, colours, hints, lenses. */
import {
  FoldingRangeKind,
  SemanticTokenModifiers,
  SemanticTokensBuilder,
  SemanticTokenTypes,
  SymbolKind,
  type CodeLens,
  type DocumentSymbol,
  type FoldingRange,
  type SemanticTokens,
} from "vscode-languageserver";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type {
  ClassifiedToken,
  Lens,
  OutlineEntry,
  Span,
  TokenClass,
} from "../../../compiler/language-service/language-service.ts";
import { rangeOf } from "./places.ts";

const symbolKinds = {
  model: SymbolKind.Class,
  plan: SymbolKind.Event,
  hardware: SymbolKind.Struct,
  setting: SymbolKind.Property,
  let: SymbolKind.Variable,
  section: SymbolKind.Namespace,
  equations: SymbolKind.Method,
  objective: SymbolKind.Interface,
  head: SymbolKind.Field,
} as const satisfies Record<OutlineEntry["kind"], SymbolKind>;

export const documentSymbol = (document: TextDocument, entry: OutlineEntry): DocumentSymbol => ({
  name: entry.name,
  detail: entry.detail,
  kind: symbolKinds[entry.kind],
  range: rangeOf(document, entry.span),
  selectionRange: rangeOf(document, entry.nameSpan),
  children: entry.children.map((child) => documentSymbol(document, child)),
});

export function foldingRange(document: TextDocument, span: Span): FoldingRange {
  const { start, end } = rangeOf(document, span);
  const isComment = document.getText().startsWith("//", span.start);
  return {
    startLine: start.line,
    endLine: end.line,
    ...(isComment && { kind: FoldingRangeKind.Comment }),
  };
}

// ---- colours that need to know what a name means

/** Classes that an editor colours well enough by sight are left to its grammar. */
const tokenTypes = {
  keyword: SemanticTokenTypes.keyword,
  model: SemanticTokenTypes.class,
  setting: SemanticTokenTypes.property,
  let: SemanticTokenTypes.variable,
  part: SemanticTokenTypes.function,
  option: SemanticTokenTypes.parameter,
  value: SemanticTokenTypes.variable,
  word: SemanticTokenTypes.enumMember,
  objective: SemanticTokenTypes.interface,
  function: SemanticTokenTypes.function,
  number: SemanticTokenTypes.number,
  operator: SemanticTokenTypes.operator,
  bracket: undefined,
  comment: SemanticTokenTypes.comment,
  wrong: undefined,
} as const satisfies Record<TokenClass, SemanticTokenTypes | undefined>;

export const legend = {
  tokenTypes: [...new Set(Object.values(tokenTypes).filter((type) => type !== undefined))] as string[],
  tokenModifiers: [SemanticTokenModifiers.declaration] as string[],
};

export function semanticTokens(document: TextDocument, tokens: readonly ClassifiedToken[]): SemanticTokens {
  const builder = new SemanticTokensBuilder();
  for (const { span, kind, isDefinition } of tokens) {
    const type = tokenTypes[kind];
    if (type === undefined) continue;
    const { line, character } = document.positionAt(span.start);
    builder.push(
      line,
      character,
      span.end - span.start,
      legend.tokenTypes.indexOf(type),
      isDefinition ? 1 : 0,
    );
  }
  return builder.build();
}

// ---- lines above models

/** `commands`: those that the editor can run. A lens without one shows its text alone. */
export function codeLens(document: TextDocument, lens: Lens, commands: readonly string[]): CodeLens {
  const named = lens.verb === undefined ? undefined : `sinter.${lens.verb}`;
  const command = named !== undefined && commands.includes(named) ? named : "";
  return {
    range: rangeOf(document, lens.span),
    command: { title: lens.title, command, arguments: [document.uri, lens.model] },
  };
}

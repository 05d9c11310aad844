/**
 * What an editor may ask, and who answers. Every answer is about the version of the document that the editor
 * last sent: messages are handled one after the other, in the order in which they came.
 */
import {
  ErrorCodes,
  LSPErrorCodes,
  MarkupKind,
  PositionEncodingKind,
  ResponseError,
  type Connection,
  type Position,
  type ServerCapabilities,
} from "vscode-languageserver";
import { actionKinds, codeActions, EXPLAIN, explain } from "./actions.ts";
import type { Client } from "./client.ts";
import { completionItem } from "./completions.ts";
import { textEdit, workspaceEdit } from "./edits.ts";
import { bytesLens, type FollowingBytes } from "./exact-bytes.ts";
import { inlayHint, wantedHints } from "./hints.ts";
import { SYNC, type OpenSpecs, type Spec } from "./documents.ts";
import { codeLens, documentSymbol, foldingRange, legend, semanticTokens } from "./outline.ts";
import { locationOf, rangeOf, spanOf } from "./places.ts";

export const capabilities: ServerCapabilities = {
  positionEncoding: PositionEncodingKind.UTF16,
  textDocumentSync: { openClose: true, change: SYNC },
  hoverProvider: true,
  completionProvider: { triggerCharacters: ["(", ":", ","] },
  definitionProvider: true,
  referencesProvider: true,
  documentHighlightProvider: true,
  renameProvider: { prepareProvider: true },
  documentFormattingProvider: true,
  codeActionProvider: { codeActionKinds: [...actionKinds] },
  executeCommandProvider: { commands: [EXPLAIN] },
  codeLensProvider: {},
  documentSymbolProvider: true,
  foldingRangeProvider: true,
  inlayHintProvider: true,
  semanticTokensProvider: { legend, full: true, range: true },
};

interface About {
  readonly textDocument: { readonly uri: string };
}
interface At extends About {
  readonly position: Position;
}

export interface Answering {
  readonly specs: OpenSpecs;
  readonly bytes: FollowingBytes;
  /** Known by the time that an editor asks. */
  client(): Client;
}

export function answerRequests(connection: Connection, { specs, bytes, client }: Answering): void {
  /** Nothing, where the editor asks about a document that it has not opened. */
  const about =
    <P extends About, T>(answer: (spec: Spec, params: P) => T) =>
    (params: P): T | null => {
      const spec = specs.get(params.textDocument.uri);
      return spec === undefined ? null : answer(spec, params);
    };
  const at = <P extends At, T>(answer: (spec: Spec, offset: number, params: P) => T) =>
    about((spec, params: P) => answer(spec, spec.document.offsetAt(params.position), params));

  answerAboutNames(connection, at, client);
  answerAboutWriting(connection, { about, at, client });
  connection.onCodeLens(
    about(({ document, analysis }) => [
      ...analysis.lenses().map((lens) => codeLens(document, lens, client().lensCommands)),
      ...analysis.models.flatMap((facts) => bytesLens(document, facts, bytes.of(facts))),
    ]),
  );
  connection.onDocumentSymbol(
    about(({ document, analysis }) => analysis.symbols().map((entry) => documentSymbol(document, entry))),
  );
  connection.onFoldingRanges(
    about(({ document, analysis }) => analysis.folding().map((span) => foldingRange(document, span))),
  );
  connection.languages.inlayHint.on(async ({ textDocument: { uri }, range }) => {
    const isWanted = await wantedHints(connection, client());
    const spec = specs.get(uri); // as it is now that the editor has told its settings
    if (spec === undefined) return null;
    const { document, analysis } = spec;
    const hints = analysis.inlayHints(spanOf(document, range)).filter(isWanted);
    return hints.map((hint) => inlayHint(document, hint));
  });
  connection.onDidChangeConfiguration(() => {
    if (client().refreshesHints) void connection.languages.inlayHint.refresh();
  });
  connection.languages.semanticTokens.on(({ textDocument: { uri } }) => {
    const spec = specs.get(uri);
    return spec ? semanticTokens(spec.document, spec.analysis.tokens()) : { data: [] };
  });
  connection.languages.semanticTokens.onRange(({ textDocument: { uri }, range }) => {
    const spec = specs.get(uri);
    if (spec === undefined) return { data: [] };
    const { start, end } = spanOf(spec.document, range);
    const tokens = spec.analysis.tokens().filter(({ span }) => span.end > start && span.start < end);
    return semanticTokens(spec.document, tokens);
  });
}

type AtPlace = <P extends At, T>(
  answer: (spec: Spec, offset: number, params: P) => T,
) => (params: P) => T | null;

interface Asking {
  about<P extends About, T>(answer: (spec: Spec, params: P) => T): (params: P) => T | null;
  readonly at: AtPlace;
  client(): Client;
}

/** What a place means, what may stand there, and how the text gets better. */
function answerAboutWriting(connection: Connection, { about, at, client }: Asking): void {
  connection.onHover(
    at(({ document, analysis }, offset) => {
      const hover = analysis.hover(offset);
      if (hover === undefined) return null;
      const contents = { kind: MarkupKind.Markdown, value: hover.markdown };
      return { contents, range: rangeOf(document, hover.span) };
    }),
  );
  connection.onCompletion(
    at(({ document, analysis }, offset) =>
      analysis.complete(offset).map((c) => completionItem(document, c, client().snippets)),
    ),
  );
  connection.onDocumentFormatting(
    about(({ document, analysis }) => analysis.format().map((edit) => textEdit(document, edit))),
  );
  connection.onCodeAction(about((spec, params) => codeActions(spec, params, client())));
  connection.onExecuteCommand(({ command, arguments: given }) => {
    if (command !== EXPLAIN)
      return new ResponseError(ErrorCodes.InvalidParams, `there is no command ${command}`);
    return explain(connection, client(), given?.[0]);
  });
}

/** Where a name is defined and used, and how it gets another. */
function answerAboutNames(connection: Connection, at: AtPlace, client: () => Client): void {
  connection.onDefinition(
    at(({ document, analysis }, offset) => {
      const span = analysis.definition(offset);
      return span ? locationOf(document, span) : null;
    }),
  );
  connection.onReferences(
    at(({ document, analysis }, offset, { context }) =>
      analysis.references(offset, context.includeDeclaration).map((span) => locationOf(document, span)),
    ),
  );
  connection.onDocumentHighlight(
    at(({ document, analysis }, offset) =>
      analysis.highlights(offset).map((span) => ({ range: rangeOf(document, span) })),
    ),
  );
  connection.onPrepareRename(
    at(({ document, analysis }, offset) => {
      const found = analysis.renameRange(offset);
      return found ? { range: rangeOf(document, found.span), placeholder: found.name } : null;
    }),
  );
  connection.onRenameRequest(
    at(({ document, analysis }, offset, { newName }) => {
      const renamed = analysis.rename(offset, newName);
      if ("refused" in renamed) return new ResponseError(LSPErrorCodes.RequestFailed, renamed.refused);
      return workspaceEdit(document, renamed.edits, client());
    }),
  );
}

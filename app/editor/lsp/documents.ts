/**
 * The specs that an editor has open. Each is analysed once for each of its versions, when somebody first asks
 * about it; what is wrong with it is sent as soon as the person pauses.
 */
import { TextDocuments, TextDocumentSyncKind, type Connection } from "vscode-languageserver";
import { TextDocument } from "vscode-languageserver-textdocument";
import { analyse } from "../../../compiler/language-service/analyse.ts";
import type { Analysis } from "../../../compiler/language-service/language-service.ts";
import { shownDiagnostic } from "./diagnostics.ts";

/** How long a person must have typed nothing before diagnostics follow. */
const PAUSE_MS = 120;

export const SYNC = TextDocumentSyncKind.Incremental;

export interface Spec {
  readonly document: TextDocument;
  readonly analysis: Analysis;
}

export interface OpenSpecs {
  /** Undefined: the editor has no such document open. */
  get(uri: string): Spec | undefined;
  close(): void;
}

/**
 * `afterwards` is called when the diagnostics of a version have been sent; `isCurrent` says whether it is
 * still the last one.
 */
export function openSpecs(
  connection: Connection,
  afterwards: (spec: Spec, isCurrent: () => boolean) => void,
): OpenSpecs {
  const documents = new TextDocuments(TextDocument);
  const analysed = new Map<string, { readonly version: number; readonly spec: Spec }>();
  const timers = new Map<string, NodeJS.Timeout>();

  const get = (uri: string): Spec | undefined => {
    const document = documents.get(uri);
    if (document === undefined) return undefined;
    const { version } = document;
    const known = analysed.get(uri);
    if (known?.version === version) return known.spec;
    const spec = { document, analysis: analyse(document.getText()) };
    analysed.set(uri, { version, spec });
    return spec;
  };
  const publish = (uri: string): void => {
    const spec = get(uri);
    if (spec === undefined) return;
    const { document, analysis } = spec;
    const diagnostics = analysis.diagnostics.map((d) => shownDiagnostic(document, d));
    const { version } = document;
    void connection.sendDiagnostics({ uri, version, diagnostics });
    afterwards(spec, () => documents.get(uri)?.version === version);
  };
  const forget = (uri: string): void => {
    clearTimeout(timers.get(uri));
    timers.delete(uri);
    analysed.delete(uri);
  };

  documents.onDidOpen(({ document }) => publish(document.uri));
  documents.onDidChangeContent(({ document: { uri, version } }) => {
    if (analysed.get(uri)?.version === version) return; // it was just opened
    clearTimeout(timers.get(uri));
    timers.set(
      uri,
      setTimeout(() => publish(uri), PAUSE_MS),
    );
  });
  documents.onDidClose(({ document: { uri } }) => {
    forget(uri);
    void connection.sendDiagnostics({ uri, diagnostics: [] });
  });
  documents.listen(connection);
  return { get, close: () => documents.keys().forEach(forget) };
}

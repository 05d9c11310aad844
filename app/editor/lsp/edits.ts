/** Changes of a document's text. */
import type { TextEdit, WorkspaceEdit } from "vscode-languageserver";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Edit } from "../../../compiler/language-service/language-service.ts";
import type { Client } from "./client.ts";
import { rangeOf } from "./places.ts";

export const textEdit = (document: TextDocument, { span, text }: Edit): TextEdit => ({
  range: rangeOf(document, span),
  newText: text,
});

export function workspaceEdit(
  document: TextDocument,
  edits: readonly Edit[],
  { versionedEdits }: Client,
): WorkspaceEdit {
  const { uri, version } = document;
  const changed = edits.map((edit) => textEdit(document, edit));
  return versionedEdits
    ? { documentChanges: [{ textDocument: { uri, version }, edits: changed }] }
    : { changes: { [uri]: changed } };
}

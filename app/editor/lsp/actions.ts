/** What could be done about a place, and what happens when it is chosen. */
import {
  CodeActionKind,
  MessageType,
  ShowMessageNotification,
  type CodeAction,
  type CodeActionParams,
  type Connection,
  type ShowMessageParams,
} from "vscode-languageserver";
import { isCode } from "../../../compiler/diagnostics/messages.ts";
import { explanation } from "../../../compiler/language-service/explanation.ts";
import type { Action } from "../../../compiler/language-service/language-service.ts";
import type { Client } from "./client.ts";
import { shownDiagnostic } from "./diagnostics.ts";
import type { Spec } from "./documents.ts";
import { workspaceEdit } from "./edits.ts";
import { spanOf } from "./places.ts";
import { referenceOf } from "./reference.ts";

/** Run by the server; its argument is a code. */
export const EXPLAIN = "sinter.explain";

const kinds = {
  quickfix: CodeActionKind.QuickFix,
  refactor: CodeActionKind.RefactorRewrite,
  explain: CodeActionKind.QuickFix,
} as const satisfies Record<Action["kind"], CodeActionKind>;

export const actionKinds: readonly CodeActionKind[] = [...new Set(Object.values(kinds))];

export function codeActions(
  { document, analysis }: Spec,
  { range, context: { only } }: CodeActionParams,
  client: Client,
): CodeAction[] {
  const isWanted = ({ kind }: Action): boolean =>
    only?.some((wanted) => `${kinds[kind]}.`.startsWith(`${wanted}.`)) ?? true;
  const actions = analysis.actions(spanOf(document, range)).filter(isWanted);
  return actions.map(({ title, kind, edits, fixes, explains }) => ({
    title,
    kind: kinds[kind],
    ...(fixes && {
      diagnostics: [shownDiagnostic(document, fixes)],
      isPreferred: actions.find((other) => other.fixes === fixes)?.title === title,
    }),
    ...(explains === undefined
      ? { edit: workspaceEdit(document, edits, client) }
      : { command: { title, command: EXPLAIN, arguments: [explains] } }),
  }));
}

/** Opens the reference at a code, or shows its long form where the editor opens nothing. */
export async function explain(connection: Connection, client: Client, code: unknown): Promise<void> {
  if (typeof code !== "string" || !isCode(code)) return;
  const uri = client.opensAddresses ? referenceOf(code) : undefined;
  const shown =
    uri === undefined ? undefined : await connection.window.showDocument({ uri, takeFocus: true });
  if (shown?.success === true) return;
  const message: ShowMessageParams = { type: MessageType.Info, message: explanation(code) };
  await connection.sendNotification(ShowMessageNotification.type, message);
}

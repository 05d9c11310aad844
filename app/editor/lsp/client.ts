/** What an editor says about itself when it begins: which answers it can show, and which it would not. */
import type { InitializeParams } from "vscode-languageserver";

export interface Client {
  /** Completions with places to fill in. */
  readonly snippets: boolean;
  /** Edits that name the version of the document that they are for. */
  readonly versionedEdits: boolean;
  /** It asks for hints anew when it is told that there are others. */
  readonly refreshesHints: boolean;
  /** The same for the lines above models. */
  readonly refreshesLenses: boolean;
  /** It answers what its settings are. */
  readonly hasSettings: boolean;
  /** It opens an address when it is asked to. */
  readonly opensAddresses: boolean;
  /** Commands that a lens may have: those that the editor's extension runs. */
  readonly lensCommands: readonly string[];
}

export function clientOf({ capabilities, initializationOptions }: InitializeParams): Client {
  const { textDocument, workspace, window } = capabilities;
  const own = initializationOptions as { readonly lensCommands?: unknown } | null | undefined;
  return {
    snippets: textDocument?.completion?.completionItem?.snippetSupport === true,
    versionedEdits: workspace?.workspaceEdit?.documentChanges === true,
    refreshesHints: workspace?.inlayHint?.refreshSupport === true,
    refreshesLenses: workspace?.codeLens?.refreshSupport === true,
    hasSettings: workspace?.configuration === true,
    opensAddresses: window?.showDocument?.support === true,
    lensCommands: Array.isArray(own?.lensCommands) ? own.lensCommands.map(String) : [],
  };
}

/** What an editor says about itself when it begins: which answers it can show, and which it would not. */
import type { InitializeParams } from "vscode-languageserver";

export interface Client {
  /** Edits that name the version of the document that they are for. */
  readonly versionedEdits: boolean;
  /** Commands that a lens may have: those that the editor's extension runs. */
  readonly lensCommands: readonly string[];
}

export function clientOf({ capabilities, initializationOptions }: InitializeParams): Client {
  const own = initializationOptions as { readonly lensCommands?: unknown } | null | undefined;
  return {
    versionedEdits: capabilities.workspace?.workspaceEdit?.documentChanges === true,
    lensCommands: Array.isArray(own?.lensCommands) ? own.lensCommands.map(String) : [],
  };
}

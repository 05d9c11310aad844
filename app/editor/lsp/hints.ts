/** Hints: what follows from the text and is not written there. Each kind can be turned off. */
import { InlayHintKind, type Connection, type InlayHint as ShownHint } from "vscode-languageserver";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { InlayHint } from "../../../compiler/language-service/language-service.ts";
import type { Client } from "./client.ts";

/** The editor's setting that has a switch for each kind: `sinter.inlayHints.shape`. */
const SECTION = "sinter.inlayHints";
type Switches = Partial<Record<InlayHint["kind"], unknown>>;

/** Which hints the editor's settings want: all, unless they say otherwise. */
export async function wantedHints(
  connection: Connection,
  client: Client,
): Promise<(hint: InlayHint) => boolean> {
  if (!client.hasSettings) return () => true;
  const switches = (await connection.workspace.getConfiguration(SECTION)) as Switches | null;
  return ({ kind }) => switches?.[kind] !== false;
}

export const inlayHint = (document: TextDocument, { at, text, kind, tooltip }: InlayHint): ShownHint => ({
  position: document.positionAt(at),
  label: text,
  paddingLeft: true,
  ...(kind === "shape" && { kind: InlayHintKind.Type }),
  ...(tooltip !== undefined && { tooltip }),
});

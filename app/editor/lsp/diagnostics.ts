/** A diagnostic of the compiler as the protocol has it. */
import { DiagnosticSeverity, type Diagnostic as Shown } from "vscode-languageserver";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Diagnostic } from "../../../compiler/language-service/language-service.ts";
import { locationOf, rangeOf } from "./places.ts";
import { referenceOf } from "./reference.ts";

export const SOURCE = "sinter";

const severities = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
} as const satisfies Record<Diagnostic["severity"], DiagnosticSeverity>;

/** Notes that have a place are related information; all others, and the help, are lines of the message. */
export function shownDiagnostic(document: TextDocument, d: Diagnostic): Shown {
  const placed = d.notes.flatMap(({ span, text }) => (span ? [{ span, text }] : []));
  const plain = d.notes.filter(({ span }) => span === undefined).map(({ text }) => `note: ${text}`);
  const help = d.help === undefined ? [] : [`help: ${d.help}`];
  const href = referenceOf(d.code);
  return {
    range: rangeOf(document, d.span),
    severity: severities[d.severity],
    code: d.code,
    ...(href !== undefined && { codeDescription: { href } }),
    source: SOURCE,
    message: [d.text, ...plain, ...help].join("\n"),
    relatedInformation: placed.map(({ span, text }) => ({
      location: locationOf(document, span),
      message: text,
    })),
  };
}

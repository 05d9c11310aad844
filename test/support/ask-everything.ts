/** Asks the language service everything about a text, at some places, and holds all places to the text. */
import { analyse } from "../../compiler/language-service/analyse.ts";
import { applied } from "../../compiler/language-service/edits.ts";
import type { Analysis, Span } from "../../compiler/language-service/language-service.ts";

export function askEverything(text: string, places: readonly number[]): void {
  const spec = analyse(text);
  const inside = (what: string, { start, end }: Span): void => {
    if (start < 0 || start > end || end > text.length)
      throw new Error(
        `${what} lies at ${start}…${end} of ${text.length}: ${JSON.stringify(text.slice(-80))}`,
      );
  };
  for (const { code, span, notes } of spec.diagnostics) {
    inside(code, span);
    for (const note of notes) if (note.span) inside(`note of ${code}`, note.span);
  }
  for (const { at, text: said } of spec.inlayHints()) inside(said, { start: at, end: at });
  for (const token of spec.tokens()) inside("token", token.span);
  for (const span of spec.folding()) inside("fold", span);
  for (const { part, span } of spec.parts()) inside(part, span);
  for (const { span } of spec.lenses()) inside("lens", span);
  for (const { span } of spec.format()) inside("format", span);
  for (const entry of spec.symbols())
    for (const child of [entry, ...entry.children]) inside(child.name, child.span);
  for (const { title, edits } of spec.actions({ start: 0, end: text.length }))
    for (const { span } of edits) inside(title, span);
  for (const at of places) askAt(spec, at, inside);
}

function askAt(spec: Analysis, at: number, inside: (what: string, span: Span) => void): void {
  const hover = spec.hover(at);
  if (hover) inside("hover", hover.span);
  for (const { label, replaces } of spec.complete(at)) inside(label, replaces);
  const definition = spec.definition(at);
  if (definition) inside("definition", definition);
  for (const span of [...spec.references(at, true), ...spec.highlights(at)]) inside("reference", span);
  const range = spec.renameRange(at);
  if (!range) return;
  inside("rename", range.span);
  const renamed = spec.rename(at, "another_name");
  if ("edits" in renamed) analyse(applied(spec.text, renamed.edits));
}

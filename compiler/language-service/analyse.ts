/** One text, analysed: every question of `Analysis` goes to the file that answers it. Never throws. */
import { format } from "../1-parse/format.ts";
import { activeParameters } from "../2-check/parameters.ts";
import type { Diagnostic } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import { actions } from "./actions.ts";
import { classifiedTokens } from "./classify.ts";
import { complete } from "./completion.ts";
import { tokenCosts } from "./costs.ts";
import { readDocument, type Document } from "./document.ts";
import { difference } from "./edits.ts";
import { inlayHints } from "./hints.ts";
import { hover } from "./hover.ts";
import type { Analysis, ModelFacts } from "./language-service.ts";
import { definition, highlights, references, rename, renameRange } from "./names.ts";
import { folding, lenses, outline } from "./outline.ts";
import { placedParts } from "./placed-parts.ts";

export function analyse(text: string): Analysis {
  const doc = readDocument(text);
  const models = factsOf(doc);
  return {
    text,
    diagnostics: doc.checked.diagnostics.map((d) => withinText(d, text.length)),
    models,
    hover: (at) => hover(doc, at),
    inlayHints: (within) => inlayHints(doc, within),
    complete: (at) => complete(doc, at),
    definition: (at) => definition(doc, at),
    references: (at, withDefinition) => references(doc, at, withDefinition),
    highlights: (at) => highlights(doc, at),
    renameRange: (at) => renameRange(doc, at),
    rename: (at, name) => rename(doc, at, name),
    format() {
      const { text: formatted = text } = format(text);
      const edit = difference(text, formatted);
      return edit ? [edit] : [];
    },
    actions: (within) => actions(doc, within),
    parts: () => placedParts(doc),
    symbols: () => outline(doc),
    folding: () => folding(doc),
    lenses: () => lenses(models),
    tokens: () => classifiedTokens(doc),
  };
}

function factsOf({ checked, file }: Document): ModelFacts[] {
  return checked.models.map((model, i): ModelFacts => {
    const { span, name } = file.models.find((node) => node.name.text === model.name)!;
    return {
      name: model.name,
      span,
      nameSpan: name.span,
      sizes: model.sizes,
      parameters: checked.summaries[i]!.parameters,
      activeParameters: activeParameters(model),
      get flopsPerToken() {
        return tokenCosts(model).whole.flops;
      },
      model,
    };
  });
}

/** Diagnostics about the end of a text point behind it. */
function withinText(d: Diagnostic, length: number): Diagnostic {
  const inside = ({ start, end }: Span): Span => {
    const from = Math.max(0, Math.min(start, length));
    return { start: from, end: Math.max(from, Math.min(end, length)) };
  };
  const notes = d.notes.map((note) => (note.span ? { ...note, span: inside(note.span) } : note));
  return { ...d, span: inside(d.span), notes };
}

/**
 * `sinter/language`: what an editor asks of a spec. Pure, for Node and for pages.
 *
 *   const spec = analyse(text);
 *   spec.diagnostics, spec.hover(offset), spec.complete(offset), spec.rename(offset, "hidden")
 *
 * An analysis is about one text; another text gets another one, in about a millisecond.
 */
export { analyse } from "./analyse.ts";
export { exactBytes } from "./exact-bytes.ts";
export { explanation } from "./explanation.ts";
export type {
  Action,
  Analysis,
  ClassifiedToken,
  Completion,
  CompletionKind,
  Diagnostic,
  Edit,
  Hover,
  InlayHint,
  Lens,
  ModelFacts,
  ModuleBytes,
  Note,
  OutlineEntry,
  PlacedPart,
  Renamed,
  Span,
  TokenClass,
} from "./language-service.ts";

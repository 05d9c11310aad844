/** Facts about one place, which may differ from model to model where the line is inherited. */
import type { Span } from "../diagnostics/span.ts";
import type { Document } from "./document.ts";
import type { ModelNotes } from "./symbol-table.ts";

export interface InModel<T> {
  readonly notes: ModelNotes;
  readonly model: string;
  readonly fact: T;
}

/** What each model has to say: the one around the place first, then those that inherit the line. */
export function inModels<T>(
  { symbols }: Document,
  place: Span,
  read: (notes: ModelNotes) => T | undefined,
): InModel<T>[] {
  const found = symbols.models.flatMap((notes): InModel<T>[] => {
    const fact = read(notes);
    return fact === undefined ? [] : [{ notes, model: notes.resolved.node.name.text, fact }];
  });
  const isOwn = ({ notes: { resolved } }: InModel<T>): boolean =>
    resolved.node.span.start <= place.start && place.end <= resolved.node.span.end;
  return [...found.filter(isOwn), ...found.filter((one) => !isOwn(one))];
}

/** Most models that are named beside the first. */
const MOST_OTHERS = 6;

/** "512; in `b` 1_024": the first model's, and the others' where they differ. Undefined: nobody has any. */
export function saidInModels<T>(all: readonly InModel<T>[], show: (fact: T) => string): string | undefined {
  const [first, ...others] = all.map(({ model, fact }) => ({ model, text: show(fact) }));
  if (!first) return undefined;
  const different = others.filter(({ text }) => text !== first.text);
  const named = different.slice(0, MOST_OTHERS).map(({ model, text }) => `in \`${model}\` ${text}`);
  return [first.text, ...named, ...(different.length > MOST_OTHERS ? ["…"] : [])].join("; ");
}

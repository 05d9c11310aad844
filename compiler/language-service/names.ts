/** Where names are defined and used, and how one is given another name everywhere. */
import { MAX_NAME } from "../1-parse/parse.ts";
import { keywordNames } from "../1-parse/tokens.ts";
import type { SymbolKind } from "../2-check/record.ts";
import type { Edit } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import { quoted } from "../diagnostics/messages/message.ts";
import { nameAt, readDocument, spanOf, type Document } from "./document.ts";
import { applied, moved } from "./edits.ts";
import type { Renamed } from "./language-service.ts";
import { contains } from "./roles.ts";

export function definition(doc: Document, at: number): Span | undefined {
  const token = nameAt(doc, at);
  if (!token) return undefined;
  const starts = doc.symbols.definitionsOf(token.startOffset);
  const around = blockAround(doc, token.startOffset);
  const start = starts.find((s) => around && contains(around, s)) ?? starts[0];
  return start === undefined
    ? undefined
    : (doc.symbols.definitions.get(start)?.span ?? { start, end: start });
}

export function references(doc: Document, at: number, withDefinition: boolean): readonly Span[] {
  const token = nameAt(doc, at);
  if (!token) return [];
  const places = doc.symbols.places(token.startOffset);
  return withDefinition ? places : places.filter(({ start }) => !doc.symbols.definitions.has(start));
}

export function highlights(doc: Document, at: number): readonly Span[] {
  const token = nameAt(doc, at);
  if (!token) return [];
  const around = blockAround(doc, token.startOffset);
  const isModel = doc.symbols.definitionAt(token.startOffset)?.kind === "model";
  const places = doc.symbols.places(token.startOffset);
  return isModel || !around ? places : places.filter(({ start }) => contains(around, start));
}

const blockAround = ({ file }: Document, at: number): Span | undefined =>
  [...file.models, ...file.plans, ...file.hardware].find(({ span }) => contains(span, at))?.span;

// ---- rename

const renamed: readonly SymbolKind[] = ["model", "plan", "hardware", "let", "value", "objective", "head"];

export function renameRange(
  doc: Document,
  at: number,
): { readonly span: Span; readonly name: string } | undefined {
  const token = nameAt(doc, at);
  const symbol = token && doc.symbols.definitionAt(token.startOffset);
  if (!symbol || !renamed.includes(symbol.kind) || symbol.name === "x") return undefined;
  return { span: spanOf(token), name: token.image };
}

/**
 * Every place gets the new name, in the model and in those that inherit it. The text that comes out is read
 * again: where it has a mistake that was not there before, or where some name then means something else, the
 * new name is refused.
 */
export function rename(doc: Document, at: number, name: string): Renamed {
  const range = renameRange(doc, at);
  if (!range) return { refused: "there is no name here that could be changed" };
  const kind = doc.symbols.definitionAt(range.span.start)!.kind;
  const why = unusable(kind, name);
  if (why) return { refused: why };
  const places = doc.symbols.places(range.span.start);
  const edits = places.map((span): Edit => ({ span, text: name }));
  if (name === range.name) return { edits: [] };
  const after = readDocument(applied(doc.text, edits));
  const mistake = newMistake(doc, after, edits);
  if (mistake) return { refused: mistake };
  return meansTheSame(doc, after, edits)
    ? { edits }
    : { refused: `${quoted(name)} means something else already where ${quoted(range.name)} is used` };
}

function unusable(kind: SymbolKind, name: string): string | undefined {
  const isWide = kind === "model" || kind === "plan" || kind === "hardware";
  const pattern = isWide ? /^[A-Za-z][A-Za-z0-9_.-]*$/ : /^[A-Za-z][A-Za-z0-9_]*$/;
  const shown = quoted(name);
  if (!pattern.test(name)) {
    const more = isWide ? "`_`, `-` and `.`" : "and `_`";
    return `${shown} is no name: it begins with a letter, then letters, digits ${more} follow`;
  }
  if (name.length > MAX_NAME) return `${shown} is longer than ${MAX_NAME} characters`;
  if (keywordNames.includes(name) && (!isWide || name === "like"))
    return `${shown} is a word of the language`;
  return undefined;
}

function newMistake(before: Document, after: Document, edits: readonly Edit[]): string | undefined {
  const key = (code: string, start: number): string => `${code} ${start}`;
  const known = new Set(
    before.checked.diagnostics.map(({ code, span }) => key(code, moved(span.start, edits))),
  );
  return after.checked.diagnostics.find(({ code, span }) => !known.has(key(code, span.start)))?.text;
}

/** Whether every name has the same places in both texts. */
function meansTheSame(before: Document, after: Document, edits: readonly Edit[]): boolean {
  const groups = ({ symbols }: Document, place: (start: number) => number): string[] =>
    symbols
      .allPlaces()
      .map((spans) => spans.map(({ start }) => place(start)).join(" "))
      .sort();
  const [old, now] = [groups(before, (start) => moved(start, edits)), groups(after, (start) => start)];
  return old.length === now.length && old.every((group, i) => group === now[i]);
}

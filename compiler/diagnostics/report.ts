/**
 * A diagnostic is a value: what a user got wrong, where, and what to write instead. `messages.ts` holds the
 * words.
 */
import { messages, type Code, type Details } from "./messages.ts";
import type { Fix, Message } from "./messages/message.ts";
import type { Span } from "./span.ts";

export interface Note {
  readonly text: string;
  readonly span?: Span;
}

/** Another text for a place. */
export interface Edit {
  readonly span: Span;
  readonly text: string;
}

export interface Diagnostic {
  readonly code: Code;
  readonly severity: "error" | "warning";
  readonly span: Span;
  readonly text: string;
  readonly notes: readonly Note[];
  readonly help?: string;
  /** What the help says, as changes of the text; the first is the likeliest. Absent: it names none. */
  readonly fixes?: readonly Fix[];
}

/** Codes of warnings begin with W: a model that has only warnings is used. */
export const severityOf = (code: string): Diagnostic["severity"] =>
  code.startsWith("W") ? "warning" : "error";

export function diagnostic<C extends Code>(
  code: C,
  span: Span,
  details: Details<C>,
  notes: readonly Note[] = [],
): Diagnostic {
  const { text, help, fixes } = messages[code] as unknown as Message<Details<C>>;
  const helpText = help?.(details);
  const changes = fixes?.(details) ?? [];
  return {
    code,
    severity: severityOf(code),
    span,
    text: text(details),
    notes,
    ...(helpText === undefined ? {} : { help: helpText }),
    ...(changes.length > 0 && { fixes: changes }),
  };
}

/** Gathers diagnostics; every stage gets one and goes on after an error. */
export interface Reporter {
  <C extends Code>(code: C, span: Span, details: Details<C>, notes?: readonly Note[]): void;
}

export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some((d) => d.severity === "error");

/**
 * One complaint per place and code (models that inherit a mistake repeat it), in the order of the text; the
 * command line's come last.
 */
export function tidy(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  return diagnostics
    .filter((d) => {
      const key = `${d.code} ${d.span.start} ${d.span.of?.text ?? ""}`;
      return !seen.has(key) && seen.add(key);
    })
    .sort(
      (a, b) =>
        (a.span.of ? 1 : 0) - (b.span.of ? 1 : 0) || a.span.start - b.span.start || a.span.end - b.span.end,
    );
}

/**
 * A diagnostic as text:
 *
 *     error[E0203]: width 96 does not divide into 7 heads
 *       --> specs/tiny.sinter:3:9
 *     3 |   heads 7
 *       |         ^
 *     note: width is set here
 *     2 |   width 96
 *       |         ^^
 *     help: use 6 or 8 heads
 */
import { isPrintable } from "./messages/message.ts";
import type { Diagnostic } from "./report.ts";
import { positionOf, type Source, type Span } from "./span.ts";

export interface RenderOptions {
  readonly colour?: boolean;
  /** Widest excerpt of a source line. */
  readonly columns?: number;
  /** How many diagnostics are shown in full. */
  readonly limit?: number;
}

type Paint = (text: string) => string;
const paint = (on: boolean, code: string): Paint =>
  on ? (text) => `\u001b[${code}m${text}\u001b[0m` : (text) => text;

/** All diagnostics, a blank line between them, and a closing line that counts. */
export function renderAll(
  diagnostics: readonly Diagnostic[],
  source: Source,
  options: RenderOptions = {},
): string {
  const { limit = 50 } = options;
  const shown = diagnostics.slice(0, limit).map((d) => render(d, source, options));
  const errors = diagnostics.filter((d) => d.severity === "error").length;
  const warnings = diagnostics.length - errors;
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
  const counted = [
    ...(errors ? [count(errors, "error")] : []),
    ...(warnings ? [count(warnings, "warning")] : []),
  ].join(", ");
  const explained = diagnostics[0] ? ` (\`sinter explain ${diagnostics[0].code}\` tells more)` : "";
  if (diagnostics.length > limit) shown.push(`… and ${diagnostics.length - limit} more`);
  return diagnostics.length === 0 ? "" : `${[...shown, `${counted}${explained}`].join("\n\n")}\n`;
}

export function render(d: Diagnostic, source: Source, options: RenderOptions = {}): string {
  const colour = options.colour ?? false;
  const columns = options.columns ?? 100;
  const strong = paint(colour, "1");
  const dim = paint(colour, "34");
  const other = paint(colour, "1;36");
  const mark = paint(colour, d.severity === "error" ? "1;31" : "1;33");
  const arrow = (span: Span): string => `  ${dim("-->")} ${locationOf(span, source)}`;
  const lines = [
    `${mark(`${d.severity}[${d.code}]`)}${strong(`: ${d.text}`)}`,
    arrow(d.span),
    ...excerpt(d.span, source, columns, dim, mark),
  ];
  for (const note of d.notes) {
    lines.push(`${other("note")}: ${note.text}`);
    if (!note.span) continue;
    if (note.span.of !== d.span.of) lines.push(arrow(note.span));
    lines.push(...excerpt(note.span, source, columns, dim, other));
  }
  if (d.help !== undefined) lines.push(`${paint(colour, "1;32")("help")}: ${d.help}`);
  return lines.join("\n");
}

function locationOf(span: Span, source: Source): string {
  const { name, text } = span.of ?? source;
  const { line, column } = positionOf(text, span.start);
  return `${name}:${line}:${column}`;
}

/**
 * The source line and the underline; long lines are cut to a window around the place, other characters than
 * text are shown as "·".
 */
function excerpt(span: Span, source: Source, columns: number, dim: Paint, mark: Paint): string[] {
  const { text } = span.of ?? source;
  const { line, text: whole, lineStart } = positionOf(text, span.start);
  const at = Math.min(span.start - lineStart, whole.length);
  const until = Math.max(at, Math.min(span.end - lineStart, whole.length));
  const before = shown(whole.slice(Math.max(0, at - 2 * columns), at));
  const marked = shown(whole.slice(at, Math.min(until, at + 2 * columns)));
  const after = shown(whole.slice(until, until + 2 * columns));
  const characters = [...before, ...marked, ...after];
  const tooLong = characters.length > columns || at > 2 * columns;
  const from = tooLong
    ? Math.max(0, Math.min(before.length - Math.floor(columns / 3), characters.length - columns))
    : 0;
  const window = characters.slice(from, from + columns);
  if (from > 0 || at > 2 * columns) window[0] = "…";
  if (from + columns < characters.length || until + 2 * columns < whole.length)
    window[window.length - 1] = "…";
  const indent = before.length - from;
  const underline = Math.max(1, Math.min(marked.length, columns - indent));
  const margin = `${line}`;
  const gap = " ".repeat(margin.length);
  return [
    `${dim(`${margin} |`)} ${window.join("")}`.trimEnd(),
    `${dim(`${gap} |`)} ${" ".repeat(indent)}${mark("^".repeat(underline))}`,
  ];
}

const shown = (text: string): string[] => [...text].map((c) => (c === "\t" ? " " : isPrintable(c) ? c : "·"));

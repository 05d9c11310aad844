/**
 * Turns a spec's text into a syntax tree and a list of diagnostics. Never throws, whatever the text, because
 * limits are checked before the parser recurses.
 */
import type { IToken } from "chevrotain";
import { diagnostic, type Diagnostic, type Reporter } from "../diagnostics/report.ts";
import type { Source, Span } from "../diagnostics/span.ts";
import type { FileNode, Value } from "./ast.ts";
import { buildHardware, buildModel, buildPlan, buildValue, type Building } from "./build.ts";
import { parseTokens } from "./grammar.ts";
import { repair } from "./repair.ts";
import { reportLexing, reportParsing, type Unread } from "./syntax-errors.ts";
import { isName, lexer, ModelName } from "./tokens.ts";

export const MAX_CHARACTERS = 1 << 20;
export const MAX_NAME = 64;
export const MAX_MODELS = 1000;
/** Syntax errors that are kept; a file with more of them is not a spec. */
const MAX_DIAGNOSTICS = 1000;

export interface Parsed {
  readonly file: FileNode;
  readonly diagnostics: readonly Diagnostic[];
}

export function parse(text: string): Parsed {
  const diagnostics: Diagnostic[] = [];
  const report: Reporter = (code, span, details, notes) => {
    if (diagnostics.length < MAX_DIAGNOSTICS) diagnostics.push(diagnostic(code, span, details, notes));
  };
  const b: Building = { place: (start, end) => ({ start, end }), report };
  const nothing: Parsed = { file: { models: [], plans: [], hardware: [] }, diagnostics };

  if (text.length > MAX_CHARACTERS) {
    report("E0107", b.place(MAX_CHARACTERS, MAX_CHARACTERS), { length: text.length, limit: MAX_CHARACTERS });
    return nothing;
  }
  const tokens = repair(readTokens(text, 0, b), b.place, report);
  if (!tokens) return nothing;

  const { tree, errors } = parseTokens(tokens, "file");
  reportParsing(errors, tokens, text, b.place, report);
  if (!tree) return nothing;
  const nodes = tree.children["model"] ?? [];
  const planNodes = tree.children["plan"] ?? [];
  const hardwareNodes = tree.children["hardware"] ?? [];
  for (const [what, { length: count }] of [
    ["models", nodes],
    ["plans", planNodes],
    ["devices", hardwareNodes],
  ] as const) {
    if (count <= MAX_MODELS) continue;
    report("E0111", b.place(0, 0), { what, count, limit: MAX_MODELS });
    return nothing;
  }
  const wrong = diagnostics.map((d) => d.span);
  const isBroken = (span: Span): boolean => wrong.some((w) => w.start >= span.start && w.start <= span.end);
  const models = nodes.flatMap((n) => ("children" in n ? (buildModel(b, n, isBroken) ?? []) : []));
  const plans = planNodes.flatMap((n) => ("children" in n ? (buildPlan(b, n, isBroken) ?? []) : []));
  const hardware = hardwareNodes.flatMap((n) =>
    "children" in n ? (buildHardware(b, n, isBroken) ?? []) : [],
  );
  if (diagnostics.length === MAX_DIAGNOSTICS) return nothing;
  if (nodes.length === 0 && diagnostics.length === 0) report("E0110", b.place(0, 0), {});
  return { file: { models, plans, hardware }, diagnostics };
}

/** Parses the value of `--set NAME=VALUE`; `from` is where the value begins in `source`. */
export function parseOverride(source: Source, from: number, report: Reporter): Value | undefined {
  let failed = false;
  const b: Building = {
    place: (start, end) => ({ start, end, of: source }),
    report(code, span, details, notes) {
      failed = true;
      report(code, span, details, notes);
    },
  };
  const tokens = repair(readTokens(source.text.slice(from), from, b), b.place, b.report);
  if (!tokens || failed) return undefined;
  const { tree, errors } = parseTokens(tokens, "override");
  reportParsing(errors, tokens, source.text, b.place, b.report);
  const value = (tree?.children["value"] ?? [])[0];
  return failed || !value || !("children" in value) ? undefined : buildValue(b, value);
}

/**
 * Other languages write comments as "# …". Such a comment is left out whole, with a complaint about its sign.
 */
const wrongComments = (found: readonly IToken[]): Unread[] =>
  found.map((c) => ({ offset: c.startOffset, length: 1 }));

function readTokens(text: string, shift: number, b: Building): IToken[] {
  const { tokens, errors, groups } = lexer.tokenize(text);
  const unread = [...errors, ...wrongComments(groups["wrongComments"] ?? [])];
  reportLexing(unread, text, (start, end) => b.place(start + shift, end + shift), b.report);
  for (const token of tokens) {
    if (shift > 0) {
      token.startOffset += shift;
      token.endOffset! += shift;
    }
    if (token.image.length > MAX_NAME && (isName(token.tokenType) || token.tokenType === ModelName))
      b.report("E0108", b.place(token.startOffset, token.startOffset + token.image.length), {
        name: token.image,
        limit: MAX_NAME,
      });
  }
  return tokens;
}

/**
 * The tokens are put in order before the parser runs. Brackets: the parser recurses, and must not be led
 * deeper than it can go; and one forgotten bracket should be one complaint, not one for each line that it
 * swallows. Missing ones are added where they are due at the latest, stray ones are left out. Signs: "width =
 * 8" is told as what it is.
 */
import { createTokenInstance, type IToken, type TokenType } from "chevrotain";
import { quoted } from "../diagnostics/messages/message.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import * as t from "./tokens.ts";

export const MAX_NESTING = 64;

interface Open {
  readonly token: IToken;
  /** Keyword of the block: "model", "layer", "train" …; undefined for parentheses. */
  readonly block: TokenType | undefined;
}

const statements: ReadonlySet<TokenType> = new Set([
  t.Let,
  t.Embed,
  t.Layer,
  t.Output,
  t.Tokenizer,
  t.Train,
  t.Sample,
  t.Expect,
]);
const blocks: ReadonlySet<TokenType> = new Set([t.Model, t.Layer, t.Train, t.Sample]);

const wrongSigns: ReadonlySet<TokenType> = new Set([t.Equals, t.Colon, t.PlusEquals]);

/** The tokens with all brackets in pairs; undefined where they are nested too deeply. */
export function repair(
  tokens: readonly IToken[],
  place: (start: number, end: number) => Span,
  report: Reporter,
): IToken[] | undefined {
  const open: Open[] = [];
  const balanced: IToken[] = [];
  const at = (token: IToken): Span => place(token.startOffset, token.startOffset + token.image.length);
  const close = (due: IToken | undefined): void => {
    const { token } = open.pop()!;
    const brace = token.image === "{";
    const note = due ? [{ text: "at the latest before this", span: at(due) }] : [];
    report("E0103", at(token), { bracket: token.image, close: brace ? "}" : ")" }, note);
    balanced.push(added(brace ? t.CloseBrace : t.CloseParen, brace ? "}" : ")", balanced.at(-1) ?? token));
  };
  const isInside = (what: (o: Open) => boolean): boolean => {
    const inner = open.at(-1);
    return inner !== undefined && what(inner);
  };
  let block: TokenType | undefined;
  for (const [i, token] of tokens.entries()) {
    const { tokenType: type } = token;
    const next = tokens[i + 1]?.tokenType;
    // parentheses hold values only: an equation or a statement cannot begin in them; a statement not in a
    // layer or a section; a model nowhere
    const startsEquation = type === t.Name && (next === t.Equals || next === t.PlusEquals);
    const startsStatement = statements.has(type);
    if (startsEquation || startsStatement || type === t.CloseBrace)
      while (isInside((o) => o.block === undefined)) close(token);
    if (startsStatement && isInside((o) => o.block !== t.Model)) close(token);
    if (type === t.Model) while (open.length > 0) close(token);

    // "width = 8" in a model or a section, "x += …" outside of the layer
    const before = balanced.at(-1);
    const inSettings = isInside((o) => o.block !== undefined && o.block !== t.Layer);
    if (
      inSettings &&
      wrongSigns.has(type) &&
      before?.tokenType === t.Name &&
      balanced.at(-2)?.tokenType !== t.Let
    ) {
      const isEquation = type === t.PlusEquals || before.image === "x";
      const help = isEquation
        ? "equations belong in `layer { … }`"
        : `settings are written without a sign: ${quoted(`${before.image} …`)}`;
      report("E0102", at(token), {
        expected: `the value of ${quoted(before.image)}`,
        found: quoted(token.image),
        help,
      });
      continue;
    }
    if (blocks.has(type)) block = type;
    if (type === t.OpenParen || type === t.OpenBrace) {
      if (open.length === MAX_NESTING) {
        report("E0105", at(token), { limit: MAX_NESTING });
        return undefined;
      }
      open.push({ token, block: type === t.OpenBrace ? (block ?? t.Model) : undefined });
      if (type === t.OpenBrace) block = undefined;
    } else if (type === t.CloseParen || type === t.CloseBrace) {
      if (!isInside((o) => (o.block === undefined) === (type === t.CloseParen))) {
        report("E0104", at(token), { bracket: token.image });
        continue;
      }
      open.pop();
    }
    balanced.push(token);
  }
  while (open.length > 0) close(undefined);
  return balanced;
}

/** A bracket that nobody wrote: it has a place, behind `before`, and no length. */
function added(type: TokenType, image: string, before: IToken): IToken {
  const end = before.endOffset!;
  const { endLine: line, endColumn: column } = before;
  return createTokenInstance(type, image, end + 1, end, line!, line!, column! + 1, column!);
}

/**
 * Puts the tokens in order before the parser sees them.
 *
 * Brackets come in pairs afterwards. The parser recurses at each, and must not be led deeper than its stack
 * goes; and a forgotten bracket should cause one complaint, not one for each line that it swallows. A missing
 * bracket is added at the last place where it is possible, a stray one is left out.
 *
 * Signs that settings do not have ("width = 8") are left out, with a complaint that says so.
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
const outermost: ReadonlySet<TokenType> = new Set([t.Model, t.Plan, t.Hardware]);
const blocks: ReadonlySet<TokenType> = new Set([...outermost, t.Layer, t.Train, t.Sample]);
/** Those that are names, too, unless a brace follows. */
const blocksBeforeBrace: ReadonlySet<TokenType> = new Set(t.wordsBeforeBrace);

const wrongSigns: ReadonlySet<TokenType> = new Set([t.Equals, t.Colon, t.PlusEquals]);

/** The tokens with all brackets in pairs; undefined where they are nested too deeply. */
export function repair(
  tokens: readonly IToken[],
  place: (start: number, end: number) => Span,
  report: Reporter,
): IToken[] | undefined {
  const repaired = new Repair(place, report);
  for (const [i, token] of tokens.entries())
    if (!repaired.take(token, tokens[i + 1]?.tokenType)) return undefined;
  return repaired.finish();
}

/** The tokens so far, put in order, and the brackets that are open behind them. */
class Repair {
  private readonly open: Open[] = [];
  private readonly balanced: IToken[] = [];
  /** Keyword of the block whose brace comes next: "model", "layer", "train" … */
  private announced: TokenType | undefined;
  private readonly place: (start: number, end: number) => Span;
  private readonly report: Reporter;

  constructor(place: (start: number, end: number) => Span, report: Reporter) {
    this.place = place;
    this.report = report;
  }

  /** Takes the next token, or leaves it out. False: brackets are nested too deeply to go on. */
  take(token: IToken, next: TokenType | undefined): boolean {
    const { tokenType: type } = token;
    this.closeWhatIsDue(token, next);
    if (this.isWrongSign(token)) return true;
    if (blocks.has(type) || (blocksBeforeBrace.has(type) && next === t.OpenBrace)) this.announced = type;
    if (type === t.OpenParen || type === t.OpenBrace) {
      if (!this.openBracket(token)) return false;
    } else if ((type === t.CloseParen || type === t.CloseBrace) && !this.closeBracket(token)) return true;
    this.balanced.push(token);
    return true;
  }

  /** Closes what is still open at the end of the text. */
  finish(): IToken[] {
    while (this.open.length > 0) this.addClosing(undefined);
    return this.balanced;
  }

  /**
   * Adds the brackets that are missing before this token. Parentheses hold values only, so an equation or a
   * statement cannot begin in them; a statement cannot begin in a layer or a section, and in a plan only an
   * expectation; models, plans and devices begin nowhere but outside of everything.
   */
  private closeWhatIsDue(token: IToken, next: TokenType | undefined): void {
    const { tokenType: type } = token;
    const startsEquation = t.isName(type) && (next === t.Equals || next === t.PlusEquals);
    const startsStatement = statements.has(type) || (t.stageWords.includes(type) && next === t.OpenBrace);
    if (startsEquation || startsStatement || type === t.CloseBrace)
      while (this.isInside((o) => o.block === undefined)) this.addClosing(token);
    const belongs = (o: Open): boolean => o.block === t.Model || (o.block === t.Plan && type === t.Expect);
    if (startsStatement && this.isInside((o) => !belongs(o))) this.addClosing(token);
    if (outermost.has(type)) while (this.open.length > 0) this.addClosing(token);
  }

  /** "width = 8" in a model or a section, or "x += …" outside of the layer: the sign is left out. */
  private isWrongSign(token: IToken): boolean {
    const before = this.balanced.at(-1);
    const inSettings = this.isInside((o) => o.block !== undefined && o.block !== t.Layer);
    if (!inSettings || !wrongSigns.has(token.tokenType) || !t.isName(before?.tokenType)) return false;
    const defines = this.balanced.at(-2)?.tokenType; // `let NAME =`, `objective NAME =`
    if (defines === t.Let || defines === t.Objective) return false;
    const isEquation = token.tokenType === t.PlusEquals || before!.image === "x";
    this.report("E0102", this.at(token), {
      expected: `the value of ${quoted(before!.image)}`,
      found: quoted(token.image),
      help: isEquation
        ? "equations belong in `layer { … }`"
        : `settings are written without a sign: ${quoted(`${before!.image} …`)}`,
      ...(!isEquation && { instead: "" }),
    });
    return true;
  }

  private openBracket(token: IToken): boolean {
    if (this.open.length === MAX_NESTING) {
      this.report("E0105", this.at(token), { limit: MAX_NESTING });
      return false;
    }
    const isBrace = token.tokenType === t.OpenBrace;
    this.open.push({ token, block: isBrace ? (this.announced ?? t.Model) : undefined });
    if (isBrace) this.announced = undefined;
    return true;
  }

  /** False: nothing of its kind is open, so it is a stray one. */
  private closeBracket(token: IToken): boolean {
    const isParen = token.tokenType === t.CloseParen;
    if (this.isInside((o) => (o.block === undefined) === isParen)) {
      this.open.pop();
      return true;
    }
    this.report("E0104", this.at(token), { bracket: token.image });
    return false;
  }

  /** Adds the bracket that closes the innermost open one; `due` is the token before which it had to come. */
  private addClosing(due: IToken | undefined): void {
    const { token } = this.open.pop()!;
    const isBrace = token.image === "{";
    const close = isBrace ? "}" : ")";
    const note = due ? [{ text: "at the latest before this", span: this.at(due) }] : [];
    const at = this.balanced.at(-1)!.endOffset! + 1;
    this.report("E0103", this.at(token), { bracket: token.image, close, at }, note);
    this.balanced.push(added(isBrace ? t.CloseBrace : t.CloseParen, close, this.balanced.at(-1) ?? token));
  }

  private isInside(what: (innermost: Open) => boolean): boolean {
    const innermost = this.open.at(-1);
    return innermost !== undefined && what(innermost);
  }

  private at(token: IToken): Span {
    return this.place(token.startOffset, token.startOffset + token.image.length);
  }
}

/** A bracket that nobody wrote: it has a place, behind `before`, and no length. */
function added(type: TokenType, image: string, before: IToken): IToken {
  const end = before.endOffset!;
  const { endLine: line, endColumn: column } = before;
  return createTokenInstance(type, image, end + 1, end, line!, line!, column! + 1, column!);
}

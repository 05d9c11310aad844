/** Brackets are counted in the token stream before the parser runs: it recurses, and must not be led deeper than it can go. */
import type { IToken } from "chevrotain";
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";

export const MAX_NESTING = 64;
const closes: Readonly<Record<string, string>> = { "(": ")", "{": "}" };

export interface Brackets {
  readonly tooDeep: boolean;
  /** Offsets of brackets that were complained about: the parser's own complaints about them are left out. */
  readonly wrong: ReadonlySet<number>;
  readonly unclosed: boolean;
}

export function checkBrackets(tokens: readonly IToken[], place: (start: number, end: number) => Span, report: Reporter): Brackets {
  const open: IToken[] = [], wrong = new Set<number>();
  const at = (t: IToken): Span => place(t.startOffset, t.startOffset + 1);
  const unclosed = (t: IToken): void => {
    wrong.add(t.startOffset);
    report("E0103", at(t), { bracket: t.image, close: closes[t.image]! });
  };
  let anyUnclosed = false;
  for (const token of tokens) {
    if (token.image === "(" || token.image === "{") {
      if (open.length === MAX_NESTING) {
        report("E0105", at(token), { limit: MAX_NESTING });
        return { tooDeep: true, wrong, unclosed: false };
      }
      open.push(token);
    } else if (token.image === ")" || token.image === "}") {
      // "( }": a brace closes all parentheses in it (they do not reach over braces); a parenthesis closes no brace
      if (token.image === "}") while (open.at(-1)?.image === "(") { unclosed(open.pop()!); anyUnclosed = true; }
      const opener = open.at(-1);
      if (opener && closes[opener.image] === token.image) open.pop();
      else {
        wrong.add(token.startOffset);
        report("E0104", at(token), { bracket: token.image, open: undefined });
      }
    }
  }
  for (const token of open) unclosed(token);
  return { tooDeep: false, wrong, unclosed: anyUnclosed || open.length > 0 };
}

/**
 * From the lexer's and the parser's exceptions to diagnostics: what was expected, in the language's words,
 * and what to write instead.
 */
import { EOF, type IRecognitionException, type IToken, type TokenType } from "chevrotain";
import { quoted } from "../diagnostics/messages/message.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import * as t from "./tokens.ts";

type Place = (start: number, end: number) => Span;

/** What stands for a character that people type or paste by mistake. */
const lookalikes: Readonly<Record<string, string>> = {
  _: "names begin with a letter",
  "#": "comments begin with //",
  ";": "nothing ends a line: leave the `;` out",
  '"': "names and words are written without quotes",
  "'": "names and words are written without quotes",
  "×": "multiply with `*`",
  "·": "multiply with `*`",
  "−": "subtract with `-`",
  "–": "subtract with `-`",
  "—": "subtract with `-`",
  "[": "brackets are ( ) and { }",
  "]": "brackets are ( ) and { }",
  "^": "powers are written out: `width * width`",
  "<": "there are no comparisons",
  ">": "there are no comparisons",
  "\u00a0": "this is a no-break space: use a plain one",
  "\u2028": "use a plain line end",
  "\u2029": "use a plain line end",
};

/** What is meant by those of which that is plain. */
const replacements: Readonly<Record<string, string>> = {
  "#": "//",
  ";": "",
  '"': "",
  "'": "",
  "×": "*",
  "·": "*",
  "−": "-",
  "–": "-",
  "—": "-",
  "\u00a0": " ",
  "\u2028": "\n",
  "\u2029": "\n",
};

/** Characters that are no token. */
export interface Unread {
  readonly offset: number;
  readonly length: number;
}

export function reportLexing(errors: readonly Unread[], text: string, place: Place, report: Reporter): void {
  for (const error of errors) {
    const characters = text.slice(error.offset, error.offset + error.length);
    const first = [...characters][0]!;
    const code = first.codePointAt(0)!;
    report("E0101", place(error.offset, error.offset + error.length), {
      characters,
      code: code > 126 || code < 32 ? `U+${code.toString(16).toUpperCase().padStart(4, "0")}` : "",
      help: Object.hasOwn(lookalikes, first) ? lookalikes[first] : undefined,
      instead: characters === first && Object.hasOwn(replacements, first) ? replacements[first] : undefined,
    });
  }
}

/** What may come where a rule could not go on, in the language's words. */
const expectedIn: Readonly<Record<string, string>> = {
  file: "`model`, `plan` or `hardware`",
  model: "a setting, `layer`, `output` … or `}`",
  plan: "a setting, `expect` or `}`",
  hardware: "a setting or `}`",
  layer: "an equation or `}`",
  section: "a setting or `}`",
  stage: "a setting, `lora` or `}`",
  lora: "a setting or `}`",
  assignment: "`=` or `+=`",
  call: "`,` or `)`",
  group: "an operator or `)`",
  factor: "a value",
  override: "the end of the value",
};

type Errors = readonly IRecognitionException[];

export function reportParsing(
  errors: Errors,
  tokens: readonly IToken[],
  text: string,
  place: Place,
  report: Reporter,
): void {
  if (errors.length === 0) return;
  const indexOf = new Map(tokens.map((token, i) => [token, i]));
  let lastOffset = -1;
  for (const error of errors) {
    const { token } = error;
    const before = tokens[(indexOf.get(token) ?? tokens.length) - 1];
    const atEnd = token.tokenType === EOF || !(token.startOffset >= 0);
    const rule = error.context.ruleStack.at(-1) ?? "file";
    const start = atEnd ? endOf(text) : token.startOffset;
    const end = atEnd ? start : (token.endOffset ?? start) + 1;
    // recovery stumbled twice over one token, or over a bracket that was added
    if (start === lastOffset || (!atEnd && end <= start)) continue;
    lastOffset = start;
    const found = atEnd ? "the end of the file" : nameOf(token);
    const instead = insteadOf(rule, token, before);
    report("E0102", place(start, end), {
      expected: expectedBy(error, rule),
      found,
      help: helpFor(rule, token, before),
      ...(instead !== undefined && { instead }),
    });
  }
}

/** The end of the last thing written, so that the place is inside the text. */
const endOf = (text: string): number => text.trimEnd().length;

function expectedBy(error: IRecognitionException, rule: string): string {
  const wanted = error.name === "MismatchedTokenException" ? error.message : "";
  const ends = wanted === "`}`" || wanted === "`)`" || wanted === "EOF"; // or another round of what repeats
  return (ends || wanted === "" ? expectedIn[rule] : undefined) ?? (wanted || "something else");
}

function nameOf(token: IToken): string {
  return t.keywordNames.includes(token.image) ? `the word ${quoted(token.image)}` : quoted(token.image);
}

const values: ReadonlySet<TokenType> = new Set([t.True, t.False, t.Number]);
const assigns: ReadonlySet<TokenType> = new Set([t.Equals, t.PlusEquals]);
const naming: readonly string[] = ["let", "tokenizer", "expect"];

/** What the help names, where it is about the token alone. */
function insteadOf(rule: string, token: IToken, before: IToken | undefined): string | undefined {
  const { image } = token;
  if (rule === "call") return isOption(token, before) && image !== "=" ? `: ${image}` : undefined;
  return image === "," ? "" : undefined;
}

/** "bias true" and "bias = true", where a call's next argument could be. */
const isOption = ({ tokenType: type, image }: IToken, before: IToken | undefined): boolean =>
  t.isName(before?.tokenType) && (values.has(type) || t.isName(type) || image === "=");

function helpFor(rule: string, token: IToken, before: IToken | undefined): string | undefined {
  const { image, tokenType: type } = token;
  const name = t.isName(before?.tokenType) ? before!.image : undefined;
  if (rule === "call") {
    return isOption(token, before)
      ? `options are written with a colon: ${quoted(`${name}: ${image === "=" ? "…" : image}`)}`
      : undefined;
  }
  if (image === ",") return "nothing separates settings and equations: leave the `,` out";
  if (rule === "factor" && before && assigns.has(before.tokenType))
    return "the equation before it has no value";
  if (rule === "file" && t.isName(type))
    return "everything in a spec stands in `model NAME { … }`, or in a plan of one";
  if (naming.includes(rule) && t.keywordNames.includes(image))
    return `${quoted(image)} is a word of the language and cannot be a name`;
  return undefined;
}

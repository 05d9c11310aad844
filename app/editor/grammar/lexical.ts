/**
 * What highlighters that read line by line know of a token: the compiler's tables of tokens and settings as
 * an ordered list of regular expressions, of which the first that matches at a place wins. Each is written in
 * what JavaScript and Oniguruma (TextMate, VS Code) have in common, so that grammars of either kind are made
 * from this list.
 *
 * `lexicalClass` says the same from the compiler's tokens; the tests hold the two together.
 */
import type { IToken, TokenType } from "chevrotain";
import * as t from "../../../compiler/1-parse/tokens.ts";
import { hardwareFields } from "../../../compiler/2-check/hardware-fields.ts";
import { planFields } from "../../../compiler/2-check/plan-fields.ts";
import { sectionFields, sizeFields } from "../../../compiler/2-check/settings.ts";
import { blockFields } from "../../../compiler/2-check/stages.ts";

export type LexicalClass =
  | "comment"
  | "wrong comment"
  | "keyword"
  | "boolean"
  /** A name of a model, a plan or a device, after a word that asks for one. */
  | "model"
  /** A name before "(": a part or a function. */
  | "call"
  /** A name before ":". */
  | "option"
  /** A name that the tables of settings have. */
  | "setting"
  | "name"
  | "number"
  | "wrong number"
  | "operator"
  | "punctuation"
  | "bracket";

export interface LexicalRule {
  readonly class: LexicalClass;
  readonly pattern: string;
}

const settings: readonly string[] = [
  ...new Set(
    [
      sizeFields,
      ...Object.values(sectionFields),
      ...Object.values(blockFields),
      planFields,
      hardwareFields,
    ].flatMap((fields) => Object.keys(fields)),
  ),
].sort();

const booleans: readonly TokenType[] = [t.True, t.False];
const brackets: readonly TokenType[] = [t.OpenBrace, t.CloseBrace, t.OpenParen, t.CloseParen];
const marks: readonly TokenType[] = [t.Colon, t.Comma, t.Dot];
const words = t.keywords.filter((type) => !booleans.includes(type));
const beforeModelName = t.wordsBeforeModelName.filter((type) => t.keywords.includes(type));

// ---- from the compiler's tokens

/** `next`: the token behind it, comments left out. */
export function lexicalClass(token: IToken, next: IToken | undefined): LexicalClass {
  const { tokenType: type, image } = token;
  const behind = next?.startLine === token.endLine ? next?.tokenType : undefined;
  if (type === t.Comment) return "comment";
  if (type === t.WrongComment) return "wrong comment";
  if (type === t.ModelName) return "model";
  if (type === t.Number) return "number";
  if (type === t.BadNumber) return "wrong number";
  if (booleans.includes(type)) return "boolean";
  if (words.includes(type) || t.wordsBehindName.includes(type)) return "keyword";
  if (t.wordsBeforeBrace.includes(type) && behind === t.OpenBrace) return "keyword";
  if (t.wordsBeforeName.includes(type) && t.isName(behind)) return "keyword";
  if (brackets.includes(type)) return "bracket";
  if (marks.includes(type)) return "punctuation";
  if (!t.isName(type)) return "operator";
  if (behind === t.OpenParen) return "call";
  if (behind === t.Colon) return "option";
  return settings.includes(image) ? "setting" : "name";
}

// ---- as regular expressions

/** A token type's pattern. Oniguruma's \d and \b know all of Unicode, so they are written out. */
function sourceOf(pattern: TokenType["PATTERN"]): string {
  if (typeof pattern === "string") return escaped(pattern);
  if (!(pattern instanceof RegExp)) throw new Error("a token without a pattern has no regular expression");
  const source = pattern.source.replaceAll(String.raw`\d`, "[0-9]").replaceAll(String.raw`\b`, WORD_END);
  const unknown = /\\[a-zA-Z]/.exec(source.replaceAll(/\\[nrt]/g, ""));
  if (unknown) throw new Error(`${unknown[0]} in /${pattern.source}/ may mean something else in Oniguruma`);
  return source;
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`);
const oneOf = (patterns: readonly string[]): string => `(?:${patterns.join("|")})`;
const anyOf = (types: readonly TokenType[]): string => oneOf(types.map(({ PATTERN }) => sourceOf(PATTERN)));

/** Words end where a name would end. */
const WORD_END = "(?![A-Za-z0-9_])";
/** A byte order mark is white space, too. */
const SPACE = String.raw`[ \t\uFEFF]`;

const anyKeyword = anyOf(t.keywords) + WORD_END;
const name = sourceOf(t.Name.PATTERN) + WORD_END;

/**
 * A number, unless the wrong number that begins here is longer. `\1` is what the wrong number leaves of the
 * line: the number is shorter where more than that is left behind it. JavaScript has no atomic groups; a
 * lookahead and `\2` are one.
 */
const number = `(?=${sourceOf(t.BadNumber.PATTERN)}(.*)$)(?=(${sourceOf(t.Number.PATTERN)}))\\2(?!.+\\1$)`;

/**
 * After which word a model's name comes; what it looks like; the words behind it after which another one
 * comes; and what else ends the wait for either.
 */
export const modelName = {
  after: anyOf(beforeModelName) + WORD_END,
  pattern: sourceOf(t.MODEL_NAME),
  joins: oneOf(t.wordsBehindName.map(({ name: word }) => word.toLowerCase())) + WORD_END,
  /** Any token: comments, space and what no token begins with do not end it. */
  unless: `(?!${sourceOf(t.Comment.PATTERN)})(?=[A-Za-z0-9]|${anyOf(t.signs)})`,
} as const;

export const comments: readonly LexicalRule[] = [
  { class: "comment", pattern: sourceOf(t.Comment.PATTERN) },
  { class: "wrong comment", pattern: sourceOf(t.WrongComment.PATTERN) },
];

/** Everything but comments and models' names. */
export const rules: readonly LexicalRule[] = [
  { class: "keyword", pattern: anyOf(words) + WORD_END },
  { class: "boolean", pattern: anyOf(booleans) + WORD_END },
  { class: "keyword", pattern: `${anyOf(t.wordsBeforeBrace)}${WORD_END}(?=${SPACE}*\\{)` },
  {
    class: "keyword",
    pattern: `${anyOf(t.wordsBeforeName)}${WORD_END}(?=${SPACE}+(?!${anyKeyword})[A-Za-z])`,
  },
  { class: "call", pattern: `${name}(?=${SPACE}*\\()` },
  { class: "option", pattern: `${name}(?=${SPACE}*:)` },
  { class: "setting", pattern: oneOf(settings) + WORD_END },
  { class: "name", pattern: name },
  { class: "number", pattern: number },
  { class: "wrong number", pattern: sourceOf(t.BadNumber.PATTERN) },
  { class: "bracket", pattern: anyOf(brackets) },
  { class: "punctuation", pattern: anyOf(marks) },
  {
    class: "operator",
    pattern: anyOf(t.signs.filter((type) => !brackets.includes(type) && !marks.includes(type))),
  },
];

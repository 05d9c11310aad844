/**
 * THE table of tokens. Order matters: of two patterns that match, the earlier wins, unless `longer_alt` says
 * otherwise.
 */
import { createToken, Lexer, type IToken, type TokenType } from "chevrotain";

export const Name = createToken({ name: "Name", label: "a name", pattern: /[A-Za-z][A-Za-z0-9_]*/ });

const keyword = (word: string): TokenType =>
  createToken({
    name: word[0]!.toUpperCase() + word.slice(1),
    label: `\`${word}\``,
    pattern: new RegExp(word),
    longer_alt: Name,
  });
/** A word that means something in one place only, and is a name in all others. */
const wordInPlace = (word: string): TokenType =>
  createToken({
    name: word[0]!.toUpperCase() + word.slice(1),
    label: `\`${word}\``,
    pattern: new RegExp(word),
    longer_alt: Name,
    categories: Name,
  });
const sign = (name: string, text: string): TokenType =>
  createToken({ name, label: `\`${text}\``, pattern: text });

export const Model = keyword("model");
export const Plan = keyword("plan");
export const Hardware = keyword("hardware");
export const Like = keyword("like");
export const Let = keyword("let");
export const Embed = keyword("embed");
export const Layer = keyword("layer");
export const Output = keyword("output");
export const Tokenizer = keyword("tokenizer");
export const Train = keyword("train");
export const Sample = keyword("sample");
export const Alternate = keyword("alternate");
export const Expect = keyword("expect");
export const True = keyword("true");
export const False = keyword("false");

/** Before "{", the blocks of what comes after pre-training; `lora` stands inside of them. */
export const Sft = wordInPlace("sft");
export const Prefer = wordInPlace("prefer");
export const Reward = wordInPlace("reward");
export const Rl = wordInPlace("rl");
export const Lora = wordInPlace("lora");
/** Before a name. */
export const Objective = wordInPlace("objective");
export const Head = wordInPlace("head");

export const stageWords: readonly TokenType[] = [Sft, Prefer, Reward, Rl];
/** Words in place that are names unless a brace follows; and those that are names unless a name follows. */
export const wordsBeforeBrace: readonly TokenType[] = [...stageWords, Lora];
export const wordsBeforeName: readonly TokenType[] = [Objective, Head];
const wordsInPlace: readonly TokenType[] = [...wordsBeforeBrace, ...wordsBeforeName];

/** Whether it can be a name. */
export const isName = (type: TokenType | undefined): boolean =>
  type === Name || (type !== undefined && wordsInPlace.includes(type));

/** Behind a name in `plan NAME of MODEL on HARDWARE`; `on` and `of` are names everywhere else. */
const wordBehindName = (word: string): TokenType => {
  const pattern = new RegExp(`${word}(?![A-Za-z0-9_])`, "y");
  return createToken({
    name: word[0]!.toUpperCase() + word.slice(1),
    label: `\`${word}\``,
    line_breaks: false,
    start_chars_hint: [word[0]!],
    pattern: (text: string, offset: number, before: IToken[]) => {
      if (before.at(-1)?.tokenType !== ModelName) return null;
      pattern.lastIndex = offset;
      return pattern.exec(text);
    },
  });
};
export const Of = wordBehindName("of");
export const On = wordBehindName("on");
export const wordsBehindName: readonly TokenType[] = [Of, On];

/**
 * The name of a model, a plan or a device may hold "-" and "." ("llama3.1-8b"), which elsewhere are
 * arithmetic: it is only looked for after words that ask for one.
 */
export const MODEL_NAME = /(?!like\b)[A-Za-z][A-Za-z0-9_.-]*/y;
export const ModelName = createToken({
  name: "ModelName",
  label: "a model's name",
  line_breaks: false,
  start_chars_hint: [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"],
  pattern: (text: string, offset: number, before: IToken[]) => {
    const last = before.at(-1)?.tokenType;
    if (last === undefined || !wordsBeforeModelName.includes(last)) return null;
    MODEL_NAME.lastIndex = offset;
    return MODEL_NAME.exec(text);
  },
});

export const wordsBeforeModelName: readonly TokenType[] = [Model, Like, Plan, Hardware, Of, On];

/** "12abc", "1.2.3", "1__0": one wrong number, not a number followed by something else. */
export const BadNumber = createToken({ name: "BadNumber", label: "a number", pattern: /\d[A-Za-z0-9_.]*/ });
export const Number = createToken({
  name: "Number",
  label: "a number",
  pattern: /\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+)?/,
  longer_alt: BadNumber,
});

export const PlusMinus = sign("PlusMinus", "±");
export const PlusEquals = sign("PlusEquals", "+=");
export const Equals = sign("Equals", "=");
export const Plus = sign("Plus", "+");
export const Minus = sign("Minus", "-");
export const Times = sign("Times", "*");
export const Divide = sign("Divide", "/");
export const Remainder = sign("Remainder", "%");
export const Colon = sign("Colon", ":");
export const Comma = sign("Comma", ",");
export const Dot = sign("Dot", ".");
export const OpenBrace = sign("OpenBrace", "{");
export const CloseBrace = sign("CloseBrace", "}");
export const OpenParen = sign("OpenParen", "(");
export const CloseParen = sign("CloseParen", ")");

const Space = createToken({
  name: "Space",
  pattern: /[ \t\r\n\uFEFF]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
});
export const Comment = createToken({ name: "Comment", pattern: /\/\/[^\n\r]*/, group: "comments" });
export const WrongComment = createToken({
  name: "WrongComment",
  pattern: /#[^\n\r]*/,
  group: "wrongComments",
});

export const keywords: readonly TokenType[] = [
  Model,
  Plan,
  Hardware,
  Like,
  Let,
  Embed,
  Layer,
  Output,
  Tokenizer,
  Train,
  Sample,
  Alternate,
  Expect,
  True,
  False,
];
export const signs: readonly TokenType[] = [
  PlusMinus,
  PlusEquals,
  Equals,
  Plus,
  Minus,
  Times,
  Divide,
  Remainder,
  Colon,
  Comma,
  Dot,
  OpenBrace,
  CloseBrace,
  OpenParen,
  CloseParen,
];

export const tokens: TokenType[] = [
  Space,
  Comment,
  WrongComment,
  ...wordsBehindName,
  ModelName,
  ...keywords,
  ...wordsInPlace,
  Name,
  Number,
  BadNumber,
  ...signs,
];
export const keywordNames: readonly string[] = keywords.map((k) => k.name.toLowerCase());

export const lexer = new Lexer(tokens, { positionTracking: "full", ensureOptimizations: false });

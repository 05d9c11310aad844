/** AssemblyScript in colours: a light tokenizer, which knows comments, words and numbers and no grammar. */
import { element } from "../page/element.ts";

export type CodeKind = "comment" | "word" | "keyword" | "part" | "function" | "number" | "operator";
export interface CodeToken {
  readonly kind: CodeKind | "space";
  readonly text: string;
}

const keywords = new Set(
  "function export const let for if else while do return new true false break continue as".split(" "),
);
const types = /^(?:[iu](?:8|16|32|64)|[iu]?size|f32|f64|v128|bool|void|[if]\d+x\d+)$/;
const patterns = [
  ["comment", /\/\*[\s\S]*?\*\/|\/\/[^\n]*/y],
  ["space", /\s+/y],
  ["word", /[A-Za-z_$][\w$]*/y],
  ["number", /0x[\da-fA-F]+|\d+(?:\.\d+)?(?:e[-+]?\d+)?/y],
  ["word", /"[^"\n]*"|'[^'\n]*'/y],
  ["operator", /[^\w\s]/y],
] as const;

/** The tokens of a text; together they are the text. */
export function tokensOfCode(code: string): readonly CodeToken[] {
  const tokens: CodeToken[] = [];
  for (let at = 0; at < code.length;) {
    const [kind, text] = tokenAt(code, at);
    at += text.length;
    tokens.push({ kind: kind === "word" ? kindOfWord(text, code.slice(at, at + 1)) : kind, text });
  }
  return tokens;
}

function tokenAt(code: string, at: number): readonly [CodeToken["kind"], string] {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const found = pattern.exec(code);
    if (found) return [kind, found[0]];
  }
  return ["operator", code[at]!];
}

function kindOfWord(word: string, next: string): CodeKind {
  if (keywords.has(word)) return "keyword";
  if (types.test(word)) return "part";
  return next === "(" ? "function" : "word";
}

/** The colours are those of specs (styles/parts.css). */
const looks: Partial<Record<CodeToken["kind"], string>> = {
  comment: "t-comment",
  keyword: "t-keyword",
  part: "t-setting",
  function: "t-function",
  number: "t-number",
  operator: "t-operator",
};

export const colouredCode = (code: string): readonly (HTMLElement | string)[] =>
  tokensOfCode(code).map(({ kind, text }) =>
    looks[kind] ? element("span", { class: looks[kind] }, text) : text,
  );

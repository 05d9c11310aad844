/**
 * The TextMate grammar is as the compiler's tables make it, and VS Code's own engine finds with it the tokens
 * that the compiler finds: the same places, the same classes, and no others.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { IToken } from "chevrotain";
import fc from "fast-check";
import oniguruma from "vscode-oniguruma";
import textmate from "vscode-textmate";
import { expect, test } from "vitest";
import { comments, lexicalClass, modelName, rules } from "../../../app/editor/grammar/lexical.ts";
import { scopes, SCOPE, textMateGrammar } from "../../../app/editor/grammar/textmate.ts";
import { lexer } from "../../../compiler/1-parse/tokens.ts";
import { golden } from "../../support/golden.ts";
import { inProject } from "../../support/paths.ts";

const GRAMMAR = inProject("app/editor/vscode/syntaxes/sinter.tmLanguage.json");

test("the grammar's file is fresh", () => golden(GRAMMAR, textMateGrammar()));

/** "line:column text class", all lines and columns from 1. */
type Seen = string;

const byCompiler = (text: string): Seen[] => {
  const { tokens, groups } = lexer.tokenize(text);
  const seen = [
    ...tokens.map((token, i) => ({ token, next: tokens[i + 1] })),
    ...Object.values(groups).flatMap((group) => group.map((token) => ({ token, next: undefined }))),
  ].sort((a, b) => a.token.startOffset - b.token.startOffset);
  return seen.map(({ token, next }) => asSeen(token, lexicalClass(token, next)));
};
const asSeen = ({ startLine, startColumn, image }: IToken, of: string): Seen =>
  `${startLine}:${startColumn} ${image} ${of}`;

const linesOf = (text: string): string[] => text.split(/\r\n|\n|\r/);

const wasm = createRequire(import.meta.url).resolve("vscode-oniguruma/release/onig.wasm");
await oniguruma.loadWASM(new Uint8Array(readFileSync(wasm)).buffer);
const grammar = await new textmate.Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  }),
  loadGrammar: async () => textmate.parseRawGrammar(textMateGrammar(), "sinter.json"),
}).loadGrammar(SCOPE);

const classes = new Map<string, string>(Object.entries(scopes).map(([of, scope]) => [scope, of]));

function byTextMate(text: string): Seen[] {
  let stack = textmate.INITIAL;
  return linesOf(text).flatMap((line, row) => {
    const { tokens, ruleStack } = grammar!.tokenizeLine(line, stack);
    stack = ruleStack;
    return tokens.flatMap(({ startIndex, endIndex, scopes: all }) => {
      const scope = all.at(-1)!;
      if (scope === SCOPE) return [];
      return [`${row + 1}:${startIndex + 1} ${line.slice(startIndex, endIndex)} ${classes.get(scope)}`];
    });
  });
}

/** The list of rules as a highlighter in JavaScript reads it, CodeMirror's for example. */
function byRules(text: string): Seen[] {
  const at = (pattern: string): RegExp => new RegExp(pattern, "y");
  const next = {
    "a name": [{ class: "model", pattern: modelName.pattern }],
    "another word": [{ class: "keyword", pattern: modelName.joins }],
    anything: [],
  } as const;
  let awaited: keyof typeof next = "anything";
  return linesOf(text).flatMap((line, row) => {
    const seen: Seen[] = [];
    for (let column = 0; column < line.length;) {
      const found = [...comments, ...next[awaited], ...rules]
        .map((rule) => ({ rule, text: matchAt(at(rule.pattern), line, column) }))
        .find((match) => match.text !== undefined);
      if (found?.text !== undefined) {
        seen.push(`${row + 1}:${column + 1} ${found.text} ${found.rule.class}`);
        const { class: of, pattern } = found.rule;
        const asks = of === "keyword" && matchAt(at(modelName.after), found.text, 0) !== undefined;
        if (!comments.includes(found.rule as (typeof comments)[number]))
          awaited =
            asks || pattern === modelName.joins ? "a name" : of === "model" ? "another word" : "anything";
      }
      column += found?.text?.length ?? 1;
    }
    return seen;
  });
}

function matchAt(pattern: RegExp, line: string, column: number): string | undefined {
  pattern.lastIndex = column;
  return pattern.exec(line)?.[0];
}

const specs = ["specs", "test/parity/specs", "test/compiler/diagnostics/samples", "bench/specs"].flatMap(
  (folder) =>
    readdirSync(inProject(folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".sinter"))
      .map((file) => `${folder}/${file}`),
);

test("on every spec, right or wrong, all three find the same tokens", () => {
  expect(specs.length).toBeGreaterThan(100);
  for (const file of specs) {
    const text = readFileSync(inProject(file), "utf8");
    const expected = byCompiler(text);
    expect(byTextMate(text), file).toEqual(expected);
    expect(byRules(text), file).toEqual(expected);
  }
});

test("so they do whatever stands there", () => {
  const pieces = [
    ..."model plan hardware of on like let embed layer output train alternate true".split(" "),
    ..."sft rl lora objective head".split(" "),
    ..."name x width like-x llama3.1-8b model2 modelx _ 12 1_0 1__0 1e5 1e+5x 1.5 1.2.3 1e".split(" "),
    ..."± += = + - * / % : , . { } ( )".split(" "),
    "// 😀 model",
    "# x",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\uFEFF",
    "e+",
    "1.",
  ];
  const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 24 }).map((all) => all.join(""));
  fc.assert(
    fc.property(texts, (text) => {
      const expected = byCompiler(text);
      expect(byTextMate(text)).toEqual(expected);
      expect(byRules(text)).toEqual(expected);
    }),
    { numRuns: 1000, seed: 1 },
  );
});

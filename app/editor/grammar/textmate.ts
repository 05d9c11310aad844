/**
 * The TextMate grammar, which VS Code, Sublime Text, JetBrains' programs and GitHub highlight with. A test
 * keeps vscode/syntaxes/sinter.tmLanguage.json as this makes it, and its tokens as the compiler's.
 */
import { comments, modelName, rules, type LexicalClass } from "./lexical.ts";

export const SCOPE = "source.sinter";

/** What a theme knows each class by. */
export const scopes = {
  comment: "comment.line.double-slash.sinter",
  "wrong comment": "invalid.illegal.comment.sinter",
  keyword: "keyword.other.sinter",
  boolean: "constant.language.boolean.sinter",
  model: "entity.name.type.model.sinter",
  call: "support.function.part.sinter",
  option: "variable.parameter.sinter",
  setting: "support.type.property-name.sinter",
  name: "variable.other.sinter",
  number: "constant.numeric.sinter",
  "wrong number": "invalid.illegal.number.sinter",
  operator: "keyword.operator.sinter",
  punctuation: "punctuation.separator.sinter",
  bracket: "punctuation.section.brackets.sinter",
} as const satisfies Record<LexicalClass, string>;

const matching = ({ class: of, pattern }: (typeof rules)[number]): object => ({
  name: scopes[of],
  match: pattern,
});

/** The name may stand on a later line, or be missing. */
function nameBehind(word: string): object {
  return {
    begin: word,
    beginCaptures: { "0": { name: scopes.keyword } },
    end: `(${modelName.pattern})|${modelName.unless}`,
    endCaptures: { "1": { name: scopes.model } },
    patterns: [{ include: "#comments" }],
  };
}

const grammar = {
  $comment: "Made by app/editor/grammar/textmate.ts from the compiler's tables.",
  name: "Sinter",
  scopeName: SCOPE,
  fileTypes: ["sinter"],
  patterns: [{ include: "#comments" }, { include: "#modelName" }, ...rules.map(matching)],
  repository: {
    comments: { patterns: comments.map(matching) },
    // `plan NAME of MODEL on DEVICE`: from the first of these words to the last name
    modelName: {
      begin: `(?=${modelName.after})`,
      end: modelName.unless,
      applyEndPatternLast: 1,
      patterns: [{ include: "#comments" }, nameBehind(modelName.after), nameBehind(modelName.joins)],
    },
  },
} as const;

/** The file's text. */
export const textMateGrammar = (): string => `${JSON.stringify(grammar, null, 2)}\n`;

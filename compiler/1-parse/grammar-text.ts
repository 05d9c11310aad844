/**
 * The grammar as text, from the rules that the parser runs: `model = "model" model-name …`. For the language
 * reference.
 */
import type { ISerializedGast } from "chevrotain";
import { grammarRules } from "./grammar.ts";

/** What Chevrotain puts into its serialised productions, as far as it is used here. */
type Production = ISerializedGast & {
  readonly name?: string;
  readonly label?: string;
  readonly separator?: Production;
  readonly definition?: readonly Production[];
};

const names: Readonly<Record<string, string>> = {
  Name: "NAME",
  ModelName: "MODEL_NAME",
  Number: "NUMBER",
  BadNumber: "NUMBER",
  EOF: "END",
};

/** Rules that only the command line starts from. */
const hidden: readonly string[] = ["override"];

export function grammarText(): string {
  const rules = (grammarRules() as Production[]).filter((rule) => !hidden.includes(rule.name ?? ""));
  const width = Math.max(...rules.map((rule) => rule.name!.length));
  return rules.map((rule) => `${rule.name!.padEnd(width)} = ${sequence(rule)}`).join("\n");
}

const sequence = (p: Production): string => (p.definition ?? []).map(show).join(" ");

/** One thing, or several in parentheses, so that "?" and "*" behind it mean all of it. */
function grouped(p: Production): string {
  const [only, ...more] = p.definition ?? [];
  const simple = more.length === 0 && only && (only.type === "Terminal" || only.type === "NonTerminal");
  return simple
    ? show(only)
    : more.length === 0 && only?.type === "Alternation"
      ? show(only)
      : `( ${sequence(p)} )`;
}

function show(p: Production): string {
  switch (p.type) {
    case "Terminal":
      return names[p.name ?? ""] ?? (p.label ?? "").replaceAll("`", '"');
    case "NonTerminal":
      return p.name ?? "";
    case "Option":
      return `${grouped(p)}?`;
    case "Repetition":
      return `${grouped(p)}*`;
    case "RepetitionMandatory":
      return `${grouped(p)}+`;
    case "RepetitionWithSeparator":
      return `( ${sequence(p)} ( ${show(p.separator!)} ${sequence(p)} )* )?`;
    case "Alternation": {
      const alternatives = [...new Set((p.definition ?? []).map(show))];
      return `( ${alternatives.join(" | ")} )`;
    }
    default:
      return sequence(p);
  }
}

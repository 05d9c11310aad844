/** A plan's numbers, and what a fact is in the plan that expects it. */
import type { Word } from "../1-parse/ast.ts";
import type { JudgedPlan } from "../planner/judge-plans.ts";
import { judgedFactText, judgedTitle } from "../planner/judged-text.ts";
import { planRows } from "../planner/plan-text.ts";
import type { Document } from "./document.ts";
import { paragraphs } from "./describe.ts";
import { contains } from "./roles.ts";

/** The plan as `sinter plan` prints it. */
export function planHover({ checked }: Document, { text, span }: Word): string {
  const judged = checked.judged.find(({ block }) => block.places.name.start === span.start);
  if (!judged) return `**${text}**`;
  const rows = planRows(judged.plan).map(([name, said]) => `- ${name.trim()}: ${said}`);
  const facts = judged.facts.map((fact) => `- ${judgedFactText(fact)}`);
  return paragraphs(`**${judgedTitle(judged)}**`, rows.join("\n"), facts.join("\n"));
}

/** "expect hours 30.8 M ± 15 %: met, found 29.9 M". */
export function planFactFound(doc: Document, { text, span }: Word): string | undefined {
  const found = planAround(doc, span.start)?.facts.find(({ fact }) => fact === text);
  return found && judgedFactText(found);
}

export function planAround({ checked, file }: Document, at: number): JudgedPlan | undefined {
  const node = file.plans.find(({ span }) => contains(span, at));
  return checked.judged.find(({ block }) => block.places.name.start === node?.name.span.start);
}

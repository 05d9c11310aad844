/** `head NAME linear(…)` and `objective NAME = …` of a spec → the checked model's. */
import type { Value, Word } from "../1-parse/ast.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Model } from "../../runtime/contract/model.ts";
import type { Objective } from "../../runtime/contract/objective.ts";
import type { Resolved } from "./inherit.ts";
import { objectiveFrom, objectives } from "./objectives.ts";

/** Undefined where something is wrong; empty where the spec has none. */
export function checkHead({ head }: Resolved, report: Reporter): Pick<Model, "head"> | undefined {
  if (!head) return {};
  const bias = biasOf(head.value, report);
  return bias === undefined ? undefined : { head: { name: head.name.text, bias } };
}

/** Whether the head's linear map has a bias. */
function biasOf(value: Value, report: Reporter): boolean | undefined {
  const refuse = (what: string, help: string, { span }: Pick<Word, "span">, instead?: string): undefined => {
    report("E0603", span, { what, help, ...(instead !== undefined && { instead }) });
    return undefined;
  };
  const linear = "linear(x)";
  if (value.kind !== "call" || value.callee.text !== "linear")
    return refuse("a head is a linear map", `write \`${linear}\``, value, linear);
  const inputs = value.args.filter((a) => !a.name);
  const [input] = inputs;
  if (inputs.length !== 1 || input!.value.kind !== "word" || input!.value.text !== "x")
    return refuse(
      "a head reads `x`, the rows that the output's linear map reads",
      `write \`${linear}\``,
      value,
      linear,
    );
  let bias = false;
  for (const { name, value: given } of value.args) {
    if (!name) continue;
    if (name.text !== "bias")
      return refuse(`a head has no option \`${name.text}\``, "its option is `bias`", name, "bias");
    if (given.kind !== "flag") return refuse("`bias` is true or false", "write `bias: true`", given, "true");
    bias = given.value;
  }
  return bias;
}

/** Undefined where something is wrong. */
export function checkObjectives({ objectives: items }: Resolved, report: Reporter): Objective[] | undefined {
  const made = [...items.values()].map(({ name, value }) => {
    if (Object.hasOwn(objectives, name.text)) {
      const what = `\`${name.text}\` is an objective that is there already`;
      report("E0602", name.span, { what, help: "choose another name" });
      return undefined;
    }
    return objectiveFrom(name.text, value, (span, what, help, instead) =>
      report("E0602", span, { what, help, ...(instead !== undefined && { instead }) }),
    );
  });
  return made.every((objective) => objective !== undefined) ? made : undefined;
}

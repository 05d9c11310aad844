/** What would need itself if it were written: completion does not offer it. */
import type { HardwareNode, ModelNode, PlanNode } from "../1-parse/ast.ts";
import { knownFrom, type Binding } from "../2-check/scope.ts";
import { fieldsIn, wordsIn } from "./roles.ts";

/** What one may be like: all but itself and those that are like it already, which would be a circle. */
export function likeable(
  blocks: readonly (ModelNode | PlanNode | HardwareNode)[],
  own: string | undefined,
): readonly string[] {
  const others = new Map(blocks.map(({ name, like }) => [name.text, like?.text]));
  const isLikeOwn = (name: string): boolean => {
    const seen = new Set<string>();
    for (let at: string | undefined = name; at !== undefined && !seen.has(at); at = others.get(at)) {
      if (at === own) return true;
      seen.add(at);
    }
    return false;
  };
  return [...others.keys()].filter((name) => !isLikeOwn(name));
}

/** Whether a number of the model, as it is written or by its default, takes another one to compute. */
export function needs(
  name: string,
  other: string,
  sizes: ReadonlyMap<string, Binding>,
  seen = new Set<string>(),
): boolean {
  if (name === other) return true;
  if (seen.has(name)) return false;
  seen.add(name);
  const value = sizes.get(name)?.value;
  const asked = value ? wordsIn(value).map(({ text }) => text) : askedByDefault(name);
  return asked.some((one) => needs(one, other, sizes, seen));
}

/** Numbers that a setting's default is computed from. */
function askedByDefault(name: string): readonly string[] {
  const field = fieldsIn("model")[name];
  const asked: string[] = [];
  field?.initial?.(knownFrom((one) => asked.push(one)));
  return asked;
}

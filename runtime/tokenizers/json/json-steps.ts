/** What the readers of a tokenizer.json's components (normalizer, pre_tokenizer) share. */
import { badValue, field, list, optionalText, shown, text, type JsonNode } from "../base/json-fields.ts";
import { isPlain, translated } from "./expressions.ts";
import { matchesOf, occurrencesOf, type Pattern } from "./splits.ts";

/**
 * The file asks for something that is not supported. The caller may have another reader, or refuses the file
 * by this name.
 */
export class Unsupported extends Error {}

/** Whether expressions of the file may be run. They may only run in a thread that can be ended. */
export interface StepOptions {
  readonly anyExpression: boolean;
}

const MOST_STEPS = 16;
const MOST_DEPTH = 4;

export const typeOf = (node: JsonNode): string => text(field(node, "type"));

/** A step, or the steps of a sequence, including those of sequences inside it. */
export function stepsOf(node: JsonNode, name: string, depth = 0): readonly JsonNode[] {
  if (node.value === undefined) return [];
  if (typeOf(node) !== "Sequence") return [node];
  if (depth === MOST_DEPTH) throw new Unsupported("sequences of sequences of sequences");
  const steps = list(field(node, name), MOST_STEPS).flatMap((step) => stepsOf(step, name, depth + 1));
  if (steps.length > MOST_STEPS)
    throw badValue(node, `has ${steps.length} steps in all; at most ${MOST_STEPS} are read`);
  return steps;
}

const MOST_CONTENT = 256;

/** Text that a step inserts. Its length is limited, since it may be inserted many times. */
export function contentOf(node: JsonNode): string {
  const content = text(node);
  if (content.length > MOST_CONTENT)
    throw badValue(node, `has ${content.length} characters; at most ${MOST_CONTENT} are read`);
  return content;
}

/** A pattern `{ String: … }` or `{ Regex: … }`. `what` names the component for messages. */
export function patternOf(node: JsonNode, what: string, { anyExpression }: StepOptions): Pattern {
  const plain = optionalText(field(node, "String"));
  const source = optionalText(field(node, "Regex"));
  if (plain !== undefined && plain !== "") return occurrencesOf(plain);
  if (source === undefined) throw new Unsupported(`${what} at ${shown(plain ?? node.value)}`);
  const found = translated(source);
  if ("unsupported" in found) throw new Unsupported(`${what} at ${shown(source)} (${found.unsupported})`);
  if (!anyExpression && !isPlain(source)) throw new Unsupported(`${what} at ${shown(source)}`);
  return matchesOf(found.expression);
}

/** Components of a tokenizer.json (normalizer, pre_tokenizer): what all of them are read with. */
import { badPlace, field, list, optionalText, shown, text, type JsonPlace } from "../base/json-fields.ts";
import { isPlain, translated } from "./expressions.ts";
import { matchesOf, occurrencesOf, type Pattern } from "./splits.ts";

/** What a file asks for that is not read: the caller may have another reader, or refuses by this name. */
export class Unsupported extends Error {}

/** Whether expressions of the file may be run: only where a thread runs them that can be ended. */
export interface StepOptions {
  readonly anyExpression: boolean;
}

const MOST_STEPS = 16;
const MOST_DEPTH = 4;

export const typeOf = (place: JsonPlace): string => text(field(place, "type"));

/** A step, or the steps of a sequence, and of sequences in it. */
export function stepsOf(place: JsonPlace, name: string, depth = 0): readonly JsonPlace[] {
  if (place.value === undefined) return [];
  if (typeOf(place) !== "Sequence") return [place];
  if (depth === MOST_DEPTH) throw new Unsupported("sequences of sequences of sequences");
  const steps = list(field(place, name), MOST_STEPS).flatMap((step) => stepsOf(step, name, depth + 1));
  if (steps.length > MOST_STEPS)
    throw badPlace(place, `has ${steps.length} steps in all; at most ${MOST_STEPS} are read`);
  return steps;
}

const MOST_CONTENT = 256;

/** What is put into a text, again and again: a long one would make a short text as long as memory. */
export function contentOf(place: JsonPlace): string {
  const content = text(place);
  if (content.length > MOST_CONTENT)
    throw badPlace(place, `has ${content.length} characters; at most ${MOST_CONTENT} are read`);
  return content;
}

/** `{ String: … }` or `{ Regex: … }`. `what`: who asks, for messages. */
export function patternOf(place: JsonPlace, what: string, { anyExpression }: StepOptions): Pattern {
  const plain = optionalText(field(place, "String"));
  const source = optionalText(field(place, "Regex"));
  if (plain !== undefined && plain !== "") return occurrencesOf(plain);
  if (source === undefined) throw new Unsupported(`${what} at ${shown(plain ?? place.value)}`);
  const found = translated(source);
  if ("unsupported" in found) throw new Unsupported(`${what} at ${shown(source)} (${found.unsupported})`);
  if (!anyExpression && !isPlain(source)) throw new Unsupported(`${what} at ${shown(source)}`);
  return matchesOf(found.expression);
}

/** Checked access to a JSON file: every mistake is a SinterError that says where in the file it is. */
import { SinterError } from "../../base/errors.ts";
import { textOfPart } from "../../base/text.ts";

export interface JsonPlace {
  readonly value: unknown;
  /** "tokenizer.json: model.merges[3]" */
  readonly path: string;
}

const HINT = "Use the file as it was published, or make a new one with sinter tokenizer train.";
export const badPlace = ({ path }: JsonPlace, why: string): SinterError =>
  new SinterError("corrupt", `${path} ${why}`, HINT);

/** `mostBytes`: longer files are refused before they are read as text. */
export function parseJson(bytes: Uint8Array, from: string, mostBytes: number): JsonPlace {
  const whole = { value: undefined, path: from };
  if (bytes.length > mostBytes)
    throw badPlace(whole, `has ${bytes.length} bytes; at most ${mostBytes} are read`);
  try {
    return { value: JSON.parse(textOfPart(bytes, from)) as unknown, path: from };
  } catch (cause) {
    if (cause instanceof SinterError) throw cause;
    throw badPlace(whole, `is no JSON: ${(cause as Error).message.slice(0, 120)}`);
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A field of an object; `value` is undefined where it is absent or null. */
export function field(place: JsonPlace, name: string): JsonPlace {
  if (!isObject(place.value)) throw badPlace(place, `is ${shown(place.value)}, not an object`);
  const value = Object.hasOwn(place.value, name) ? place.value[name] : undefined;
  return {
    value: value === null ? undefined : value,
    path: place.path.endsWith(".json") ? `${place.path}: ${name}` : `${place.path}.${name}`,
  };
}

/** Elements of a list; none where it is absent. */
export function list(place: JsonPlace, most: number): readonly JsonPlace[] {
  if (place.value === undefined) return [];
  if (!Array.isArray(place.value)) throw badPlace(place, `is ${shown(place.value)}, not a list`);
  if (place.value.length > most)
    throw badPlace(place, `has ${place.value.length} entries; at most ${most} are read`);
  return (place.value as readonly unknown[]).map((value, i) => ({ value, path: `${place.path}[${i}]` }));
}

export function text(place: JsonPlace): string {
  if (typeof place.value !== "string") throw badPlace(place, `is ${shown(place.value)}, not a text`);
  return place.value;
}

export const optionalText = (place: JsonPlace): string | undefined =>
  place.value === undefined ? undefined : text(place);

export function flag(place: JsonPlace, otherwise: boolean): boolean {
  if (place.value === undefined) return otherwise;
  if (typeof place.value !== "boolean") throw badPlace(place, `is ${shown(place.value)}, not true or false`);
  return place.value;
}

export function whole(place: JsonPlace, most: number): number {
  const { value } = place;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most)
    throw badPlace(place, `is ${shown(value)}, not a whole number from 0 to ${most}`);
  return value;
}

/**
 * A value in a message. Lists and objects are not written out: they may be large, or nested so deep that
 * writing them fails.
 */
export const shown = (value: unknown): string => {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (isObject(value)) return "an object";
  return typeof value === "string" && value.length > 40
    ? `${JSON.stringify(value.slice(0, 40))}…`
    : JSON.stringify(value);
};

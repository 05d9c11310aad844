/**
 * Checked access to the values of a JSON file. Every mistake is a SinterError that says where in the file it
 * is.
 */
import { SinterError } from "../../base/errors.ts";
import { isObject } from "../../base/schema.ts";
import { textOfPart } from "../../base/text.ts";

export interface JsonNode {
  readonly value: unknown;
  /** Where the value stands, for messages: "tokenizer.json: model.merges[3]". */
  readonly path: string;
}

const HINT = "Use the file as it was published, or make a new one with sinter tokenizer train.";
export const badValue = ({ path }: JsonNode, why: string): SinterError =>
  new SinterError("corrupt", `${path} ${why}`, HINT);

/** Parses a file. One with more than `mostBytes` is refused before it is decoded. */
export function parseJson(bytes: Uint8Array, from: string, mostBytes: number): JsonNode {
  const file = { value: undefined, path: from };
  if (bytes.length > mostBytes)
    throw badValue(file, `has ${bytes.length} bytes; at most ${mostBytes} are read`);
  try {
    return { value: JSON.parse(textOfPart(bytes, from)) as unknown, path: from };
  } catch (cause) {
    if (cause instanceof SinterError) throw cause;
    throw badValue(file, `is no JSON: ${(cause as Error).message.slice(0, 120)}`);
  }
}

/** A field of an object. Its value is undefined where the field is missing or null. */
export function field(node: JsonNode, name: string): JsonNode {
  if (!isObject(node.value)) throw badValue(node, `is ${shown(node.value)}, not an object`);
  const value = Object.hasOwn(node.value, name) ? node.value[name] : undefined;
  return {
    value: value === null ? undefined : value,
    path: node.path.endsWith(".json") ? `${node.path}: ${name}` : `${node.path}.${name}`,
  };
}

/** The elements of a list; none where the list is missing. */
export function list(node: JsonNode, most: number): readonly JsonNode[] {
  if (node.value === undefined) return [];
  if (!Array.isArray(node.value)) throw badValue(node, `is ${shown(node.value)}, not a list`);
  if (node.value.length > most)
    throw badValue(node, `has ${node.value.length} entries; at most ${most} are read`);
  return (node.value as readonly unknown[]).map((value, i) => ({ value, path: `${node.path}[${i}]` }));
}

export function text(node: JsonNode): string {
  if (typeof node.value !== "string") throw badValue(node, `is ${shown(node.value)}, not a text`);
  return node.value;
}

export const optionalText = (node: JsonNode): string | undefined =>
  node.value === undefined ? undefined : text(node);

export function flag(node: JsonNode, otherwise: boolean): boolean {
  if (node.value === undefined) return otherwise;
  if (typeof node.value !== "boolean") throw badValue(node, `is ${shown(node.value)}, not true or false`);
  return node.value;
}

export function integer(node: JsonNode, most: number): number {
  const { value } = node;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most)
    throw badValue(node, `is ${shown(value)}, not a whole number from 0 to ${most}`);
  return value;
}

/**
 * A value in a message. Lists and objects are not written out, since they may be large, or nested so deep
 * that writing them fails.
 */
export const shown = (value: unknown): string => {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (isObject(value)) return "an object";
  return typeof value === "string" && value.length > 40
    ? `${JSON.stringify(value.slice(0, 40))}…`
    : JSON.stringify(value);
};

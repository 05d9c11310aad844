/** One row of a data file, and how its columns are read. What is wrong with one is a RowError. */
import { isObject } from "../../base/schema.ts";

/** What is wrong with a row, and what to write instead. */
export class RowError extends Error {
  readonly write: string;
  constructor(why: string, write: string) {
    super(why);
    this.name = "RowError";
    this.write = write;
  }
}

export type Columns = Readonly<Record<string, unknown>>;

export interface Row {
  /** From 1. Empty lines do not count. */
  readonly number: number;
  readonly columns: Columns;
}

/** A column's value; undefined where the row lacks it, or has null, as tables write what is absent. */
export const columnOf = (columns: Columns, key: string): unknown =>
  Object.hasOwn(columns, key) && columns[key] !== null ? columns[key] : undefined;

export const hasColumn = (columns: Columns, key: string): boolean => columnOf(columns, key) !== undefined;

/** "a number", "a list" …: what a value is, for messages. */
export function kindOfValue(value: unknown): string {
  if (value === undefined || value === null) return "missing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (isObject(value)) return "an object";
  return typeof value === "string" ? (value.trim() === "" ? "empty" : "a text") : `a ${typeof value}`;
}

/** A text with something in it. `what` says what the column is: "a prompt", "an answer". */
export function textIn(columns: Columns, key: string, what: string): string {
  const value = columnOf(columns, key);
  if (typeof value === "string" && value.trim() !== "") return value;
  throw new RowError(`it is without ${what}: "${key}" is ${kindOfValue(value)}`, `Write "${key}": "…".`);
}

/** A text that may be absent, or empty. */
export function optionalText(columns: Columns, key: string): string {
  const value = columnOf(columns, key);
  if (value === undefined || typeof value === "string") return value ?? "";
  throw new RowError(`"${key}" is ${kindOfValue(value)}, not a text`, `Write "${key}": "…".`);
}

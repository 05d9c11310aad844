/**
 * Checks of values from files, field by field. A check returns undefined when a value is as it has to be;
 * otherwise it says why not, and names the field.
 *
 * These checks are for records that Sinter wrote itself: a field that is not in the table is refused, like
 * one that is missing.
 */
import * as limits from "../contract/limits.ts";
import { isWithin, rangeText, type Range } from "../contract/limits.ts";

export type Check = (value: unknown, field: string) => string | undefined;

/**
 * A value in a message. Lists and objects are not written out, since they may be nested as deep as the file
 * is long.
 */
const shown = (value: unknown): string => {
  if (typeof value === "object" && value !== null)
    return Array.isArray(value) ? `a list of ${value.length}` : "an object";
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
};
const unless = (right: boolean, value: unknown, field: string, wanted: string): string | undefined =>
  right
    ? undefined
    : value === undefined
      ? `${field} is missing`
      : `${field} is ${shown(value)}, not ${wanted}`;

export const within =
  (range: Range): Check =>
  (value, field) =>
    unless(isWithin(range, value), value, field, rangeText(range));

export const integer = (min: number, max: number): Check => within(limits.integer(min, max));
export const real = (min: number, max: number): Check => within(limits.real(min, max));

export const text =
  (pattern: RegExp = /^/, wanted = "a text"): Check =>
  (value, field) =>
    unless(typeof value === "string" && pattern.test(value), value, field, wanted);

export const oneOf =
  (...values: readonly unknown[]): Check =>
  (value, field) =>
    unless(values.includes(value), value, field, values.map(shown).join(" or "));

export const sha256Text = text(/^[0-9a-f]{64}$/, "a SHA-256 in hexadecimal");

export const optional =
  (check: Check): Check =>
  (value, field) =>
    value === undefined ? undefined : check(value, field);

export const list =
  (check: Check, length?: number): Check =>
  (value, field) => {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length))
      return unless(false, value, field, length === undefined ? "a list" : `a list of ${length}`);
    return first(value.map((item, i) => check(item, `${field}[${i}]`)));
  };

/** An object with any names, whose values all pass the same check. */
export const table =
  (check: Check): Check =>
  (value, field) => {
    if (!isObject(value)) return unless(false, value, field, "an object");
    return first(Object.entries(value).map(([key, item]) => check(item, `${field}[${shown(key)}]`)));
  };

/** An object with exactly these fields. */
export const object =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value, field) => {
    if (!isObject(value)) return unless(false, value, field, "an object");
    const inside = (key: string): string => (field === "" ? key : `${field}.${key}`);
    const strange = Object.keys(value).find((key) => !Object.hasOwn(fields, key));
    if (strange !== undefined) return `${inside(strange)} is not known to this release`;
    const own = (key: string): unknown => (Object.hasOwn(value, key) ? value[key] : undefined);
    return first(Object.entries(fields).map(([key, check]) => check(own(key), inside(key))));
  };

const first = (wrongs: readonly (string | undefined)[]): string | undefined =>
  wrongs.find((wrong) => wrong !== undefined);

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * JSON with sorted keys and no white space, so that equal values have equal texts. The hash of a record is
 * taken of this text.
 */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "null";
  const known = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort();
  return `{${known.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

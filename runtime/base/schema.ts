/**
 * What a value from a file has to be, field by field. A check says why a value is not that, and names the
 * field; undefined: it is.
 * For records that this program wrote itself: a field that is not in the table is refused like one that is
 * missing.
 */
import * as limits from "../contract/limits.ts";
import { isWithin, rangeText, type Range } from "../contract/limits.ts";

export type Check = (value: unknown, field: string) => string | undefined;

/** Of a list or an object only what it is: it may be as deep as its file is long. */
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

export const whole = (min: number, max: number): Check => within(limits.whole(min, max));
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

/** Names that are not known beforehand, and what stands under each. */
export const table =
  (check: Check): Check =>
  (value, field) => {
    if (!isObject(value)) return unless(false, value, field, "an object");
    return first(Object.entries(value).map(([key, item]) => check(item, `${field}[${shown(key)}]`)));
  };

/** These fields, and no others. */
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

/** The same value, the same text: keys in order, no white space. What a hash of a record is taken of. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "null";
  const known = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort();
  return `{${known.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

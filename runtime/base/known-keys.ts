/**
 * What Sinter does with the keys of other programs' files. Every reader has a table of the keys that the
 * documentation of its format names:
 *
 *   read      the key counts: another value gives another result, or is refused
 *   refused   the key would count, and cannot be done here; some of its values change nothing
 *   none      the key changes neither numbers nor ids
 *
 * A key that is in no table is never dropped silently: the user gets a line that names it
 * (`ignoredKeysNote`). Tests feed each key of each table.
 */
import { SinterError } from "./errors.ts";

export interface ReadKey {
  readonly effect: "read";
  /** What the value becomes in Sinter. */
  readonly what: string;
  /** A value that must change the result or be refused; tests use it. */
  readonly another: unknown;
}

export interface RefusedKey {
  readonly effect: "refused";
  /** Why it cannot be done: "its queries and keys are turned in part". */
  readonly why: string;
  readonly help: string;
  /** Values that change nothing. null and a missing key are always harmless. */
  readonly harmless: readonly unknown[] | ((value: unknown) => boolean);
  /** A value that has to be refused; tests use it. */
  readonly another: unknown;
}

export interface IdleKey {
  readonly effect: "none";
  /** Why it changes nothing: "for training", "a name". */
  readonly why: string;
}

export type KnownKey = ReadKey | RefusedKey | IdleKey;
/** The entries by key. A key may have "*" in it, which stands for any text: "summary_*". */
export type KeyTable = Readonly<Record<string, KnownKey>>;
/** The keys of a table that are read: those that a reader may ask for. */
export type ReadIn<T extends KeyTable> = { [K in keyof T]: T[K] extends ReadKey ? K : never }[keyof T] &
  string;

export const read = (what: string, another: unknown): ReadKey => ({ effect: "read", what, another });
export const none = (why: string): IdleKey => ({ effect: "none", why });
/** Entries for several keys that change nothing for the same reason. */
export const noneOf = <K extends string>(why: string, ...keys: readonly K[]): Readonly<Record<K, IdleKey>> =>
  Object.fromEntries(keys.map((key) => [key, none(why)])) as Record<K, IdleKey>;

const OTHER_FILE = "Take weights that were made without it.";
export const refused = (
  why: string,
  harmless: RefusedKey["harmless"],
  another: unknown,
  help = OTHER_FILE,
): RefusedKey => ({ effect: "refused", why, help, harmless, another });

export function knownKey(table: KeyTable, key: string): KnownKey | undefined {
  if (Object.hasOwn(table, key)) return table[key];
  return Object.entries(table).find(([pattern]) => pattern.includes("*") && matches(pattern, key))?.[1];
}

/**
 * Whether a key fits a pattern: "a.x.b" fits "a.*.b". The parts between the stars have to occur in this
 * order.
 */
function matches(pattern: string, key: string): boolean {
  const parts = pattern.split("*");
  const first = parts[0]!;
  const last = parts.at(-1)!;
  if (!key.startsWith(first) || key.length < first.length + last.length || !key.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = key.indexOf(part, at);
    if (found < 0 || found + part.length > key.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}

export const unknownKeys = (table: KeyTable, keys: Iterable<string>): string[] =>
  [...keys].filter((key) => !knownKey(table, key));

export function isHarmless({ harmless }: RefusedKey, value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof harmless === "function" ? harmless(value) : harmless.includes(value);
}

/**
 * Throws `input` for the first key whose value cannot be done here. The message says which key, which value,
 * why, and what to do.
 */
export function refuseKeys(table: KeyTable, pairs: Iterable<readonly [string, unknown]>, path: string): void {
  for (const [key, value] of pairs) {
    const known = knownKey(table, key);
    if (known?.effect !== "refused" || isHarmless(known, value)) continue;
    throw new SinterError(
      "input",
      `${path}: ${shownKey(key)} is ${shownValue(value)}: ${known.why}`,
      known.help,
    );
  }
}

const MOST_NAMED = 12;
const MOST_CHARACTERS = 60;

/** "config.json has keys that are not known here, and are ignored: a, b"; undefined where there are none. */
export function ignoredKeysNote(file: string, keys: readonly string[]): string | undefined {
  if (keys.length === 0) return undefined;
  const named = keys.slice(0, MOST_NAMED).map(shownKey);
  const more = keys.length - named.length;
  const what =
    keys.length === 1
      ? "a key that is not known here, and is ignored"
      : "keys that are not known here, and are ignored";
  return `${file} has ${what}: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** The key in a form that is printable and on one line, since it comes from another program's file. */
const shownKey = (key: string): string =>
  /^[\w.*/-]{1,60}$/.test(key) ? key : cut(JSON.stringify(key).replace(/[^\x20-\x7e]/g, "?"));
const cut = (text: string): string =>
  text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;

/** Any value of JSON or GGUF, short and printable. */
export function shownValue(value: unknown): string {
  if (typeof value === "number" || typeof value === "bigint") return `${value}`;
  const text =
    JSON.stringify(value, (_key, inner: unknown) =>
      inner instanceof Map ? Object.fromEntries(inner) : typeof inner === "bigint" ? `${inner}` : inner,
    ) ?? String(value);
  return cut(text.replace(/[^\x20-\x7e]/g, "?"));
}

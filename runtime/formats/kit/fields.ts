/**
 * Typed access to the values of a configuration, by the keys of its table. Only keys that the table calls
 * `read` can be read; a refused key throws; a key that the table does not have is listed.
 */
import { SinterError } from "../../base/errors.ts";
import { isRecord, type Json } from "./json.ts";
import { knownKey, refuseKeys, shownValue, unknownKeys, type KeyTable } from "../../base/known-keys.ts";
import { corruptFile } from "./weights.ts";

type JsonRecord = ReadonlyMap<string, Json>;

export class Fields<K extends string> {
  readonly path: string;
  readonly #values: JsonRecord;
  readonly #table: KeyTable;
  readonly #inside: string;

  /**
   * `inside` is the path to the values where they are those of an object in the configuration
   * ("rope_scaling."). Throws `input` for a refused key.
   */
  constructor(values: JsonRecord, table: KeyTable, path: string, inside = "") {
    this.#values = values;
    this.#table = table;
    this.path = path;
    this.#inside = inside;
    refuseKeys(table, values, inside === "" ? path : `${path}, in ${inside.slice(0, -1)}`);
  }

  /** The keys that the table does not have, with the path to them. */
  unknown(): string[] {
    return unknownKeys(this.#table, this.#values.keys()).map((key) => `${this.#inside}${key}`);
  }

  /** Whether the key is given; null counts as given. */
  has(key: K): boolean {
    return this.#raw(key) !== undefined;
  }
  isNull(key: K): boolean {
    return this.#raw(key) === null;
  }

  number(key: K, otherwise?: number): number {
    const found = this.#raw(key) ?? (this.isNull(key) ? undefined : otherwise);
    return typeof found === "number" && Number.isFinite(found) ? found : this.wrong(key, "a number");
  }
  /** The number, or `ofNull` for null, or `otherwise` where the key is left out. */
  numberOrNull<T, U>(key: K, otherwise: T, ofNull: U): number | T | U {
    if (!this.has(key)) return otherwise;
    return this.isNull(key) ? ofNull : this.number(key);
  }
  /** true or false; null is false, as in Hugging Face's library. */
  flag(key: K): boolean | undefined {
    const found = this.#raw(key);
    if (found === undefined || found === null) return found === null ? false : undefined;
    return typeof found === "boolean" ? found : this.wrong(key, "true or false");
  }
  text(key: K): string | undefined {
    const found = this.#raw(key);
    return found === undefined || typeof found === "string" ? found : this.wrong(key, "a text");
  }
  list(key: K): readonly Json[] | undefined {
    const found = this.#raw(key) ?? undefined;
    return found === undefined || Array.isArray(found)
      ? (found as readonly Json[] | undefined)
      : this.wrong(key, "a list");
  }
  record(key: K): JsonRecord | undefined {
    const found = this.#raw(key) ?? undefined;
    return found === undefined || isRecord(found) ? found : this.wrong(key, "an object");
  }

  /** The first of several keys that name the same setting. Throws `input` where two of them disagree. */
  oneOf(keys: readonly [K, ...K[]]): K {
    const given = keys.filter((key) => this.has(key));
    const [first = keys[0], ...more] = given;
    const other = more.find((key) => shownValue(this.#raw(key)) !== shownValue(this.#raw(first)));
    if (other === undefined) return first;
    const [a, b] = [first, other].map((key) => `${this.#inside}${key} is ${shownValue(this.#raw(key as K))}`);
    throw new SinterError(
      "input",
      `${this.path}: ${a}, and ${b}: the two are one setting`,
      "Leave out the one that is not meant.",
    );
  }

  wrong(key: K, what: string): never {
    throw corruptFile(
      this.path,
      `${this.#inside}${key} is ${shownValue(this.#raw(key))}; ${what} was expected`,
      "Use the config.json that was published with the weights.",
    );
  }

  #raw(key: K): Json | undefined {
    if (knownKey(this.#table, key)?.effect !== "read")
      throw new Error(`${key} is read, and its table does not say so`);
    return this.#values.get(key);
  }
}

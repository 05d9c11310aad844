/** Typed access to the metadata of a GGUF file, by the keys of its architecture's table. */
import { SinterError } from "../../base/errors.ts";
import { baseName } from "../../base/files.ts";
import type { GgufFile } from "./gguf.ts";
import type { Scalar } from "./gguf-header.ts";
import { ggufTable, type GgufKey, type GgufType } from "../keys/gguf-model.ts";
import {
  ignoredKeysNote,
  knownKey,
  refuseKeys,
  shownValue,
  unknownKeys,
  type KeyTable,
} from "../../base/known-keys.ts";
import { corruptFile, type MetadataValue } from "../kit/weights.ts";

export class GgufValues {
  readonly file: GgufFile;
  readonly type: GgufType;
  readonly #table: KeyTable;

  /** Throws `input` for a refused key. */
  constructor(file: GgufFile, type: GgufType) {
    this.file = file;
    this.type = type;
    this.#table = ggufTable(type);
    refuseKeys(
      this.#table,
      [...file.metadata].map(([key, value]) => [key, plain(value)] as const),
      file.path,
    );
  }

  /** A line about keys that are in no table. */
  note(): string | undefined {
    return ignoredKeysNote(baseName(this.file.path), unknownKeys(this.#table, this.file.metadata.keys()));
  }

  name(key: GgufKey): string {
    return `${this.type}.${key}`;
  }
  has(key: GgufKey): boolean {
    return this.#raw(key) !== undefined;
  }

  number(key: GgufKey, otherwise?: number): number {
    const found = plain(this.#raw(key)) ?? otherwise;
    return typeof found === "number" && Number.isFinite(found) ? found : this.wrong(key, "a number");
  }
  text(key: GgufKey, otherwise: string): string {
    const found = this.#raw(key) ?? otherwise;
    return typeof found === "string" ? found : this.wrong(key, "a text");
  }
  /**
   * A number that may be given once for all layers, or in a list with one for each layer if they are all
   * alike. Throws `input` where they differ.
   */
  async ofLayers(key: GgufKey, layers: number, otherwise?: number): Promise<number> {
    const each = await this.list(key, layers);
    if (!each) return this.number(key, otherwise);
    const numbers = each.map(plain);
    const [first] = numbers;
    if (numbers.length !== layers || typeof first !== "number")
      return this.wrong(key, `a number, or one for each of ${layers} layers`);
    const other = numbers.find((n) => n !== first);
    if (other !== undefined)
      throw new SinterError(
        "input",
        `${this.file.path}: ${this.name(key)} is ${shownValue(first)} in one layer and ` +
          `${shownValue(other)} in another`,
        "Models whose layers are all alike are read.",
      );
    return first;
  }
  /** The items of a list; undefined where the value is no list. */
  async list(key: GgufKey, most: number): Promise<readonly Scalar[] | undefined> {
    return this.#raw(key) === undefined ? undefined : this.file.array(this.name(key), most);
  }

  wrong(key: GgufKey, what: string): never {
    throw corruptFile(
      this.file.path,
      `the metadata pair ${this.name(key)} is ${shownValue(this.#raw(key))}; ${what} was expected`,
    );
  }
  /** Throws `input`: the value means something that cannot be done here. */
  refuse(key: GgufKey, why: string, hint: string): never {
    throw new SinterError(
      "input",
      `${this.file.path}: ${this.name(key)} is ${shownValue(this.#raw(key))}: ${why}`,
      hint,
    );
  }

  #raw(key: GgufKey): MetadataValue | undefined {
    const known = knownKey(this.#table, this.name(key));
    if (known && known.effect !== "read")
      throw new Error(`${this.name(key)} is read, and its table does not say so`);
    return known && this.file.metadata.get(this.name(key));
  }
}

/** Makes 64-bit integers into numbers where that is exact. */
const plain = (value: MetadataValue | undefined): MetadataValue | undefined =>
  typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER && value >= -Number.MAX_SAFE_INTEGER
    ? Number(value)
    : value;

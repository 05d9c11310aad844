/**
 * What a setting or an option takes. The tables in settings.ts and parts.ts are made of these; the checker,
 * the language reference and the messages all read the same rows.
 */
import type { Range } from "../../runtime/contract/limits.ts";

/**
 * Numbers that a default may depend on, by the names of the settings. A default over a number that is missing
 * is itself missing.
 */
export type Known = Readonly<Record<string, number | undefined>>;

interface FieldBase<T> {
  readonly doc: string;
  /** Missing: the setting must be given. */
  readonly initial?: (known: Known) => T;
  /** The default in words, for the reference: "4 * width". */
  readonly shown?: string;
}

export interface NumberField extends FieldBase<number>, Range {
  /** In which it is written, where that is not plain. */
  readonly unit?: string;
}
export interface FlagField extends FieldBase<boolean> {
  readonly kind: "flag";
}
export interface WordField<W extends string = string> extends FieldBase<W> {
  readonly kind: "word";
  readonly words: readonly W[];
  /** Words that will mean something later, and what to use now. */
  readonly later?: Readonly<Record<string, string>>;
}
/** One word or several, with commas between them. */
export interface WordsField<W extends string = string> extends FieldBase<readonly W[]> {
  readonly kind: "words";
  readonly words: readonly W[];
}
export type Field = NumberField | FlagField | WordField | WordsField;
export type Fields = Readonly<Record<string, Field>>;

/**
 * Several numbers under one name, for options of parts: `rope: rope(theta: 500000)`. Absent where it is not
 * given.
 */
export interface GroupField<F extends Fields = Fields> {
  readonly kind: "group";
  readonly doc: string;
  /** The word before the parenthesis. */
  readonly callee: string;
  readonly fields: F;
  /** How one is written, for messages. */
  readonly example: string;
}
export type Option = Field | GroupField;
export type Options = Readonly<Record<string, Option>>;

/** The checked values of a table of fields. */
export type ValuesOf<F extends Options> = { -readonly [K in keyof F]: ValueOf<F[K]> };
type ValueOf<T extends Option> = T extends NumberField
  ? number
  : T extends FlagField
    ? boolean
    : T extends WordField<infer W>
      ? W
      : T extends WordsField<infer W>
        ? readonly W[]
        : T extends GroupField<infer F>
          ? ValuesOf<F> | undefined
          : never;

type Default<T> = T | readonly [shown: string, initial: (known: Known) => T];

/** `given` is a constant, or its words and the rule; undefined = must be given. */
function defaults<T extends number | boolean | string | readonly string[]>(
  given: Default<T> | undefined,
): { initial?: (known: Known) => T; shown?: string } {
  if (given === undefined) return {};
  if (isRule(given)) return { shown: given[0], initial: given[1] };
  return { shown: `${given}`, initial: () => given };
}

const isRule = <T>(given: Default<T>): given is readonly [string, (known: Known) => T] =>
  Array.isArray(given) && typeof given[1] === "function";

export const number = (
  doc: string,
  range: Range & Pick<NumberField, "unit">,
  given?: Default<number>,
): NumberField => ({
  doc,
  ...range,
  ...defaults(given),
});
export const flag = (doc: string, given?: Default<boolean>): FlagField => ({
  kind: "flag",
  doc,
  ...defaults(given),
});
export const word = <W extends string>(
  doc: string,
  words: readonly W[],
  given?: Default<W>,
  later?: Readonly<Record<string, string>>,
): WordField<W> => ({
  kind: "word",
  doc,
  words,
  ...defaults<W>(given),
  ...(later ? { later } : {}),
});
export const words = <const W extends string>(
  doc: string,
  known: readonly W[],
  given: readonly W[],
): WordsField<W> => ({ kind: "words", doc, words: known, initial: () => given, shown: given.join(", ") });
export const group = <const F extends Fields>(
  doc: string,
  callee: string,
  fields: F,
  example: string,
): GroupField<F> => ({ kind: "group", doc, callee, fields, example });

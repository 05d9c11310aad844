/**
 * Options of the command line, each declared once in the table of its verb: the name of the value and the
 * help, for the parser of the command line (commander), and how the text becomes a typed value. The key in
 * the table is the flag: `topK` is --top-k. Whatever a user can get wrong is a SinterError of kind "usage".
 */
import type { Command } from "commander";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import { SinterError } from "../../../runtime/base/errors.ts";

/**
 * What commander hands over: a text; true for a flag without a value, false for its `--no-` form; all texts
 * of an option that may be repeated; undefined where nothing was given.
 */
type Given = string | boolean | readonly string[] | undefined;

export interface Option<Value> {
  /** The value in the help: "<n>", or "[stage]" where it may be left out. Undefined: a flag alone. */
  readonly value?: string;
  readonly help: string;
  /** One letter: "o" makes -o. */
  readonly short?: string;
  /** The default: taken when nothing is given, and shown in the help. */
  readonly standard?: string;
  readonly required?: boolean;
  readonly repeated?: boolean;
  /** The key of the option that this one turns off. */
  readonly negates?: string;
  /** `flag`, as in "--top-k", is for messages. */
  read(given: Given, flag: string): Value;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The typed values of a table's options. */
export type Options<Table extends OptionTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Option<infer Value> ? Value : never;
};

/** Tells the parser which options there are, in the table's order. */
export function declareOptions(command: Command, table: OptionTable): void {
  for (const [key, option] of Object.entries(table)) {
    const { short, value, help, standard, required, repeated } = option;
    const flags = `${short ? `-${short}, ` : ""}${flagOf(key, option)}${value ? ` ${value}` : ""}`;
    if (repeated) command.option(flags, help, collect);
    else if (required) command.requiredOption(flags, help);
    else command.option(flags, help, standard);
  }
}

/** `given`: what the parser made of the command line, by key. */
export function readOptions<Table extends OptionTable>(
  table: Table,
  given: Readonly<Record<string, unknown>>,
): Options<Table> {
  const values = Object.entries(table).map(([key, option]) => [
    key,
    option.read(given[option.negates ?? key] as Given, flagOf(key, option)),
  ]);
  return Object.fromEntries(values) as Options<Table>;
}

const flagOf = (key: string, { negates }: Option<unknown>): string =>
  `--${negates ? "no-" : ""}${kebab(negates ?? key)}`;
const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

interface Short {
  readonly short?: string;
}

/** A flag without a value: true when it was given. */
export const flag = (help: string): Option<boolean> => ({ help, read: (given) => given === true });

/** `--no-KEY`: true when it was given last. */
export const negation = (negates: string, help: string): Option<boolean> => ({
  help,
  negates,
  read: (given) => given === false,
});

export const text = (value: string, help: string, { short }: Short = {}): Option<string | undefined> => ({
  value,
  help,
  ...(short && { short }),
  read: (given) => (typeof given === "string" ? given : undefined),
});

/** May be repeated: all texts, in order. */
export const texts = (value: string, help: string): Option<readonly string[] | undefined> => ({
  value,
  help,
  repeated: true,
  read: (given) => given as readonly string[] | undefined,
});

/** `--KEY` alone is true; `--KEY TEXT` is the text. */
export const optionalText = (value: string, help: string): Option<string | true | undefined> => ({
  value,
  help,
  read: (given) => given as string | true | undefined,
});

interface Range extends Short {
  readonly least: number;
  readonly most?: number;
}

export const whole = (value: string, help: string, range: Range): Option<number | undefined> =>
  read(text(value, help, range), (given, name) => wholeWithin(name, given, range));

/**
 * Reads a whole number. A verb calls it again for an option whose range depends on a model, once the model is
 * known.
 */
export function wholeWithin(flag: string, given: string | number, range: Range): number {
  const number = /^[0-9][0-9_]*$/.test(`${given}`) ? Number(`${given}`.replaceAll("_", "")) : NaN;
  const { least, most = Number.MAX_SAFE_INTEGER } = range;
  if (number >= least && number <= most) return number;
  throw new SinterError("usage", `${flag} takes a whole number ${rangeText(range)}, not \`${given}\``);
}

export const real = (value: string, help: string, range: Range): Option<number | undefined> =>
  read(text(value, help, range), (given, name) => {
    const number = given.trim() === "" ? NaN : Number(given);
    const { least, most = Infinity } = range;
    if (number >= least && number <= most && number < Infinity) return number;
    throw new SinterError("usage", `${name} takes a number ${rangeText(range)}, not \`${given}\``);
  });

const rangeText = ({ least, most }: Range): string =>
  most === undefined ? `from ${least}` : `from ${least} to ${most}`;

/** The option whose text, when there is one, `from` turns into a value. */
export const read = <Value>(
  option: Option<string | undefined>,
  from: (given: string, flag: string) => Value,
): Option<Value | undefined> => ({
  ...option,
  read(given, name) {
    const value = option.read(given, name);
    return value === undefined ? undefined : from(value, name);
  },
});

/** The option with a default: this text is read when none is given. */
export const withDefault = <Value>(
  standard: string,
  option: Option<Value>,
): Option<Exclude<Value, undefined>> => ({ ...option, standard }) as Option<Exclude<Value, undefined>>;

/** The option that has to be given. */
export const required = <Value>(option: Option<Value>): Option<Exclude<Value, undefined>> =>
  ({ ...option, required: true }) as Option<Exclude<Value, undefined>>;

interface Listing {
  /** How the list of known names begins; "KINDs: " by default. */
  readonly list?: string;
}

/** Finds a target, a module or the like by its name. Throws with the list of names, and the nearest one. */
export function named<const Name extends string>(
  kind: string,
  known: readonly Name[],
  given: string,
  { list = `${kind}s: ` }: Listing = {},
): Name {
  const found = known.find((name) => name === given.trim());
  if (found) return found;
  const near = nearest(given, known);
  const meant = near ? `; did you mean ${near}?` : "";
  throw new SinterError("usage", `there is no ${kind} \`${given}\``, `${list}${known.join(", ")}${meant}`);
}

/** Checks that an option's text is one of its words. Throws with all of them. */
export function oneWord<const Word extends string>(
  words: readonly Word[],
  given: string,
  flag: string,
  between = ", ",
): Word {
  const found = words.find((word) => word === given);
  if (found) return found;
  throw new SinterError("usage", `${flag} takes ${words.join(between)}, not \`${given}\``);
}

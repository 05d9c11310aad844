/** Numbers and names that the verbs over runs take. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { MEMORY_LIMIT, PAGE_BYTES } from "../../../compiler/7-place/place.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Io } from "../terminal/io.ts";

export type Options = Readonly<Record<string, unknown>>;

/** `--top-k` is found as `topK`. Undefined when it was not given. */
export function wholeOption(
  options: Options,
  flag: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const text = options[camel(flag)];
  if (text === undefined) return undefined;
  const value = /^[0-9][0-9_]*$/.test(String(text)) ? Number(String(text).replaceAll("_", "")) : NaN;
  if (!(value >= least && value <= most))
    throw new SinterError(
      "usage",
      `--${flag} takes a whole number ${range(least, most)}, not \`${String(text)}\``,
    );
  return value;
}

export function realOption(
  options: Options,
  flag: string,
  least: number,
  most = Infinity,
): number | undefined {
  const text = options[camel(flag)];
  if (text === undefined) return undefined;
  const value = String(text).trim() === "" ? NaN : Number(text);
  if (!(value >= least && value <= most) || value === Infinity)
    throw new SinterError("usage", `--${flag} takes a number ${range(least, most)}, not \`${String(text)}\``);
  return value;
}

export function targetOption(options: Options): Target | undefined {
  const text = options["target"];
  const found = targets.find((target) => target === text);
  if (text !== undefined && !found)
    throw new SinterError(
      "usage",
      `there is no target \`${String(text)}\``,
      `targets: ${targets.join(", ")}`,
    );
  return found;
}

export const withMemoryOption = (command: Command): Command =>
  command.option(
    "--memory-limit <bytes>",
    "most that one memory may have, as 1_000_000 or 512MiB; a model that needs more is cut into parts " +
      "(default: 4 GiB)",
  );

const units: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Of `withMemoryOption`, for the compiler: bytes, at most what WebAssembly allows. */
export function memoryLimit(options: Options): number | undefined {
  const text = textOption(options, "memory-limit");
  if (text === undefined) return undefined;
  const [, digits, unit] = /^([0-9][0-9_]*(?:\.[0-9]+)?) ?(|KiB|MiB|GiB)$/.exec(text) ?? [];
  const bytes = digits === undefined ? NaN : Math.floor(Number(digits.replaceAll("_", "")) * units[unit!]!);
  if (!(bytes >= PAGE_BYTES && bytes <= 2 ** 32))
    throw new SinterError(
      "usage",
      `--memory-limit takes bytes from 64KiB to 4GiB, not \`${text}\``,
      "for example --memory-limit 512MiB",
    );
  return Math.min(bytes, MEMORY_LIMIT);
}

export const textOption = (options: Options, flag: string): string | undefined =>
  options[camel(flag)] as string | undefined;

/** A path as the user meant it: from the folder the command was given in. */
export const pathFrom = (io: Io, path: string): string => resolve(io.cwd, path);

const camel = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
const range = (least: number, most: number): string =>
  most === Number.MAX_SAFE_INTEGER || most === Infinity ? `from ${least}` : `from ${least} to ${most}`;

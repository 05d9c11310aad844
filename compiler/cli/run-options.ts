/** Numbers and names that the verbs over runs take. */
import { resolve } from "node:path";
import { targets, type Target } from "../op.ts";
import { SinterError } from "../../runtime/errors.ts";
import type { Io } from "./verb.ts";

export type Options = Readonly<Record<string, unknown>>;

/** `--top-k` is found as `topK`. Undefined when it was not given. */
export function wholeOption(options: Options, flag: string, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
  const text = options[camel(flag)];
  if (text === undefined) return undefined;
  const value = /^[0-9][0-9_]*$/.test(String(text)) ? Number(String(text).replaceAll("_", "")) : NaN;
  if (!(value >= least && value <= most)) throw new SinterError("usage", `--${flag} takes a whole number ${range(least, most)}, not \`${String(text)}\``);
  return value;
}

export function realOption(options: Options, flag: string, least: number, most = Infinity): number | undefined {
  const text = options[camel(flag)];
  if (text === undefined) return undefined;
  const value = String(text).trim() === "" ? NaN : Number(text);
  if (!(value >= least && value <= most) || value === Infinity) throw new SinterError("usage", `--${flag} takes a number ${range(least, most)}, not \`${String(text)}\``);
  return value;
}

export function targetOption(options: Options): Target | undefined {
  const text = options["target"];
  const found = targets.find((target) => target === text);
  if (text !== undefined && !found) throw new SinterError("usage", `there is no target \`${String(text)}\``, `targets: ${targets.join(", ")}`);
  return found;
}

export const textOption = (options: Options, flag: string): string | undefined => options[camel(flag)] as string | undefined;

/** A path as the user meant it: from the folder the command was given in. */
export const pathFrom = (io: Io, path: string): string => resolve(io.cwd, path);

const camel = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
const range = (least: number, most: number): string => (most === Number.MAX_SAFE_INTEGER || most === Infinity ? `from ${least}` : `from ${least} to ${most}`);

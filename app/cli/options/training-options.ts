/**
 * Options of the verbs that train, `train` and those of later stages: how often something happens, how the
 * machine is used, and whether a run begins or goes on.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import { flag, whole, type Options } from "./option.ts";
import { memoryOptions, targetOption, workersOption } from "./run-options.ts";

/** A setting of the spec's block that has an option of its own. */
export const setting = (help: string) => whole("<n>", help, { least: 0 });

export const machineOptions = {
  workers: workersOption("threads (default: all cores); changes nothing in the result"),
  target: targetOption(),
  memoryLimit: memoryOptions.memoryLimit,
};

export const beginOptions = {
  resume: flag(
    "go on from the newest whole checkpoint in --out, or begin there; " +
      "--steps and --set NAME=VALUE change settings from there on",
  ),
  force: flag("begin anew where --out holds a run: it is removed once all is checked"),
};

const MOST_PORT = 65_535;

export const watchOptions = {
  watch: flag("serve the report on this machine while it trains; its address is printed"),
  watchPort: whole("<n>", "port of --watch (default: one that is free)", { least: 0, most: MOST_PORT }),
};

/** The port at which the report is served, 0 for one that is free; undefined: it is not served. */
export const watchPortOf = ({ watch, watchPort }: Options<typeof watchOptions>): number | undefined =>
  watchPort ?? (watch ? 0 : undefined);

/** Refuses to begin and to go on at once. */
export function refuseBoth({ force, resume }: Options<typeof beginOptions>, from: string | undefined): void {
  if (force && resume) throw new SinterError("usage", "--force begins anew, --resume goes on");
  if (from !== undefined && resume)
    throw new SinterError("usage", "--from begins a run, --resume goes on with one");
}

/** Settings that have options of their own, as --set writes them: `evalEvery` is "train.eval_every". */
export function settingsAsked(
  options: Readonly<Record<string, number | string | undefined>>,
  prefix = "",
): Record<string, string> {
  const said = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(said.map(([name, value]) => [`${prefix}${inSpec(name)}`, `${value}`]));
}

/** A setting's name as a spec has it: "evalEvery" is "eval_every". */
export const inSpec = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

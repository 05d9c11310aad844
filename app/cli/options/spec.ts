/**
 * What every verb that takes a spec shares: the options `--model` and `--set`, reading, checking, and the
 * choice of one model.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { MAX_CHARACTERS } from "../../../compiler/1-parse/parse.ts";
import {
  checkSource,
  type Checked,
  type CheckOptions,
  type ModelSummary,
} from "../../../compiler/2-check/check.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import { renderAll } from "../../../compiler/diagnostics/render.ts";
import { hasErrors } from "../../../compiler/diagnostics/report.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { text, texts, type Options } from "./option.ts";
import { readText } from "../terminal/input.ts";
import type { Io } from "../terminal/io.ts";

export const specOptions = {
  model: text("<name>", "one model of a file that holds several"),
  set: texts("<name=value>", "change a setting: width=256, train.lr=1e-3 (may be repeated)"),
};
export type SpecOptions = Options<typeof specOptions>;

/** Reads `--set a=1 --set b=2` and `--model`. Throws `usage` for a text that is not NAME=VALUE. */
export function checkOptions({ model, set: pairs = [] }: SpecOptions): CheckOptions {
  const set: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at <= 0)
      throw new SinterError(
        "usage",
        `--set needs NAME=VALUE, not \`${pair}\``,
        "for example --set width=256",
      );
    set[pair.slice(0, at).trim()] = pair.slice(at + 1);
  }
  return { set, ...(model !== undefined && { model }) };
}

export function readSpec(path: string, io: Io): string {
  return readText(path, io, 4 * MAX_CHARACTERS, { hint: missingHint(path, io.cwd) });
}

/** Reads and checks a spec. Diagnostics go to `io.err`. */
export const checkSpec = (
  path: string,
  options: CheckOptions,
  io: Io,
): Checked & { readonly source: string } => checkSpecBy(checkSource, path, options, io);

/** The same; throws where the spec has errors, which are on `io.err` then. */
export function rightSpec(path: string, options: CheckOptions, io: Io): ReturnType<typeof checkSpec> {
  const checked = checkSpec(path, options, io);
  if (hasErrors(checked.diagnostics)) throw new SinterError("input", `${path} has errors`);
  return checked;
}

/** Checks by another check, that looks further: at a spec's plans, too. */
export function checkSpecBy<C extends Checked>(
  check: (source: string, options: CheckOptions) => C,
  path: string,
  options: CheckOptions,
  io: Io,
): C & { readonly source: string } {
  const source = readSpec(path, io);
  const checked = check(source, options);
  if (checked.diagnostics.length > 0) io.err(diagnosticsText(checked.diagnostics, path, source, io));
  return { ...checked, source };
}

export function diagnosticsText(
  diagnostics: Checked["diagnostics"],
  path: string,
  source: string,
  { columns, tty }: Io,
): string {
  const most = Math.max(40, Math.min(columns - 8, 120));
  return renderAll(diagnostics, { name: path, text: source }, { colour: tty, columns: most });
}

/**
 * One model, for verbs that work on one: `--model`, or the first of the file. Throws when the spec has
 * errors; they are on `io.err` then.
 */
export function oneModel(
  path: string,
  options: CheckOptions,
  io: Io,
): { readonly model: Model; readonly facts: ModelSummary; readonly source: string } {
  const checked = rightSpec(path, options, io);
  const { summaries, source } = checked;
  return { model: firstModel(path, checked, io), facts: summaries[0]!, source };
}

/** Of several models the first, which is said. */
export function firstModel(path: string, { models }: Checked, io: Io): Model {
  const model = models[0];
  if (!model) throw new SinterError("input", `${path} holds no model`);
  if (models.length > 1)
    io.err(`model ${model.name}, the first of ${models.length} (--model chooses another)\n`);
  return model;
}

/** A spec of nearly this name, here or in specs/. */
function missingHint(path: string, cwd: string): string | undefined {
  if (path === "-") return undefined;
  const wanted = basename(path, ".sinter");
  const found = [dirname(resolve(cwd, path)), join(cwd, "specs")].flatMap((folder) =>
    existsSync(folder) ? specsIn(folder) : [],
  );
  const near = nearest(
    wanted,
    found.map((file) => basename(file, ".sinter")),
  );
  const file = found.find((f) => basename(f, ".sinter") === near);
  return file ? `did you mean ${relative(cwd, file)}?` : "`sinter init FILE` writes a spec to start from";
}

function specsIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".sinter"))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/**
 * What studies are asked for: what is missing, and models that a spec does not have, are told in one way.
 * study.ts shows a study's usage beside what is wrong with its command line.
 */
import { readFileSync } from "node:fs";
import { checkSource } from "../../compiler/2-check/check.ts";
import { SinterError } from "../../runtime/base/errors.ts";
import type { Model } from "../../runtime/contract/model.ts";

/** Of a command line that lacks something. */
export const missing = (what: string): SinterError => new SinterError("usage", what);

/** "width=256" … as the checker takes them. */
export const settingsOf = (pairs: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(pairs.map((pair) => pair.split("=") as [string, string]));

/** A model of a spec's file; without a name, its first. Throws where there is none: says which there are. */
export function modelIn(spec: string, name?: string, set: readonly string[] = []): Model {
  const source = read(spec);
  const { models } = checkSource(source, {
    set: settingsOf(set),
    ...(name !== undefined && { model: name }),
  });
  const [model] = name === undefined ? models : models.filter((one) => one.name === name);
  if (model) return model;
  const all = checkSource(source).models.map((one) => one.name);
  throw new SinterError(
    "input",
    name === undefined || all.includes(name)
      ? `${spec} has errors${set.length > 0 ? ` with ${set.join(", ")}` : ""}`
      : `${spec} has no model ${JSON.stringify(name)}: it has ${all.join(", ") || "none"}`,
    `\`sinter check ${spec}\` says what is in it; specs/README.md lists the specs that are here.`,
  );
}

function read(spec: string): string {
  try {
    return readFileSync(spec, "utf8");
  } catch (cause) {
    throw new SinterError(
      "input",
      `cannot read ${spec}: ${(cause as Error).message}`,
      "A model is named by its spec's file and its name: specs/llama3.sinter:llama3.2-1b",
    );
  }
}

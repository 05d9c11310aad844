/**
 * The declaration files of specs that programs import, beside the specs. TypeScript finds the first by its
 * name (`allowArbitraryExtensions`):
 *
 *   import gpt2 from "./gpt2.sinter"          gpt2.d.sinter.ts
 *   import gpt2 from "./gpt2.sinter?train"    gpt2.sinter-train.d.ts
 *   import gpt2 from "./gpt2.sinter?stage=rl" gpt2.sinter-rl.d.ts
 *
 * No file can be named like the others, so their files declare them by a pattern: every module whose name
 * ends in "/gpt2.sinter?train".
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { typesText } from "../../../compiler/9-bundle/index-files.ts";
import type { Manifest, ModuleName } from "../../../runtime/contract/manifest.ts";
import type { StageName } from "../../../runtime/contract/model.ts";
import { writeOutput } from "../terminal/files.ts";

/** What an import asks of a spec, in its query. */
export interface SpecQuery {
  readonly model?: string | undefined;
  /** The module `train`, which learns and samples, instead of `infer`. */
  readonly train: boolean;
  /** The module `train` of a stage after pre-training, as the spec's block has it. */
  readonly stage?: StageName | undefined;
}

export const modulesOf = ({ train, stage }: SpecQuery): readonly ModuleName[] => [
  train || stage ? "train" : "infer",
];

/** The query as it is written behind the spec's name: "model=gpt2-xl&train", "stage=rl", or "". */
export const queryText = ({ model, train, stage }: SpecQuery): string =>
  [
    ...(model === undefined ? [] : [`model=${model}`]),
    ...(train ? ["train"] : []),
    ...(stage === undefined ? [] : [`stage=${stage}`]),
  ].join("&");

/** `query`: as the import has it. */
export function declarationPath(spec: string, query: string): string {
  const name = basename(spec, ".sinter");
  const words = query.replace(/\b(?:model|stage)=/g, "").replaceAll("&", "-");
  return join(dirname(spec), query === "" ? `${name}.d.sinter.ts` : `${name}.sinter-${words}.d.ts`);
}

export function declarationText(manifest: Manifest, spec: string, query: string): string {
  const text = typesText(manifest);
  if (query === "") return text;
  const [head, ...body] = text.trimEnd().split("\n");
  const lines = body.map((line) => (line === "" ? "" : `  ${line.replace("declare const", "const")}`));
  const pattern = JSON.stringify(`*/${basename(spec)}?${query}`);
  return `${head}\ndeclare module ${pattern} {\n${lines.join("\n")}\n}\n`;
}

/**
 * Writes the file where it is not so already: programs that watch it would compile again. False: it was so.
 */
export function writeDeclaration(path: string, text: string): boolean {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return false;
  writeOutput(path, text);
  return true;
}

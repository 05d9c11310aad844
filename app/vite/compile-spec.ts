/** From a spec's text to what the plugin serves. It runs in a thread of its own (compile-thread.ts). */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { checkSource } from "../../compiler/2-check/check.ts";
import { compileModel } from "../../compiler/compile.ts";
import { hasErrors, type Diagnostic } from "../../compiler/diagnostics/report.ts";
import { SinterError } from "../../runtime/base/errors.ts";
import type { AskedEntry } from "../../runtime/contract/entries.ts";
import type { Manifest } from "../../runtime/contract/manifest.ts";
import type { CacheFormat, Weights } from "../../runtime/contract/memory-formats.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { planAll } from "../cli/options/memory-plan.ts";
import { declarationText, modulesOf } from "../cli/options/spec-types.ts";
import { tilesFor } from "../cli/options/tune-file.ts";
import { tunePath } from "../cli/options/tune-options.ts";
import { plannedStages } from "../cli/train/stage-modules.ts";
import { findingOf, type Finding } from "./finding.ts";
import type { SpecImport } from "./spec-import.ts";

export interface CompileSettings {
  readonly targets: readonly Target[];
  readonly weights: Weights | undefined;
  readonly cache: CacheFormat | undefined;
  readonly entries: readonly AskedEntry[] | undefined;
}

export interface Asked extends SpecImport, CompileSettings {
  readonly text: string;
}

export type Compiled =
  | {
      readonly kind: "bundle";
      readonly manifest: Manifest;
      /** The WebAssembly files by name. */
      readonly wasm: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
      /** The declaration file's text. */
      readonly types: string;
      readonly warnings: readonly Finding[];
      /** Lines to be said. */
      readonly notes: readonly string[];
      /** Other files that count. */
      readonly watch: readonly string[];
    }
  | { readonly kind: "wrong"; readonly errors: readonly [Finding, ...Finding[]] };

export async function compileSpec(asked: Asked): Promise<Compiled> {
  const { file, text, query, model: name, stage, targets, weights, cache, entries } = asked;
  const { models, diagnostics } = checkSource(text, name === undefined ? {} : { model: name });
  const findings = (severity: Diagnostic["severity"]): Finding[] =>
    diagnostics.filter((d) => d.severity === severity).map((d) => findingOf(d, { name: file, text }));
  const [first, ...rest] = findings("error");
  if (first) return { kind: "wrong", errors: [first, ...rest] };
  const [whole] = models;
  if (!whole || hasErrors(diagnostics)) return wrong(asked, "it holds no model");
  const planned = stage && plannedStages(whole).find((one) => one.stage === stage);
  if (stage && !planned) return wrong(asked, `${whole.name} has no block \`${stage}\``);
  const model = planned?.model ?? whole;
  const notes: string[] = [];
  const say = (line: string): void => void notes.push(line.trimEnd());
  const io = { out: say, err: say, tty: false, columns: 100, cwd: dirname(file) };
  try {
    const tiles = tilesFor(file, { tune: undefined, noTune: false }, io);
    const options = {
      ...planned?.options,
      targets,
      weights,
      cache,
      entries,
      tiles,
      modules: modulesOf(asked),
    };
    planAll(model, options.modules, options);
    const { manifest, files } = await compileModel(model, options);
    const tunes = tunePath(file, io);
    return {
      kind: "bundle",
      manifest,
      wasm: new Map([...files].filter(([path]) => path.endsWith(".wasm"))),
      types: declarationText(manifest, file, query),
      warnings: findings("warning"),
      notes,
      watch: existsSync(tunes) ? [tunes] : [],
    };
  } catch (error) {
    if (error instanceof SinterError) return wrong(asked, `${error.message}. ${error.hint ?? ""}`);
    throw error;
  }
}

/** Something that is true of the whole file. */
const wrong = ({ file }: Asked, message: string): Compiled => ({
  kind: "wrong",
  errors: [{ message: message.trim(), loc: { file, line: 1, column: 1 }, frame: "" }],
});

/**
 * `sinter`: the compiler for programs. A spec's text goes in; models, diagnostics and bundles come out. It
 * touches no files and runs in Node as well as in a page. What it compiles, `sinter/runtime` runs.
 *
 *   const { models, diagnostics } = check(text);
 *   const bundle = await compile(text, { modules: ["infer"] });
 */
import type { AskedEntry } from "../runtime/contract/entries.ts";
import type { Manifest, ModuleName } from "../runtime/contract/manifest.ts";
import type { CacheFormat, Weights } from "../runtime/contract/memory-formats.ts";
import type { Model } from "../runtime/contract/model.ts";
import type { Target } from "../runtime/contract/targets.ts";
import { checkSource, type Checked, type CheckOptions } from "./2-check/check.ts";
import { compileModel } from "./compile.ts";
import { renderAll } from "./diagnostics/render.ts";
import { hasErrors, type Diagnostic } from "./diagnostics/report.ts";

export { COMPILER_VERSION } from "./9-bundle/version.ts";
export { renderAll as renderDiagnostics, type RenderOptions } from "./diagnostics/render.ts";
export { positionOf, type Position, type Source, type Span } from "./diagnostics/span.ts";
export type { Diagnostic, Note } from "./diagnostics/report.ts";
export type { Checked, CheckOptions, ModelSummary } from "./2-check/check.ts";
export type { Manifest, ModuleManifest, ModuleName } from "../runtime/contract/manifest.ts";
export type { CacheFormat, WeightFormat, Weights } from "../runtime/contract/memory-formats.ts";
export type { Model } from "../runtime/contract/model.ts";
export type { Target } from "../runtime/contract/targets.ts";

/**
 * Reads a spec: its models, what is known about each, and everything that is wrong with the text, all at
 * once. It never throws, whatever the text; a model with errors is not among the models.
 */
export const check = (source: string, options: CheckOptions = {}): Checked => checkSource(source, options);

/** What `compile` can be told. The options of `check` count where a text is compiled. */
export interface CompileOptions extends CheckOptions {
  /** What the text is called in messages. Default: "spec". */
  readonly name?: string;
  /**
   * What to compile: `train` learns, evaluates and samples; `infer` only evaluates and samples. Default:
   * both.
   */
  readonly modules?: readonly ModuleName[];
  /** Instruction sets: the runtime takes the best that its engine has. Default: all three. */
  readonly targets?: readonly Target[];
  /** How the module `infer` keeps its matrices. Default: "f32". */
  readonly weights?: Weights;
  /** How the module `infer` keeps keys and values of earlier positions. Default: "f32". */
  readonly cache?: CacheFormat;
  /** What modules can do besides: `scoreTokens`, `embedTokens`, `lookInside`. Default: nothing. */
  readonly entries?: readonly AskedEntry[];
  /** How many bytes one memory may have. Default: 4 GiB, the most that WebAssembly has. */
  readonly memoryLimit?: number;
}

/** A compiled model: `createModel` of `sinter/runtime` takes it as it is. */
export interface CompiledBundle {
  readonly manifest: Manifest;
  /** Every file of the bundle's folder by its name; `manifest.json` and the wasm modules are among them. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** A spec with errors. The message has them as `sinter check` prints them. */
export class SpecError extends Error {
  /** Errors and warnings, in the order of the text. */
  readonly diagnostics: readonly Diagnostic[];
  constructor(message: string, diagnostics: readonly Diagnostic[]) {
    super(message);
    this.name = "SpecError";
    this.diagnostics = diagnostics;
  }
}

/**
 * Compiles a spec's text, or a model that `check` has given. Of a text with several models it takes the one
 * that `options.model` names, or else the first. It rejects with a SpecError where the text has errors, and
 * with an Error where a module needs more memory than one has.
 */
export async function compile(
  source: string | Model,
  { set, model: wanted, name = "spec", ...options }: CompileOptions = {},
): Promise<CompiledBundle> {
  const chosen = { ...(set && { set }), ...(wanted !== undefined && { model: wanted }) };
  const model = typeof source === "string" ? firstModel(source, name, chosen) : source;
  const { manifest, files } = await compileModel(model, options);
  return { manifest, files };
}

function firstModel(text: string, name: string, options: CheckOptions): Model {
  const { models, diagnostics } = check(text, options);
  if (hasErrors(diagnostics)) throw new SpecError(renderAll(diagnostics, { name, text }), diagnostics);
  const [model] = models;
  if (model === undefined) throw new SpecError(`${name} holds no model`, diagnostics);
  return model;
}

/**
 * Spec text → manifest and one module's bytes, through the compiler's front door. Compiled once per spec,
 * target and module.
 */
import { checkSource } from "../../compiler/2-check/check.ts";
import { rowEntries } from "../../runtime/contract/entries.ts";
import type { Manifest, ModuleName } from "../../runtime/contract/manifest.ts";
import { compileModel } from "../../compiler/compile.ts";
import { renderAll } from "../../compiler/diagnostics/render.ts";
import type { Target } from "../../runtime/contract/targets.ts";

export interface CompiledModule {
  readonly manifest: Manifest;
  readonly wasm: Uint8Array<ArrayBuffer>;
}

const compiled = new Map<string, Promise<CompiledModule>>();

export function compileSpec(text: string, target: Target, module: ModuleName): Promise<CompiledModule> {
  const key = `${module} ${target} ${text}`;
  if (!compiled.has(key)) compiled.set(key, compileNow(text, target, module));
  return compiled.get(key)!;
}

async function compileNow(text: string, target: Target, module: ModuleName): Promise<CompiledModule> {
  const {
    models: [model],
    diagnostics,
  } = checkSource(text);
  if (!model || diagnostics.length > 0)
    throw new Error(
      `the spec has errors:\n${renderAll(diagnostics, { name: "spec", text }, { colour: false })}`,
    );
  const { manifest, files } = await compileModel(model, {
    targets: [target],
    modules: [module],
    entries: rowEntries,
    verify: true,
  });
  return { manifest, wasm: files.get(manifest.modules[module]!.wasm[target]!.file)! };
}

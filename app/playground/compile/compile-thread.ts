/**
 * The compiler's thread: from a spec's text to a bundle. What makes WebAssembly of AssemblyScript has 14 MB,
 * and is loaded when kernels are needed that were not compiled before. The page ends the thread when it has
 * its bundle, which gives some 400 MB of memory back.
 */
import { checkSource } from "../../../compiler/2-check/check.ts";
import { useKernelCache } from "../../../compiler/9-bundle/kernel-cache.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { compileModel } from "../../../compiler/compile.ts";
import { renderAll } from "../../../compiler/diagnostics/render.ts";
import { hasErrors } from "../../../compiler/diagnostics/report.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import { planAll } from "../../cli/options/memory-plan.ts";
import { serveCalls, type Call } from "../page/thread-call.ts";
import { answerDataUrls } from "./answer-data-urls.ts";
import { loadCompiler } from "./compiler-files.ts";
import { keptKernels } from "./kept-kernels.ts";

export interface SpecToCompile {
  readonly text: string;
  /** Undefined: the last model of the text. */
  readonly model: string | undefined;
  /** What can be sent to a thread. */
  readonly options: Omit<CompileOptions, "dump" | "trains">;
}

/** loading: the compiler comes in; `total` bytes, where they are known. compiling: kernels are made. */
export type CompileProgress =
  | { readonly stage: "loading"; readonly loaded: number; readonly total: number | undefined }
  | { readonly stage: "compiling" };

const calls = {
  /** Throws `input` for a spec with errors, and for a model that no memory holds. */
  async compile(
    { text, model: name, options }: SpecToCompile,
    { signal, report }: Call<CompileProgress>,
  ): Promise<Bundle> {
    const model = modelIn(text, name);
    planAll(model, options.modules ?? ["train"], options);
    report({ stage: "compiling" });
    useKernelCache(
      await keptKernels(async () => {
        await loadCompiler((loaded, total) => report({ stage: "loading", loaded, total }), signal);
        report({ stage: "compiling" });
      }),
    );
    const { manifest, files } = await compileModel(model, {
      ...options,
      modules: options.modules ?? ["train"],
    });
    return { manifest, files };
  },
};

export type CompileCalls = typeof calls;

answerDataUrls();
serveCalls(calls);

function modelIn(text: string, name: string | undefined): Model {
  const { models, diagnostics } = checkSource(text, name === undefined ? {} : { model: name });
  if (hasErrors(diagnostics)) throw new SinterError("input", renderAll(diagnostics, { name: "spec", text }));
  const model = models.at(-1);
  if (model) return model;
  throw new SinterError("input", "the spec holds no model", "Write one, or begin with an example.");
}

/**
 * Small models that a test compiles from a text and runs: in one memory or cut into several, and closed when
 * the test's file ends.
 */
import { afterAll, expect } from "vitest";
import { checkSource } from "../../compiler/2-check/check.ts";
import { compileModel, planModule, type Compiled } from "../../compiler/compile.ts";
import type { CompileOptions } from "../../compiler/compile-options.ts";
import type { ModuleName } from "../../runtime/contract/manifest.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";

export interface Compiling {
  /** Default: infer. */
  readonly module?: ModuleName;
  /** Default: relaxed. */
  readonly target?: Target;
  readonly options?: CompileOptions;
  /** The model is cut into as many memories as possible. */
  readonly cut?: true;
}

/** The bundle of the one model in `source`, which has to be without a fault. */
export function compileSmall(
  source: string,
  { module = "infer", target = "relaxed", options, cut }: Compiling = {},
): Promise<Compiled> {
  const { models, diagnostics } = checkSource(source);
  expect(diagnostics).toEqual([]);
  const chosen = { targets: [target], modules: [module], ...options };
  if (!cut) return compileModel(models[0]!, chosen);
  const { bytes } = planModule(models[0]!, module, chosen).placement;
  return compileModel(models[0]!, { ...chosen, memoryLimit: bytes - 1 });
}

type Open = (
  bundle: Compiled,
  how?: Pick<Compiling, "module" | "target">,
  workers?: number,
) => Promise<RunningModel>;

/** Opens models, whose weights are always the same, and closes them all at the end of the file. */
export function runningModels(): Open {
  const opened: RunningModel[] = [];
  afterAll(() => Promise.all(opened.map((model) => model.close())));
  return async (bundle, { module = "infer", target = "relaxed" } = {}, workers = 1) => {
    const model = await createModel(bundle, module, { host: nodeHost, workers, target, seed: 5 });
    opened.push(model);
    return model;
  };
}

/** What each tensor of a storage holds, slice by slice, without padding. */
export const valuesOf = (
  model: RunningModel,
  storage: "parameter" | "gradient",
): Map<string, Float32Array[]> =>
  new Map(
    model
      .of(storage)
      .map((t) => [
        t.place.name,
        Array.from({ length: t.place.slices }, (_, i) => Float32Array.from(t.dense(i) as Float32Array)),
      ]),
  );

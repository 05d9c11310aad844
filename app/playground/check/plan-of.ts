/** Plans of the models that were asked about last: drawings and kernels are about the same one. */
import { planModule } from "../../../compiler/compile.ts";
import type { ModulePlan } from "../../../compiler/plan.ts";
import type { Program } from "../../../compiler/6-tile/program.ts";
import type { ModuleName } from "../../../runtime/contract/manifest.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { analysisOf } from "./analysis-of.ts";

/** What is drawn: instructions that every browser has. Memory is the module's, which has all targets. */
export const TARGET = "simd";

const plans = new WeakMap<Model, Map<ModuleName, ModulePlan>>();

export interface Planned {
  readonly model: Model;
  readonly plan: ModulePlan;
  readonly programs: readonly Program[];
}

/** Of a text's model; undefined: it has none of that name without errors. */
export function planOf(text: string, name: string, module: ModuleName): Planned | undefined {
  const model = analysisOf(text).models.find((facts) => facts.name === name)?.model;
  if (!model) return undefined;
  const known = plans.get(model) ?? new Map<ModuleName, ModulePlan>();
  plans.set(model, known);
  const plan = known.get(module) ?? planModule(model, module);
  known.set(module, plan);
  return { model, plan, programs: plan.programs.get(TARGET)! };
}

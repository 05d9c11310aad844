/** Does a model fit into a module's memory? Asked before anything is compiled; the answer is exact. */
import { planModule, type CompileOptions, type ModuleName, type ModulePlan } from "../compile.ts";
import type { Model } from "../2-check/model.ts";
import { leastBytes, MAX_PAGES } from "../7-place/place.ts";
import { mebibytes } from "../9-bundle/report.ts";
import { SinterError } from "../../runtime/errors.ts";

export const moduleNames = ["train", "infer"] as const satisfies readonly ModuleName[];

export const fits = (plan: ModulePlan): boolean => plan.placement.pages <= MAX_PAGES;

/** Throws a SinterError of kind "memory" that names the largest regions. */
export function refuseTooLarge(model: Model, plan: ModulePlan): void {
  if (fits(plan)) return;
  const largest = [...plan.placement.regions].sort((a, b) => b.bytes - a.bytes).slice(0, 3).map((r) => `${r.name} ${mebibytes(r.bytes)}`);
  const hint = plan.name === "train" ? "Make it smaller with --set (train.batch, train.context, width, layers). Its infer module may fit: sinter check SPEC." : "Make it smaller with --set (context, width, layers).";
  throw new SinterError("memory", `${model.name}: the module \`${plan.name}\` needs ${mebibytes(plan.placement.bytes)}, a WebAssembly memory ends at 4096 MiB (${largest.join(", ")})`, hint);
}

/** Plans every module asked for, and refuses the first that does not fit. */
export function planAll(model: Model, modules: readonly ModuleName[], options: CompileOptions = {}): ModulePlan[] {
  return modules.map((name) => {
    const plan = planModule(model, name, options);
    refuseTooLarge(model, plan);
    return plan;
  });
}

/** "memory   train 43,646,976 bytes (41.63 MiB)   infer …" */
export function memoryLine(model: Model): string {
  const of = (plan: ModulePlan): string => `${plan.name} ${plan.placement.bytes.toLocaleString("en-US")} bytes (${mebibytes(plan.placement.bytes)}${fits(plan) ? "" : ", more than the 4 GiB of one memory"})`;
  const plans = moduleNames.map((name) => planModule(model, name)), train = plans[0]!.placement, least = leastBytes(train, "train");
  return [
    `  memory: ${plans.map(of).join(", ")}`,
    `  a step: at least ${least.toLocaleString("en-US")} bytes for weights, gradients, moments and needed activations; planned ${(100 * (train.bytes / least - 1)).toFixed(1)} % more`,
  ].join("\n");
}

/** Bytes of each module's memory, for `check --json`. */
export const planBytes = (model: Model): Record<ModuleName, number> =>
  Object.fromEntries(moduleNames.map((name) => [name, planModule(model, name).placement.bytes])) as Record<ModuleName, number>;

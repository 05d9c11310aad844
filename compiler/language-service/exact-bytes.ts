/**
 * The bytes of a model's modules, as `sinter check` has them. They take a plan of all kernels and addresses,
 * ten to a hundred milliseconds for a model, and so are no part of an analysis: whoever shows them asks for
 * one model after the other, and stops when the text has changed.
 */
import { planModule } from "../compile.ts";
import { fits, memoryBytes, workersOn } from "../planned-memory.ts";
import type { ModuleName } from "../../runtime/contract/manifest.ts";
import type { Model } from "../../runtime/contract/model.ts";
import type { ModuleBytes } from "./language-service.ts";

/** `cores`: those of the machine that would run it, which decide how many workers there are. */
export function exactBytes(model: Model, cores: number): Readonly<Record<ModuleName, ModuleBytes>> {
  return { train: bytesOf(model, "train", cores), infer: bytesOf(model, "infer", cores) };
}

function bytesOf(model: Model, name: ModuleName, cores: number): ModuleBytes {
  const plan = planModule(model, name);
  return {
    bytes: memoryBytes(plan, workersOn(plan, cores)),
    memories: plan.over?.partitions?.length ?? 1,
    fits: fits(plan),
  };
}

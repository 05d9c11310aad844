/** Adapters (LoRA) of a module: switched off, for all or for one lane, the model is as it was before. */
import { SinterError } from "../base/errors.ts";
import type { Entries } from "./entries.ts";

/**
 * Whether adapters count for what runs in a lane. Throws `input` where they count for all lanes alike: in
 * modules that train, and those of earlier releases.
 */
export function adaptLane(entries: Entries, lane: number, on: boolean): void {
  const lanes = entries.words("adapted_lanes");
  if (!on && entries.module.lora && lanes.length === 0)
    throw new SinterError(
      "input",
      "this module's adapters count for all texts alike",
      "Compile its model for `infer` once more.",
    );
  for (const words of lanes) words[lane] = on ? 1 : 0;
}

/** Whether adapters count from now on. Returns whether they did before. */
export function useAdapters(entries: Entries, on: boolean): boolean {
  const { module } = entries;
  if (!module.lora) throw new SinterError("input", "this module has no adapters", "Compile it with `lora`.");
  const before = entries.hyper("lora") !== 0;
  entries.setHyper("lora", on ? module.lora.alpha / module.lora.rank : 0);
  return before;
}

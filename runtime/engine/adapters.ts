/** Adapters (LoRA) of a module: switched off, the model is as it was before it had any. */
import { SinterError } from "../base/errors.ts";
import type { Entries } from "./entries.ts";

const F32_BYTES = 4;

/** Whether adapters count from now on. Returns whether they did before. */
export function useAdapters(entries: Entries, on: boolean): boolean {
  const { module, manifest } = entries;
  if (!module.lora) throw new SinterError("input", "this module has no adapters", "Compile it with `lora`.");
  const field = manifest.control.hyper + F32_BYTES * manifest.hyper.lora;
  const before = entries.control(field) !== 0;
  const [bits] = new Int32Array(Float32Array.of(on ? module.lora.alpha / module.lora.rank : 0).buffer);
  entries.setControl(field, bits!);
  return before;
}
